"""Spool: a sequence of any length on disk, of which memory holds a few items; what else is done in bounded memory."""

from __future__ import annotations

import heapq
import pickle  # noqa: TID251  of what this process wrote, in a file that has no name
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from tempfile import TemporaryFile
from threading import Lock
from typing import BinaryIO, Generic, TypeVar, overload
from weakref import finalize

from darnet.errors import ResourceError, one_line

Item = TypeVar("Item")

#: Items that lie together: those that are read at once, and share the strings that are the same in all of them.
AT_ONCE = 256
#: Names that are sorted at once in memory, which takes 5 MB.
SORTED_AT_ONCE = 2**16


class Spool(Sequence[Item], Generic[Item]):
    """Items in the order in which they were added, in a temporary file that goes with the object; few need no file.

    They are pickled: what is read is equal to what was added. Threads may read it side by side. Raises ResourceError
    where there is no room.

    >>> spool = Spool(range(1000))
    >>> len(spool), spool[-1], spool[2:4], sum(spool)
    (1000, 999, (2, 3), 499500)
    """

    def __init__(self, items: Iterable[Item] = ()) -> None:
        self._last: list[Item] = []  # that are not yet in the file
        self._starts: list[int] = []  # of each part of the file, in bytes
        self._file: BinaryIO | None = None
        self._lock = Lock()
        for item in items:
            self.append(item)

    def append(self, item: Item) -> None:
        """One item more."""
        self._last.append(item)
        if len(self._last) == AT_ONCE:
            with _room():
                self._write(pickle.dumps(self._last, pickle.HIGHEST_PROTOCOL))
            self._last = []

    def __len__(self) -> int:
        """How many were added."""
        return len(self._starts) * AT_ONCE + len(self._last)

    def __iter__(self) -> Iterator[Item]:
        """From the first to the last that was added by now."""
        for part in range(len(self._starts)):
            yield from self._part(part)
        yield from tuple(self._last)

    @overload
    def __getitem__(self, index: int) -> Item: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Item, ...]: ...

    def __getitem__(self, index: int | slice) -> Item | tuple[Item, ...]:
        """One of them, for which its neighbours are read as well; or some, which are in memory then."""
        if isinstance(index, slice):
            return tuple(self)[index]
        part, at = divmod(range(len(self))[index], AT_ONCE)
        return (self._part(part) if part < len(self._starts) else self._last)[at]

    def _part(self, part: int) -> list[Item]:
        assert self._file is not None
        with self._lock:
            self._file.seek(self._starts[part])
            items: list[Item] = pickle.load(self._file)  # noqa: S301  as above
        return items

    def _write(self, data: bytes) -> None:
        with self._lock:
            if self._file is None:
                self._file = TemporaryFile()  # noqa: SIM115  it goes with the spool
                finalize(self, self._file.close)
            self._starts.append(self._file.seek(0, 2))
            self._file.write(data)
            self._file.flush()


class Numbers:
    """What number each key came with first, in a temporary database of SQLite's, which goes to disk where it grows.

    Keys that come in their order lie side by side, and cost least. Raises ResourceError where there is no room.

    >>> numbers = Numbers()
    >>> numbers.first("a", 0), numbers.first("b", 1), numbers.first("a", 2), numbers.get("b"), numbers.get("c")
    (0, 1, 0, 1, None)
    """

    def __init__(self) -> None:
        self._base = sqlite3.connect("", isolation_level=None, check_same_thread=False)  # it may be closed by another
        finalize(self, self._base.close)
        self._base.execute("PRAGMA synchronous = OFF")
        self._base.execute("PRAGMA journal_mode = OFF")
        self._base.execute("CREATE TABLE numbers (key BLOB PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID")
        self._base.execute("BEGIN")
        self._count = 0

    def __len__(self) -> int:
        """How many keys came."""
        return self._count

    def first(self, key: str, number: int) -> int:
        """The number that a key came with first: this one, if it is new."""
        with _room():
            given = (_bytes(key), number)
            if self._base.execute("INSERT OR IGNORE INTO numbers VALUES (?, ?)", given).rowcount:
                self._count += 1
                return number
        known = self.get(key)
        assert known is not None
        return known

    def get(self, key: str) -> int | None:
        """The same of a key that may not have come; then None."""
        found = self._base.execute("SELECT number FROM numbers WHERE key = ?", (_bytes(key),)).fetchone()
        return None if found is None else int(found[0])


def in_order(names: Iterable[str]) -> Iterator[str]:
    """Names, sorted, however many there are.

    >>> list(in_order(["b", "a", "c"]))
    ['a', 'b', 'c']
    """
    coming = iter(names)
    run = sorted(islice(coming, SORTED_AT_ONCE))
    if len(run) < SORTED_AT_ONCE:
        return iter(run)
    runs = [Spool(run)]
    while run := sorted(islice(coming, SORTED_AT_ONCE)):
        runs.append(Spool(run))
    return heapq.merge(*runs)


def _bytes(key: str) -> bytes:
    """Of any name that a system gives."""
    return key.encode(errors="surrogatepass")


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise ResourceError(f"no room among temporary files ({one_line(error)})") from None
