"""Files that appear whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

#: What the name of every unfinished file of this process begins with, and of no other.
BEGINNING = f".{uuid4().hex[:16]}"


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
    temporary = path.with_name(f"{BEGINNING}{uuid4().hex[:16]}{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
