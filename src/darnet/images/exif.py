"""EXIF of TIFF files, which libvips neither reads nor writes: it lies in the file's own directories (IFDs).

A block is what the other formats carry and libvips calls `exif-data`: `Exif`, two zeros and a small TIFF file.
Importing this module does not import PIL.
"""

from __future__ import annotations

import io
import re
import struct
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, get_ident
from typing import Any, BinaryIO, TypeAlias

from darnet.errors import one_line
from darnet.notices import warn

Tags: TypeAlias = dict[int, tuple[int, Any]]  # tag: its TIFF type and value; the value of a pointer is Tags again
Pointers: TypeAlias = Mapping[int, Any]  # tag: the Pointers inside the directory it points to

LONG = 4
HEADER_BYTES, BIG_HEADER_BYTES = 8, 16
EXIF, GPS, INTEROPERABILITY = 0x8769, 0x8825, 0xA005
POINTERS: Pointers = {EXIF: {INTEROPERABILITY: {}}, GPS: {}}
# What the first directory says about the picture, not about how its pixels are stored: document, description, make,
# model, software, date, artist, computer, rating, copyright, and Windows' title, comment, author, keywords, subject.
ABOUT = (0x10D, 0x10E, 0x10F, 0x110, 0x131, 0x132, 0x13B, 0x13C, 0x4746, 0x4749, 0x8298, *range(0x9C9B, 0x9CA0))
SIZES = {0xA002: 0x100, 0xA003: 0x101}  # width and height: tag of the EXIF directory, tag of the first directory


def read(path: Path, file: BinaryIO) -> dict[str, bytes]:
    """The EXIF of a TIFF file as {"exif-data": block}, without thumbnail and orientation; {} where there is none.

    Warns (ImageWarning), naming `path`, where the EXIF is damaged, and returns the rest.
    """
    block, problem = _attempt(_block, file)
    if problem:
        warn(path, f"the EXIF is damaged and not read whole ({problem})", stacklevel=4)
    return {"exif-data": block} if block else {}


def add(path: Path, data: bytes, block: bytes) -> bytes:
    """The bytes of a TIFF file that libvips wrote, with the EXIF of a block: nothing in it moves, its end grows.

    Warns (ImageWarning), naming `path`, where the EXIF is damaged or the file is a BigTIFF, which stays as it was.
    """
    grown = _added(path, io.BytesIO(data), block)
    return b"".join([grown[:HEADER_BYTES], memoryview(data)[HEADER_BYTES:], grown[HEADER_BYTES:]]) if grown else data


def extend(path: Path, file: Path, block: bytes) -> None:
    """The same for a large `file`, which is changed where it lies; messages call it `path`. Raises OSError."""
    with file.open("r+b") as opened:
        grown = _added(path, opened, block)
        opened.seek(0)
        opened.write(grown[:HEADER_BYTES])
        opened.seek(0, io.SEEK_END)
        opened.write(grown[HEADER_BYTES:])


def _added(path: Path, file: BinaryIO, block: bytes) -> bytes:
    """What a file begins with, and what its end grows by; nothing where it stays as it was."""
    grown, problem = _attempt(_grown, file, block)
    if problem:
        extent = "all of the" if grown else "the"
        warn(path, f"TIFF file written without {extent} EXIF ({problem})", stacklevel=4)
    return grown


def _attempt(function: Callable[..., bytes], *arguments: BinaryIO | bytes) -> tuple[bytes, str]:
    """The result, and what Pillow said of it: it warns of a tag it skips, and raises for what is no directory."""
    with _said_by_pillow() as said:
        try:
            result = function(*arguments)
        except (ArithmeticError, LookupError, OSError, SyntaxError, TypeError, ValueError, struct.error) as error:
            return b"", one_line(error)
    return result, " ".join(said[0].split()) if said else ""


_pillow = Lock()


@contextmanager
def _said_by_pillow() -> Iterator[list[str]]:
    """What Pillow warns of in this thread.

    It does so by Python's warnings, which are everybody's. So one thread at a time exchanges how they are shown, for no
    longer than Pillow takes over some directories, and what others say is shown as before.
    """
    said: list[str] = []
    with _pillow, warnings.catch_warnings():
        warnings.filterwarnings("always", module="PIL[.]")
        shown, here = warnings.showwarning, get_ident()

        def hear(message: Warning | str, *where: Any, **more: Any) -> None:
            if get_ident() == here:
                said.append(str(message))
            else:
                shown(message, *where, **more)

        warnings.showwarning = hear
        yield said


def _block(file: BinaryIO) -> bytes:
    tags = _load(file)
    if not tags:
        return b""
    order = _bytes(file, 0, 2)
    body, at = _dump(tags, order, 8)
    return b"Exif\0\0" + order + struct.pack(f"{_endian(order)}HI", 42, at) + body


def _grown(file: BinaryIO, block: bytes) -> bytes:
    header = _bytes(file, 0, HEADER_BYTES)
    order, endian = header[:2], _endian(header[:2])
    if struct.unpack_from(f"{endian}H", header, 2) != (42,):
        raise ValueError("the file is a BigTIFF")
    tags = _load(io.BytesIO(re.sub(rb"^(Exif\0\0)+", b"", block)))
    if not tags:
        return b""
    old, after = _entries(file, struct.unpack_from(f"{endian}I", header, 4)[0], order)
    if EXIF in tags:
        _resize(tags[EXIF][1], old, endian)
    length = file.seek(0, io.SEEK_END)
    padding = bytes(length % 2)
    start = length + len(padding)
    body, at = _dump(tags, order, start)
    entries = _entries(io.BytesIO(body), at - start, order)[0] | old  # what libvips wrote itself is right
    directory = struct.pack(f"{endian}H", len(entries)) + b"".join(entries[tag] for tag in sorted(entries)) + after
    return b"".join([header[:4], struct.pack(f"{endian}I", start + len(body)), padding, body, directory])


def _resize(tags: Tags, entries: Mapping[int, bytes], endian: str) -> None:
    """Make EXIF's idea of the size agree with the picture's."""
    for tag, actual in SIZES.items():
        long = struct.unpack_from(f"{endian}H", entries[actual], 2) == (LONG,)
        tags[tag] = (LONG, *struct.unpack_from(endian + ("I" if long else "H"), entries[actual], 8))


def _load(file: BinaryIO) -> Tags:
    """What the first directory of a TIFF file or block says about the picture."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    header = _bytes(file, 0, BIG_HEADER_BYTES)
    if header[:4] == b"MM\0+":
        raise ValueError("big-endian BigTIFF is not supported")  # Pillow takes it for a plain TIFF
    if header[2:3] != b"+":
        header = header[:HEADER_BYTES]

    def load(at: int, wanted: Iterable[int] | None, pointers: Pointers) -> Tags:
        file.seek(at)
        found = ImageFileDirectory_v2(header)
        found.load(file)
        chosen = (set(found) if wanted is None else set(found) & {*wanted}) - pointers.keys()
        tags = {tag: (found.tagtype[tag], found[tag]) for tag in chosen}
        inner = {tag: load(found[tag], None, pointers[tag]) for tag in set(found) & pointers.keys()}
        return tags | {tag: (LONG, value) for tag, value in inner.items() if value}

    return load(ImageFileDirectory_v2(header).next, ABOUT, POINTERS)


def _dump(tags: Tags, order: bytes, start: int) -> tuple[bytes, int]:
    """A directory and those it points to as they stand in a file from `start` on, and where the directory is."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    directory, inner = ImageFileDirectory_v2(prefix=order), b""
    for tag, (kind, given) in tags.items():
        value = given
        if isinstance(given, dict):
            body, value = _dump(given, order, start + len(inner))
            inner += body
        directory.tagtype[tag] = kind  # or Pillow guesses it from the value
        directory[tag] = value.encode("latin-1") if isinstance(value, str) else value  # the very bytes it was read from
    return inner + directory.tobytes(start + len(inner)), start + len(inner)


def _entries(file: BinaryIO, at: int, order: bytes) -> tuple[dict[int, bytes], bytes]:
    """The raw entries of a directory by tag, and the pointer to the next directory behind them."""
    (count,) = struct.unpack(f"{_endian(order)}H", _bytes(file, at, 2))
    raw = [_bytes(file, at + 2 + 12 * index, 12) for index in range(count)]
    return {struct.unpack_from(f"{_endian(order)}H", entry)[0]: entry for entry in raw}, file.read(4)


def _bytes(file: BinaryIO, at: int, count: int) -> bytes:
    """So many bytes from there on, or fewer where the file ends."""
    file.seek(at)
    return file.read(count)


def _endian(order: bytes) -> str:
    return {b"II": "<", b"MM": ">"}[order]
