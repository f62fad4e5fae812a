"""Paths of files that are to be written: whether they may be, and whether two lead to one file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from stat import S_ISREG
from tempfile import TemporaryFile

from darnet.errors import ImageError, refusal
from darnet.images.formats import regular
from darnet.images.image import write_bytes

#: Folders that are remembered at once.
REMEMBERED = 1024


def place(path: Path) -> Path:
    """Where a file lies, whichever way leads there."""
    return Path(os.path.realpath(path.parent)) / path.name


class Places:
    """The same of many files, whose folders are looked up once each: while nobody moves these.

    >>> Places().of(Path("/a.png")) == str(place(Path("/a.png")))
    True
    """

    def __init__(self) -> None:
        self.folder = lru_cache(REMEMBERED)(os.path.realpath)

    def of(self, path: Path) -> str:
        """As `place`."""
        return os.path.join(self.folder(path.parent), path.name)  # noqa: PTH118  a tenth of what a Path takes

    def followed(self, path: Path) -> str:
        """The same of what a link leads to; Path.resolve raises for one that leads to itself."""
        return os.path.realpath(path) if os.path.islink(path) else self.of(path)  # noqa: PTH114


def check_free(path: Path, *, overwrite: bool) -> None:
    """Raise ImageError if `path` may not be written, or clearly cannot."""
    if os.path.lexists(path) and not overwrite:
        raise ImageError(path, "exists already; `overwrite=True` replaces it")
    check_writable(path)


def check_writable(path: Path) -> None:
    """Raise ImageError if `path`, whose folders may not exist yet, clearly cannot be written."""
    if path.is_dir():
        raise ImageError(path, "is a directory")
    folder = path.absolute().parent
    while not os.path.lexists(folder):
        folder = folder.parent
    if not folder.is_dir():
        raise ImageError(path, "not a directory")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ImageError(path, "permission denied")


def check_earlier(path: Path, beginning: bytes) -> None:
    """Raise ImageError if a report at `path` would replace more than an earlier one, or cannot be written.

    An earlier one begins so, or is empty: it was made so that a report has a place.
    """
    check_writable(path)
    folder = path.absolute().parent
    while not folder.exists():
        folder = folder.parent
    try:
        TemporaryFile(dir=folder).close()  # rights say nothing to root, nor of what is mounted to be read
    except OSError as error:
        raise ImageError(path, refusal(error)) from None
    if not os.path.lexists(path):
        return
    try:
        with regular(path) as file:
            head = file.read(len(beginning))
    except OSError as error:
        raise ImageError(path, refusal(error)) from None
    if head not in {b"", beginning}:
        raise ImageError(path, "exists already and is no such report of darnet's; give another name")


def make(folder: Path) -> None:
    """Make a folder, where there is none. Raises ImageError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise ImageError(folder, _obstacle(folder)) from None
    except OSError as error:
        raise ImageError(folder, refusal(error)) from None


def _obstacle(folder: Path) -> str:
    """What there is in place of a folder."""
    try:
        mode = folder.stat().st_mode
    except OSError as error:  # a link that leads to itself
        return refusal(error)
    return "not a folder" if S_ISREG(mode) else "neither a folder nor a regular file"


def make_folder(path: Path) -> None:
    """Make the folder that a file is to lie in. Raises ImageError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageError(path, refusal(error)) from None


def remove(path: Path) -> None:
    """Remove a file that may be there. Raises ImageError."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ImageError(path, refusal(error)) from None


def write_file(path: Path, data: bytes) -> None:
    """Write a file at once or not at all, and the folders that it is to lie in. Raises ImageError."""
    make_folder(path)
    write_bytes(path, data)


def is_same_file(path: Path, others: Sequence[Path]) -> bool:
    """Whether a path leads to one of the others: by name, symlink or hard link."""
    return bool(identities([path]) & identities(others))


def identities(paths: Sequence[Path]) -> set[tuple[int, int]]:
    """Which files they lead to, as the system knows them; of those that are there."""
    known = set()
    for path in paths:
        with suppress(OSError):
            status = path.stat()
            known.add((status.st_dev, status.st_ino))
    return known


def absence(one: str) -> str:
    """Why there is nothing of that name."""
    try:
        Path(one).lstat()
    except FileNotFoundError:
        pass
    except OSError as error:
        return refusal(error)
    except ValueError:  # a NUL, or what is no text
        return "no file can be called so"
    return "no such file or folder"


def listed(folder: Path, folders: list[str]) -> Iterator[str]:
    """The names in a folder; those of folders in it, and of links to such, go to a list. Raises OSError."""
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                is_folder = entry.is_dir()
            except OSError:  # a link that leads to itself
                is_folder = False
            if is_folder:
                folders.append(entry.name)
            else:
                yield entry.name
