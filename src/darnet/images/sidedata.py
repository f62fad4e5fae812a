"""What a file says beside its samples that libvips keeps to itself, read from the file and put into another.

It lies in the fields of `Image.metadata` that no libvips image has: `png-text`, `png-colour`, `png-hdr`,
`jpeg-segments`, `nclx`, `tiff-tags`, and density (`darnet.images.density`).
"""

from __future__ import annotations

import io
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from darnet.errors import one_line
from darnet.files import unfinished
from darnet.images import boxes, chunks, density, exif, invented, segments
from darnet.images.arrays import Metadata
from darnet.images.coding import USUAL, Coding
from darnet.images.segments import MOST_SEGMENT_BYTES
from darnet.notices import warn

#: Fields of what colours mean and how frames follow each other: they are written whatever becomes of other metadata.
ESSENTIAL = frozenset({"png-colour", "png-hdr", "nclx", "delays", "loop"})
#: Formats whose EXIF is written byte by byte, here; in the others libvips makes it anew.
EXIF_HERE, EXIF_BY_VIPS = frozenset({"jpeg", "png"}), frozenset({"webp", "avif"})


def read(path: Path, format: str, file: BinaryIO) -> tuple[Metadata, Coding]:
    """Fields, and how the samples are coded. Warns (ImageWarning), naming `path`, of what is lost."""
    if format == "png":
        return chunks.read(path, file), USUAL
    if format == "jpeg":
        return segments.read(path, file)
    if format == "avif":
        return boxes.read(path, file)
    if format == "webp":
        file.seek(0)
        head = file.read(2**16)
        return {}, Coding(lossless=b"VP8L" in head and b"VP8 " not in head)
    return {}, USUAL


def add(path: Path, format: str, data: bytes, fields: Metadata, size: tuple[int, int]) -> bytes:
    """The bytes of a file that libvips wrote, with fields; `size`: its height and width.

    Warns (ImageWarning), naming `path`, where the EXIF cannot be written.
    """
    if format == "tiff":
        file = io.BytesIO(data)
        density.to_tiff(file, fields)
        return exif.add(path, file.getvalue(), fields)
    if format in EXIF_BY_VIPS:
        data = invented.taken_back(data, fields)
    count, beginning = _beginning(path, format, io.BytesIO(data), fields, size)
    return b"".join([beginning, memoryview(data)[count:]]) if count else data


def extend(path: Path, format: str, file: Path, fields: Metadata, size: tuple[int, int]) -> None:
    """The same for a large `file`, which is changed where it lies; messages call it `path`. Raises OSError."""
    if format == "tiff":
        with file.open("r+b") as opened:
            density.to_tiff(opened, fields)
            exif.extend(path, opened, fields)
        return
    if format in EXIF_BY_VIPS:  # whose files libvips holds in memory, too
        written = file.read_bytes()
        if (data := invented.taken_back(written, fields)) != written:
            file.write_bytes(data)
    with file.open("rb") as opened:
        count, beginning = _beginning(path, format, opened, fields, size)
        if not count:
            return
        with unfinished(file) as longer, longer.open("xb") as copy:
            copy.write(beginning)
            opened.seek(count)
            shutil.copyfileobj(opened, copy)


def _beginning(path: Path, format: str, file: BinaryIO, fields: Metadata, size: tuple[int, int]) -> tuple[int, bytes]:
    """How a file is to begin, in the place of how many of its bytes."""
    begins: dict[str, Callable[[BinaryIO, Metadata, bytes], tuple[int, bytes]]] = {
        "png": chunks.begin,
        "jpeg": segments.begin,
        "avif": boxes.begin,
    }
    if format not in begins:
        return 0, b""
    try:
        return begins[format](file, fields, _exif(path, format, fields, size))
    except (LookupError, ValueError, struct.error) as error:  # boxes that lie otherwise than libvips' do
        warn(path, f"what its colours mean is not written ({one_line(error)})", stacklevel=5)
        return 0, b""


def _exif(path: Path, format: str, fields: Metadata, size: tuple[int, int]) -> bytes:
    block = fields.get("exif-data")
    if format not in EXIF_HERE or not isinstance(block, bytes):
        return b""
    block = exif.renewed(path, block, *size)
    if format == "jpeg" and len(block) > MOST_SEGMENT_BYTES:
        warn(path, "the EXIF is not written: it is longer than a JPEG file can hold", stacklevel=5)
        return b""
    return block
