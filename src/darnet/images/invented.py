"""What libvips makes up in the EXIF of WebP and AVIF files that it writes, taken back: nobody said it.

It adds a density of 1, a version, a colour space, sizes. What the picture's own EXIF has not goes; nothing moves.
"""

from __future__ import annotations

import io
import re
import struct
from typing import BinaryIO

from darnet.images.arrays import Metadata
from darnet.images.density import ACROSS, RESOLUTION_UNIT, X_RESOLUTION, Y_RESOLUTION
from darnet.images.directories import endian_of, entries
from darnet.images.exif import EXIF
from darnet.images.signature import EMPTY, PREFIX, unprefixed

BLOCK = re.compile(re.escape(PREFIX) + rb"(?=II\*\0|MM\0\*)")


def taken_back(data: bytes, fields: Metadata) -> bytes:
    """A WebP or AVIF file of libvips', with no tag of EXIF but those in `exif-data` and of a density of `fields`.

    What is damaged, or where there is no EXIF, stays the same bytes.
    """
    block = fields.get("exif-data")
    found = [match.end() for match in BLOCK.finditer(data)] if isinstance(block, bytes) or ACROSS in fields else []
    if not found:
        return data
    written = memoryview(data)[found[-1] :]  # in WebP behind the picture, in AVIF the one there is
    own = unprefixed(block) if isinstance(block, bytes) and unprefixed(block) else EMPTY
    try:
        said = [set(tags) for _, tags, _ in _directories(io.BytesIO(own))]
        changes = _directories(io.BytesIO(written))
        endian = endian_of(bytes(written[:2]))
    except (LookupError, ValueError, struct.error):
        return data
    said[0] |= {X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT} if ACROSS in fields else set()
    changed = bytearray(data)
    for (at, tags, following), kept in zip(changes, said, strict=False):  # where own has none, nothing points to one
        rest = [entry for tag, entry in tags.items() if tag in kept]
        directory = struct.pack(f"{endian}H", len(rest)) + b"".join(rest) + following
        changed[found[-1] + at : found[-1] + at + len(directory)] = directory
    return bytes(changed)


def _directories(file: BinaryIO) -> list[tuple[int, dict[int, bytes], bytes]]:
    """Where the first one lies, its entries, and what is behind them; and, where it points there, that of EXIF."""
    order = file.read(2)
    file.seek(4)
    (at,) = struct.unpack(f"{endian_of(order)}I", file.read(4))
    found = [(at, *entries(file, at, order))]
    if EXIF in found[0][1]:
        (inner,) = struct.unpack_from(f"{endian_of(order)}I", found[0][1][EXIF], 8)
        found.append((inner, *entries(file, inner, order)))
    return found
