"""What an AVIF file says in its boxes that libvips keeps to itself: how colours are meant, and whether all was kept.

ISO/IEC 14496-12, 12.1.5 (`colr`); ITU-T H.273 (the numbers in it).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from darnet.images.arrays import Metadata
from darnet.images.coding import GAIN_MAP_LOST, HDR, Coding, taken_for_srgb
from darnet.notices import warn

#: The box that tells of items, which lies at the beginning, is shorter.
HEAD_BYTES = 2**20
NUMBERS = b"colrnclx"
#: Of R, G and B as they are: who codes so loses nothing, or means to.
IDENTITY = 0
#: How libvips codes colours that it says nothing of: by the luma of ITU-R BT.601, from black to white.
MATRIX, FULL = 6, 0x80
#: What libvips' files mean where they say nothing else: sRGB.
USUAL = (1, 13)
GAIN_MAP = b"tmap"
#: A field of a file that is written without loss, which it says of itself only where nothing says what colours mean.
LOSSLESS = "lossless"


def read(path: Path, file: BinaryIO) -> tuple[Metadata, Coding]:
    """The field `nclx` of an AVIF or HEIC file, where colours are none of sRGB's, and how it is coded.

    Warns (ImageWarning), naming `path`, of HDR: a gain map is not kept, and numbers are taken for sRGB.
    """
    file.seek(0)
    head = file.read(HEAD_BYTES)
    if GAIN_MAP in head:
        warn(path, GAIN_MAP_LOST, stacklevel=5)
    at = head.find(NUMBERS)
    if at < 0 or len(head) < at + 14:
        return {}, Coding()
    primaries, transfer, matrix = struct.unpack_from(">3H", head, at + len(NUMBERS))
    if transfer in HDR:
        warn(path, taken_for_srgb(transfer), stacklevel=5)
    usual = (primaries, transfer) == USUAL or primaries == 2
    return {} if usual else {"nclx": struct.pack(">2H", primaries, transfer)}, Coding(lossless=matrix == IDENTITY)


def begin(file: BinaryIO, fields: Metadata, _exif: bytes) -> tuple[int, bytes]:
    """How an AVIF file of libvips' is to begin, in the place of how many bytes: with colours as they are meant."""
    meant = fields.get("nclx")
    if not isinstance(meant, bytes):
        return 0, b""
    file.seek(0)
    head = file.read(HEAD_BYTES)
    at = head.find(NUMBERS)
    if at >= 0:
        start = at + len(NUMBERS)
        return len(head), head[:start] + meant + head[start + len(meant) :]
    end = _inside(head, 0, len(head))[b"meta"][1]
    matrix = IDENTITY if fields.get(LOSSLESS) else MATRIX
    return end, _with_property(head[:end], struct.pack(">I", 19) + NUMBERS + meant + struct.pack(">HB", matrix, FULL))


def each(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    r"""The name of each box in a part of a file, where what it holds begins, and where that ends; up to a damaged one.

    >>> list(each(b"\0\0\0\x09free." b"\0\0\0\0rest..", 0, 19))
    [(b'free', 8, 9), (b'rest', 17, 19)]
    """
    while start + 8 <= end:
        length, name = struct.unpack_from(">I4s", data, start)
        head = 8
        if length == 1 and start + 16 <= end:  # it is longer than 32 bits can say
            (length,), head = struct.unpack_from(">Q", data, start + 8), 16
        length = length or end - start  # it is the last
        if length < head:
            return
        yield name, start + head, start + length
        start += length


def _inside(data: bytes, start: int, end: int) -> dict[bytes, tuple[int, int]]:
    """Where each box in a box, as libvips writes them, begins and ends; of several of one name the last."""
    return {name: (begin - 8, stop) for name, begin, stop in each(data, start, end)}


def _with_property(head: bytes, box: bytes) -> bytes:
    """Boxes up to the end of `meta` with one more property of the main picture, and all of it so much farther on."""
    (meta, end), data = _inside(head, 0, len(head))[b"meta"], bytearray(head)
    inside = _inside(head, meta + 12, end)
    (iprp, _), (pitm, _) = inside[b"iprp"], inside[b"pitm"]
    (ipco, properties_end), (ipma, _) = (
        _inside(head, iprp + 8, inside[b"iprp"][1])[name] for name in (b"ipco", b"ipma")
    )
    number, at = 1, ipco + 8
    while at < properties_end:
        number, at = number + 1, at + struct.unpack_from(">I", head, at)[0]
    place = _count_of(head, ipma, struct.unpack_from(">H", head, pitm + 12)[0])
    association = struct.pack(">H" if head[ipma + 11] & 1 else ">B", number)
    data[place] += 1
    added = len(box) + len(association)
    for start, more in ((meta, added), (iprp, added), (ipco, len(box)), (ipma, len(association))):
        struct.pack_into(">I", data, start, struct.unpack_from(">I", data, start)[0] + more)
    _move(data, inside[b"iloc"][0], added)
    data[place + 1 : place + 1] = association  # behind the properties
    data[properties_end:properties_end] = box
    return bytes(data)


def _count_of(head: bytes, ipma: int, item: int) -> int:
    """Where it is said how many properties an item has."""
    wide, size = head[ipma + 8] > 0, 2 if head[ipma + 11] & 1 else 1
    at = ipma + 16
    while struct.unpack_from(">I" if wide else ">H", head, at)[0] != item:
        at += (4 if wide else 2) + 1
        at += head[at - 1] * size
    return at + (4 if wide else 2)


def _move(data: bytearray, iloc: int, added: int) -> None:
    """Let every part of every item lie so much farther on. Raises ValueError for a table of another kind."""
    version, sizes = data[iloc + 8], data[iloc + 12 : iloc + 14]
    if version > 1 or sizes[0] != 0x44 or sizes[1] & 0x0F:
        raise ValueError("items of another kind")
    base, at = sizes[1] >> 4, iloc + 16
    for _ in range(struct.unpack_from(">H", data, iloc + 14)[0]):
        at += 2 + 2 * version + 2 + base
        (extents,) = struct.unpack_from(">H", data, at)
        at += 2
        for _ in range(extents):
            struct.pack_into(">I", data, at, struct.unpack_from(">I", data, at)[0] + added)
            at += 8
