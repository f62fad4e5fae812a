"""What is worth knowing of a picture although nothing failed: who says it, and who hears.

Python's own warnings are everybody's: one thread that listens would change what others see. So these are kept by
thread, and become Python warnings only where nobody listens.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from darnet.errors import named


class ImageWarning(UserWarning):
    """What is worth knowing of a picture although nothing failed: the `path` of its file, if any, and the `reason`.

    Example:
        >>> warning = ImageWarning(Path("a.tif"), "the EXIF is damaged")
        >>> print(warning, warning.beside(Path("a.tif")), sep="; ")
        a.tif: the EXIF is damaged; the EXIF is damaged
    """

    def __init__(self, path: Path | None, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        """One line that names the picture."""
        return f"{named(self.path or 'picture')}: {self.reason}"

    def beside(self, path: Path | None) -> str:
        """The text where `path` is named beside it, and so not in it; what has no path is about the picture at hand."""
        return self.reason if self.path in (None, path) else str(self)


_heard: ContextVar[list[ImageWarning] | None] = ContextVar("heard", default=None)


@contextmanager
def overheard() -> Iterator[list[ImageWarning]]:
    """What is said (`warn`) of pictures inside, each thing once; whoever listens has to pass it on.

    Each thread, and each task of asyncio, hears what is said in itself alone, and nothing of Python's own warnings
    is touched: they belong to all threads.

    Example:
        >>> with overheard() as said:
        ...     warn(Path("a.tif"), "the EXIF is damaged")
        >>> print(*said)
        a.tif: the EXIF is damaged
    """
    said: list[ImageWarning] = []
    before = _heard.set(said)
    try:
        yield said
    finally:
        _heard.reset(before)


def warn(path: Path | None, reason: str, stacklevel: int = 1) -> None:
    """Say something of the picture at `path` to whoever listens (`overheard`); if nobody does, it is a Python warning.

    `stacklevel`: whose line that one names; 1: that of the caller.
    """
    warning, said = ImageWarning(path, reason), _heard.get()
    if said is None:
        warnings.warn(warning, stacklevel=stacklevel + 1)
    elif str(warning) not in map(str, said):
        said.append(warning)
