"""Traces: what a file was when it was read or written, and whether it still is."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from darnet.errors import ImageError
from darnet.images.coding import EMPTY, INCOMPLETE
from darnet.images.formats import NO_PICTURE, SUFFIXES
from darnet.images.image import Image
from darnet.jobs.paths import place
from darnet.jobs.settings import sha256_of
from darnet.notices import overheard


@dataclass(frozen=True)
class Trace:
    """A file as it was: its `path`, its size in bytes, when it was changed last, and its SHA-256.

    `sha256`: empty where it is not known.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.txt")
    ...     _ = path.write_text("all of it")
    ...     trace = Trace.of(path)
    ...     path.touch()
    ...     before = trace.fits(path)
    ...     _ = path.write_text("all of us")
    ...     before, trace.fits(path)
    (True, False)
    """

    path: str
    size: int
    mtime_ns: int
    sha256: str = ""

    @classmethod
    def of(cls, path: Path, name: str | None = None, *, whole: bool = True) -> Trace:
        """Of the file at `path`, under a `name`; `whole`: with its SHA-256. Raises OSError, ImageError."""
        status = path.stat()
        digest = sha256_of(path) if whole else ""
        return cls(str(path) if name is None else name, status.st_size, status.st_mtime_ns, digest)

    @classmethod
    def read(cls, known: Mapping[str, Any]) -> Trace:
        """From what was stored. Raises ValueError for what darnet did not store."""
        numbers = (known.get("size"), known.get("mtime_ns"))
        if set(known) != {field.name for field in fields(cls)} or not all(isinstance(one, int) for one in numbers):
            raise ValueError("no trace of a file")
        if not isinstance(known["path"], str) or not isinstance(known["sha256"], str):
            raise ValueError("no trace of a file")
        return cls(**known)

    def fits(self, path: Path) -> bool:
        """Whether the file there is the same: by size and time, or by what it holds."""
        try:
            now = path.stat()
            if now.st_size != self.size:
                return False
            return now.st_mtime_ns == self.mtime_ns or self.sha256 == sha256_of(path)
        except (OSError, ImageError):
            return False


def is_whole(path: Path, trace: Trace) -> bool:
    """Whether a file, which differs from its trace, is one that somebody made, not what is left of the one there was.

    What is left is shorter and cannot be decoded to its end, or is no picture at all: zeros, where power failed. What
    darnet cannot read for another reason is somebody's.
    """
    if path.suffix.lower() not in SUFFIXES:
        return os.path.lexists(path) and path.lstat().st_size >= trace.size
    try:
        with overheard():
            Image.read(path, max_pixels=sys.maxsize, pages="all")
    except ImageError as error:
        cut_off = error.reason.startswith((EMPTY, INCOMPLETE)) and path.lstat().st_size < trace.size
        return not cut_off and error.reason != NO_PICTURE
    return True


def seen(path: Path) -> Trace:
    """An input, before it is read; one that is gone has no time, and a link to nothing lies where it is itself."""
    here = os.path.realpath(path)
    try:
        return Trace.of(Path(here), here, whole=False)
    except OSError:
        return Trace(str(place(path)), 0, 0)


def is_at(source: Trace, path: Path) -> bool:
    """Whether an input lies where that of an entry did: there, or where a link leads."""
    return source.path in {os.path.realpath(path), str(place(path))}


def unchanged(source: Trace, path: Path) -> bool:
    """Whether an input is what it was; in another place only what it holds can tell."""
    here = os.path.realpath(path)
    return (source if here == source.path else replace(source, mtime_ns=-1)).fits(Path(here))


def is_another(source: Trace, path: Path) -> bool:
    """Whether an input is another file than that of the entry: elsewhere, and not the same that was moved."""
    return not is_at(source, path) and not unchanged(source, path)
