"""What an AVIF file says in its boxes that libvips keeps to itself: how colours are meant, and whether all was kept.

ISO/IEC 14496-12, 12.1.5 (`colr`); ITU-T H.273 (the numbers in it).
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from darnet.images.arrays import Metadata
from darnet.images.chunks import HDR
from darnet.images.coding import Coding
from darnet.notices import warn

#: The box that tells of items, which lies at the beginning, is shorter.
HEAD_BYTES = 2**20
NUMBERS = b"colrnclx"
#: Of R, G and B as they are: who codes so loses nothing, or means to.
IDENTITY = 0
#: What libvips' files mean where they say nothing else: sRGB.
USUAL = (1, 13)
GAIN_MAP = b"tmap"


def read(path: Path, file: BinaryIO) -> tuple[Metadata, Coding]:
    """The field `nclx` of an AVIF or HEIC file, where colours are none of sRGB's, and how it is coded.

    Warns (ImageWarning), naming `path`, of HDR: a gain map is not kept, and numbers are taken for sRGB.
    """
    file.seek(0)
    head = file.read(HEAD_BYTES)
    if GAIN_MAP in head:
        warn(
            path,
            "the gain map of an HDR picture is not kept: its repair is what the file shows without it",
            stacklevel=5,
        )
    at = head.find(NUMBERS)
    if at < 0 or len(head) < at + 14:
        return {}, Coding()
    primaries, transfer, matrix = struct.unpack_from(">3H", head, at + len(NUMBERS))
    if transfer in HDR:
        warn(path, f"its colours are HDR ({HDR[transfer]}); they are repaired as if they were sRGB", stacklevel=5)
    usual = (primaries, transfer) == USUAL or primaries == 2
    return {} if usual else {"nclx": struct.pack(">2H", primaries, transfer)}, Coding(lossless=matrix == IDENTITY)


def begin(file: BinaryIO, fields: Metadata, _exif: bytes) -> tuple[int, bytes]:
    """How an AVIF file of libvips' is to begin, in the place of as many bytes: with colours as they are meant."""
    file.seek(0)
    head, meant = file.read(HEAD_BYTES), fields.get("nclx")
    at = head.find(NUMBERS)
    if at < 0 or not isinstance(meant, bytes):
        return 0, b""
    start = at + len(NUMBERS)
    return len(head), head[:start] + meant + head[start + len(meant) :]
