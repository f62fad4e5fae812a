"""Watching: a folder is looked at again and again, and the pictures that have arrived in it become tasks.

What is known of its files lies in a database of SQLite's that has no name and ends with the run: memory does not grow
with their number.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from darnet.errors import ImageError, UsageError, named, refusal
from darnet.jobs.inputs import STREAM, Found, Source
from darnet.jobs.job import Agenda, Done, Job
from darnet.jobs.outputs import Task, check_apart
from darnet.jobs.remote import as_path, is_remote

if TYPE_CHECKING:
    from darnet.jobs.resuming import Resumption

#: Of a file: new or changed; equal at two looks; the same, and no longer to be given.
ARRIVING, SETTLED, GIVEN = range(3)
TABLE = """
CREATE TABLE files (
    path BLOB PRIMARY KEY, size INTEGER, mtime_ns INTEGER, status INTEGER NOT NULL, look INTEGER NOT NULL
) WITHOUT ROWID
"""
SEEN = f"""
INSERT INTO files VALUES (?, ?, ?, {ARRIVING}, ?) ON CONFLICT (path) DO UPDATE SET
    status = CASE WHEN size = excluded.size AND mtime_ns = excluded.mtime_ns THEN max(status, {SETTLED})
        ELSE {ARRIVING} END,
    size = excluded.size, mtime_ns = excluded.mtime_ns, look = excluded.look
"""
#: Files that are asked for at once.
AT_ONCE = 64
#: A look at a large folder takes its time: so many times as long none follows.
REST = 9


@dataclass
class Watch:
    """A folder whose pictures are restored as they arrive: once two looks in turn find the same size and time.

    A picture that changes after that is one more; those that are done already are passed over, as ledgers say.
    `interval_seconds`: between two looks, at least. `left_out`: hears what else arrives, and why it is no picture
    of the job's. `clock`, `pause`: who tells the time, in seconds, and waits.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Watch(Job(), interval_seconds=0).plan([folder]).total
    0
    """

    job: Job
    interval_seconds: float = 1.0
    left_out: Callable[[Sequence[tuple[str, str]]], object] = lambda found: None
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], object] = time.sleep
    folder: Path = field(default=Path(), init=False)
    output: str | None = field(default=None, init=False)
    _looks: int = field(default=0, init=False)
    _gone: str = field(default="", init=False)  # why the folder cannot be looked into any more

    def __post_init__(self) -> None:
        """Nothing is known at first."""
        self._base = sqlite3.connect("", isolation_level=None, check_same_thread=False)  # one thread after the other
        self._base.execute(TABLE)

    @property
    def ledger(self) -> Path:
        """The folder whose ledger tells of the pictures."""
        return self.folder if self.output is None else Path(self.output)

    def plan(self, inputs: Sequence[str], output: str | None = None) -> Agenda:
        """What is to become of the pictures that are there, as `Job.plan` has it, after two looks.

        Raises as that does, UsageError for what cannot be watched, ImageError for a folder that is not there.
        """
        inputs, output = list(map(as_path, inputs)), output and as_path(output)
        self._check(inputs, output)
        self.folder, self.output = Path(inputs[0]), output
        self._look()
        self.pause(self.interval_seconds)
        self._look()
        found = self.job.plan(inputs, output)
        tasks = tuple(task for task in found.tasks if self._is_settled(task.source.path))
        left_out = tuple(one for one in found.left_out if self._status(Path(one[0])) != ARRIVING)
        missing = tuple(done for done in found.missing if done.input != inputs[0])  # there may be nothing yet
        self._base.execute("UPDATE files SET status = ? WHERE status = ?", (GIVEN, SETTLED))
        return replace(found, tasks=tasks, left_out=left_out, missing=missing)

    def later(self, resumption: Resumption) -> Iterator[Task | None]:
        """The tasks of what arrives, and None where nothing has; it ends only with the folder."""
        due = self.clock()
        while not self._gone:
            started = self.clock()
            if started < due:
                yield None
                continue
            self._look()
            looked = self.clock()
            due = looked + max(self.interval_seconds, REST * (looked - started))
            for path in self._settled():
                if resumption.is_begun(str(path)):  # it has changed meanwhile, and its turn comes afterwards
                    continue
                self._base.execute("UPDATE files SET status = ? WHERE path = ?", (GIVEN, os.fsencode(path)))
                task = self._task(path, resumption)
                if task is not None:
                    yield task

    def checked(self, outcomes: Iterable[Done]) -> Iterator[Done]:
        """The outcomes; after the last raises ImageError if that was so because the folder is gone."""
        yield from outcomes
        if self._gone:
            raise ImageError(self.folder, f"cannot be watched any more: {self._gone}")

    def _check(self, inputs: Sequence[str], output: str | None) -> None:
        """Raise UsageError for what cannot be watched, ImageError for a folder that cannot be looked into."""
        if self.job.dry_run:
            raise UsageError("`dry_run=True`: says what would be done with what is there; nothing arrives for it")
        for one in inputs:
            if one == STREAM or is_remote(one) or Path(one).is_file():
                raise UsageError(f"`watch=True`: {named(one)} is no folder of this machine")
        if len(inputs) != 1:
            raise UsageError(f"`watch=True`: one folder is watched, and {len(inputs)} inputs were given")
        folder = inputs[0]
        try:
            os.scandir(folder).close()
        except (OSError, ValueError) as error:
            raise ImageError(folder, refusal(error) if isinstance(error, OSError) else "no such folder") from None
        if output is None:
            return
        if is_remote(output):
            raise UsageError(f"`watch=True`: `output={output!r}` is no folder of this machine")
        if self.job.recursive and Path(os.path.realpath(output)) in Path(os.path.realpath(folder)).parents:
            raise UsageError(f"`output={output!r}`: outputs would lie among the pictures that are watched")

    def _look(self) -> None:
        """See what is there now."""
        self._looks += 1
        self._base.execute("BEGIN")
        self._base.executemany(SEEN, self._files())
        if not self._gone:
            self._base.execute("DELETE FROM files WHERE look < ?", (self._looks,))
        self._base.execute("COMMIT")

    def _files(self) -> Iterator[tuple[bytes, int, int, int]]:
        def refused(error: OSError) -> None:
            if error.filename == str(self.folder):
                self._gone = refusal(error)

        for path in self.job.search(self.output).files(self.folder, Found(), refused):
            try:
                status = path.stat()
            except OSError:  # which is an outcome, if it stays so
                yield os.fsencode(path), -1, 0, self._looks
            else:
                yield os.fsencode(path), status.st_size, status.st_mtime_ns, self._looks

    def _settled(self) -> Iterator[Path]:
        last, wanted = b"", "SELECT path FROM files WHERE status = ? AND path > ? ORDER BY path LIMIT ?"
        while found := self._base.execute(wanted, (SETTLED, last, AT_ONCE)).fetchall():
            for (last,) in found:
                yield Path(os.fsdecode(last))

    def _status(self, path: Path) -> int | None:
        found = self._base.execute("SELECT status FROM files WHERE path = ?", (os.fsencode(path),)).fetchone()
        return None if found is None else int(found[0])

    def _is_settled(self, path: Path) -> bool:
        return self._status(path) == SETTLED

    def _task(self, path: Path, resumption: Resumption) -> Task | None:
        """What is to become of it; None where that is nothing."""
        source = self.job.search(self.output).source(self.folder, path)
        if not isinstance(source, Source):
            self.left_out([(str(path), source)])
            return None
        if self.job.shard is not None and source.relative not in self.job.shard:
            return None
        task = self.job.destination(self.output).later(source, resumption.is_taken)
        try:
            check_apart([task], [path, *([] if self.job.mask is None else [Path(self.job.mask)])])
            self.job.encoding.check(task)
        except UsageError as error:  # of this picture: the others go on
            return replace(task, refused=str(error))
        return task if task.refused else resumption.later(task)
