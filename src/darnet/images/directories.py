"""Directories (IFDs) of TIFF files and of EXIF, byte by byte: their entries, and what of them are integers.

TIFF 6.0, section 2. A `file` begins where the header of the TIFF structure does.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

HEADER_BYTES, ENTRY_BYTES = 8, 12
SHORT, LONG = 3, 4
#: Types and counts of integers that an entry itself holds, as `struct` calls them.
HELD = {(SHORT, 1): "H", (SHORT, 2): "H", (LONG, 1): "I"}


def layout(file: BinaryIO, page: int = 0) -> dict[int, tuple[int, ...]]:
    """The integers that a page's directory of a TIFF file holds in its entries, by tag.

    Such as 259, compression; 262, what samples mean; 530, how far chroma is subsampled. Raises as `places` does.
    """
    starts, endian = places(file, page)
    found = {}
    for tag, start in starts.items():
        entry = some(file, start, ENTRY_BYTES)
        kind, count = struct.unpack_from(f"{endian}HI", entry, 2)
        if (kind, count) in HELD:
            found[tag] = struct.unpack_from(f"{endian}{count}{HELD[kind, count]}", entry, 8)
    return found


def entries(file: BinaryIO, at: int, order: bytes) -> tuple[dict[int, bytes], bytes]:
    """The raw entries of a directory by tag, in order, and the pointer to the next directory behind them."""
    (count,) = struct.unpack(f"{endian_of(order)}H", some(file, at, 2))
    raw = [some(file, at + 2 + ENTRY_BYTES * index, ENTRY_BYTES) for index in range(count)]
    return {struct.unpack_from(f"{endian_of(order)}H", entry)[0]: entry for entry in raw}, file.read(4)


def places(file: BinaryIO, page: int = 0) -> tuple[dict[int, int], str]:
    r"""Where each entry of a page's directory lies, by tag, and how `struct` calls the order of bytes.

    Raises KeyError, ValueError or struct.error for what is no directory, or one of a BigTIFF.

    >>> import io
    >>> places(io.BytesIO(b"II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, 0x112, SHORT, 1, 6, 0)))
    ({274: 10}, '<')
    """
    header = some(file, 0, HEADER_BYTES)
    endian = endian_of(header[:2])
    if struct.unpack_from(f"{endian}H", header, 2) != (42,):
        raise ValueError("not a plain TIFF file")
    (at,) = struct.unpack(f"{endian}I", some(file, pointer(file, page, endian), 4))
    (count,) = struct.unpack(f"{endian}H", some(file, at, 2))
    starts = range(at + 2, at + 2 + ENTRY_BYTES * count, ENTRY_BYTES)
    return {struct.unpack(f"{endian}H", some(file, start, 2))[0]: start for start in starts}, endian


def pointer(file: BinaryIO, page: int, endian: str) -> int:
    """Where a TIFF file says where the directory of a page is."""
    found = 4
    for _ in range(page):
        (at,) = struct.unpack(f"{endian}I", some(file, found, 4))
        found = at + 2 + ENTRY_BYTES * struct.unpack(f"{endian}H", some(file, at, 2))[0]
    return found


def some(file: BinaryIO, at: int, count: int) -> bytes:
    """So many bytes from there on, or fewer where the file ends."""
    file.seek(at)
    return file.read(count)


def endian_of(order: bytes) -> str:
    """How `struct` calls an order of bytes. Raises KeyError for what is none."""
    return {b"II": "<", b"MM": ">"}[order]
