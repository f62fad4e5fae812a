"""Files that appear whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from uuid import uuid4

#: What is in the name of every unfinished file of this process, and of no other.
PROCESS = uuid4().hex[:16]
#: What else is.
_mark: ContextVar[str] = ContextVar("mark", default="")


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
    temporary = path.with_name(f".{_mark.get()}{PROCESS}{uuid4().hex[:16]}{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def marked(mark: str) -> Iterator[None]:
    """Unfinished files inside are known by their names, which begin so: a process that is killed leaves its own there.

    >>> with marked("7f3a"), unfinished(Path("notes.txt")) as temporary:
    ...     _ = temporary.write_text("all of it")
    ...     temporary.name[:5]
    '.7f3a'
    >>> Path("notes.txt").unlink()
    """
    before = _mark.set(mark)
    try:
        yield
    finally:
        _mark.reset(before)


def remove_unfinished(folder: Path, mark: str) -> None:
    """Remove what a dead process left in a folder: by its `PROCESS`, or its mark. What cannot be removed stays."""
    with suppress(OSError):
        for path in folder.glob(f".*{mark}*"):
            path.unlink(missing_ok=True)
