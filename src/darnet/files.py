"""Files that appear whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import TypeAlias
from uuid import uuid4

#: What is in the name of every unfinished file of this process, and of no other.
PROCESS = uuid4().hex[:16]
#: What hears of a file before it takes its place: where it lies so far, and the place.
Hearer: TypeAlias = Callable[[Path, Path], None]
#: What else is in the names, and who hears of the files.
_mark: ContextVar[tuple[str, Hearer | None]] = ContextVar("mark", default=("", None))


@contextmanager
def unfinished(path: Path) -> Iterator[Path]:
    """A name beside `path` for what takes its place once it is written, so that nobody ever sees half of it.

    Raises OSError where it cannot; then, or if anything else goes wrong meanwhile, nothing has changed.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     with unfinished(Path(folder) / "notes.txt") as temporary:
        ...         _ = temporary.write_text("all of it")
        ...     [(path.name, path.read_text()) for path in Path(folder).iterdir()]
        [('notes.txt', 'all of it')]
    """
    mark, hear = _mark.get()
    temporary = path.with_name(f".{mark}{PROCESS}{uuid4().hex[:16]}{path.suffix}")
    try:
        yield temporary
        if hear is not None:
            hear(temporary, path)
        temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def marked(mark: str, hear: Hearer | None = None) -> Iterator[None]:
    """Unfinished files inside are known by their names, which begin so: a process that is killed leaves its own there.

    `hear`: is told of each before it takes its place; if that raises, nothing does.

    >>> with marked("7f3a"), unfinished(Path("notes.txt")) as temporary:
    ...     _ = temporary.write_text("all of it")
    ...     temporary.name[:5]
    '.7f3a'
    >>> Path("notes.txt").unlink()
    """
    before = _mark.set((mark, hear))
    try:
        yield
    finally:
        _mark.reset(before)


def remove_unfinished(folder: Path, mark: str) -> None:
    """Remove what a dead process left in a folder: by its `PROCESS`, or its mark. What cannot be removed stays."""
    with suppress(OSError):
        for path in folder.glob(f".*{mark}*"):
            path.unlink(missing_ok=True)
