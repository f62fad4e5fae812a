"""Signature: what a file says of the program that changed it last, as an entry of its EXIF."""

from __future__ import annotations

import re
import struct

#: Of a block of EXIF: how it begins, and a TIFF file without any entry.
PREFIX, EMPTY = b"Exif\0\0", b"II*\0\x08\0\0\0" + bytes(6)
#: Tags: what wrote a file; what has changed it since (Exif.Image.ProcessingSoftware); and the type of their values.
SOFTWARE, PROCESSING, ASCII = 0x131, 0x00B, 2
#: A JPEG file has room for so many bytes of EXIF.
MOST_BYTES = 65_000


def unprefixed(block: bytes) -> bytes:
    """A block of EXIF without its prefix, of which some files have several.

    >>> unprefixed(2 * PREFIX + EMPTY) == EMPTY
    True
    """
    return re.sub(rb"^(Exif\0\0)+", b"", block)


def signed(block: bytes, text: str) -> bytes:
    r"""A block of EXIF that names a program: as what wrote the file, or, where it names one, as what changed it since.

    Nothing in it moves but its first directory, which is written anew at the end: a camera's own notes point into the
    block. A block that is damaged, or would be too large for a JPEG file, stays as it is. `block` may be empty.

    >>> signed(b"", "darnet")[-7:]
    b'darnet\x00'
    """
    body = unprefixed(block) or EMPTY
    endian = "<" if body[:2] == b"II" else ">"
    try:
        (at,) = struct.unpack_from(f"{endian}I", body, 4)
        (count,) = struct.unpack_from(f"{endian}H", body, at)
        entries = [body[start : start + 12] for start in range(at + 2, at + 2 + 12 * count, 12)]
        following = body[at + 2 + 12 * count :][:4]
        tags = [struct.unpack_from(f"{endian}H", entry)[0] for entry in entries]
    except struct.error:
        return block
    if len(following) < 4 or at < 8:
        return block
    value = text.encode("ascii", "replace") + b"\0"
    tag = PROCESSING if SOFTWARE in tags else SOFTWARE
    kept = [entry for entry, known in zip(entries, tags, strict=True) if known != tag]
    grown = body + bytes(len(body) % 2)
    end = len(grown) + 2 + 12 * (len(kept) + 1) + 4
    place = value.ljust(4, b"\0") if len(value) <= 4 else struct.pack(f"{endian}I", end)
    added = struct.pack(f"{endian}HHI", tag, ASCII, len(value)) + place
    directory = sorted([*kept, added], key=lambda entry: struct.unpack_from(f"{endian}H", entry)[0])
    grown += struct.pack(f"{endian}H", len(directory)) + b"".join(directory) + following + value
    if len(grown) > MOST_BYTES:
        return block
    return PREFIX + grown[:4] + struct.pack(f"{endian}I", len(body) + len(body) % 2) + grown[8:]
