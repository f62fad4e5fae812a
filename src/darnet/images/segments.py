"""What a JPEG file says in its segments that libvips neither reads nor writes: comments, extended XMP, density, coding.

ITU-T T.81, annex B; Adobe, XMP specification part 3, 1.1.3.1; ISO/IEC 10918-5 (JFIF).
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from darnet.errors import ImageError
from darnet.images import density
from darnet.images.arrays import Metadata
from darnet.images.coding import GAIN_MAP_LOST, Coding
from darnet.notices import warn

SCAN, COMMENT, TABLES, APP0, APP1, APP2, APP15 = 0xDA, 0xFE, 0xDB, 0xE0, 0xE1, 0xE2, 0xEF
#: Frames: SOF0 to SOF15 without the markers among them that are none.
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
#: Of a block, by frame: one of Huffman codes all at once (SOF0, SOF1), and progressive (SOF2).
LEAST_BITS = {0xC0: 2, 0xC1: 2, 0xC2: 1}
EXIF, EXTENDED_XMP = b"Exif\0\0", b"http://ns.adobe.com/xmp/extension/\0"
#: What a gain map is known by (Adobe and Android; ISO 21496-1), and a file with other pictures behind the first.
GAIN_MAPS, FURTHER = (b"hdrgm:Version", b"urn:iso:std:iso:ts:21496:-1", b"apdi:AuxiliaryImageType"), b"MPF\0"
#: How segments begin that are kept, are told of otherwise, or say how the old file was coded (JFXX, Ducky, Adobe).
XMP = b"http://ns.adobe.com/xap/1.0/\0"
BEGINNINGS = {
    APP0: (b"JFIF\0", b"JFXX\0"),
    APP1: (EXIF, XMP, EXTENDED_XMP),
    APP2: (b"ICC_PROFILE\0", FURTHER, GAIN_MAPS[1]),
    0xEC: (b"Ducky",),
    0xED: (b"Photoshop 3.0\0",),
    0xEE: (b"Adobe",),
}
#: By what a segment is called that a box of C2PA, or of another kind of JPEG, lies in.
NAMES = {0xEB: "APP11 (such as content credentials, C2PA)"}
#: Sum of the table for luma of T.81, table K.1, which quality 50 of libjpeg is.
USUAL_SUM = 3688
MOST_SEGMENT_BYTES = 65533


class Segment(NamedTuple):
    """A marker's second byte, what follows its length, and where the segment ends."""

    marker: int
    data: bytes
    end: int


def read(path: Path, file: BinaryIO) -> tuple[Metadata, Coding]:
    """Density and the field `jpeg-segments` of a JPEG file, where it says so, and how it is coded.

    Warns (ImageWarning), naming `path`, of what is not kept: a gain map, other pictures in the file, or segments of
    programs. Raises ImageError for a file that cannot hold what it claims.
    """
    kept, quality, halved, lost, strange = [], None, False, "", list[str]()
    fields: dict[str, str | bytes | int | float] = {}
    for marker, data, _ in _segments(file):
        if marker == APP0:
            fields |= density.of_jfif(data)
        elif marker == COMMENT or (marker == APP1 and data.startswith(EXTENDED_XMP)):
            kept.append(_made(marker, data))
        elif marker == TABLES and quality is None:
            quality = _quality(data)
        elif marker in FRAMES:
            halved = _halved(data)
            _check_claim(path, marker, data, file)
        if marker in {APP1, APP2} and any(known in data for known in GAIN_MAPS):
            lost = GAIN_MAP_LOST
        elif marker == APP2 and data.startswith(FURTHER) and not lost:
            lost = "other pictures in the file (a preview, a second view) are not kept"
        elif APP0 <= marker <= APP15 and not data.startswith(BEGINNINGS.get(marker, ())):
            strange.append(NAMES.get(marker, f"APP{marker - APP0}"))
    if lost:
        warn(path, lost, stacklevel=5)
    if strange:
        warn(path, f"JPEG files are read without {', '.join(dict.fromkeys(strange))}", stacklevel=5)
    fields |= {"jpeg-segments": b"".join(kept)} if kept else {}
    return fields, Coding(quality=quality, halved=halved)


def comment(text: bytes) -> bytes:
    """The field `jpeg-segments` of a picture with a comment; as much of it as a segment holds."""
    return _made(COMMENT, text[:MOST_SEGMENT_BYTES])


def _check_claim(path: Path, marker: int, frame: bytes, file: BinaryIO) -> None:
    """Raise ImageError for a file that claims more pixels than fit into its bytes, before all of them are made up.

    A block of 8 × 8 samples has two codes at least, of one bit or more (T.81, F.1.2); one where it comes several times.
    """
    if marker not in LEAST_BITS or len(frame) < 6 + 3 * frame[5]:
        return
    height, width = struct.unpack_from(">HH", frame, 1)
    factors = [(frame[at] >> 4, frame[at] & 15) for at in range(7, 6 + 3 * frame[5], 3)]
    widest, highest = max(across for across, _ in factors), max(down for _, down in factors)
    if not widest or not highest:
        return
    blocks = sum(-(-width * across // (8 * widest)) * -(-height * down // (8 * highest)) for across, down in factors)
    at = file.tell()
    size = file.seek(0, io.SEEK_END)
    file.seek(at)
    if blocks * LEAST_BITS[marker] > 8 * size:
        raise ImageError(
            path, f"damaged or incomplete JPEG file ({size:,} bytes cannot hold {width} x {height} pixels)"
        )


def begin(file: BinaryIO, fields: Metadata, exif: bytes) -> tuple[int, bytes]:
    """How a JPEG file of libvips' is to begin, in the place of how many bytes: with fields, and an EXIF block."""
    own, at = [b"\xff\xd8", _made(APP0, density.jfif(fields))], 2
    if exif:
        own.append(_made(APP1, exif))
    for marker, data, end in _segments(file):
        if not APP0 <= marker <= APP15:
            break
        if marker != APP0:
            own.append(_made(marker, data))
        at = end
    kept = fields.get("jpeg-segments")
    return at, b"".join(own) + (kept if isinstance(kept, bytes) else b"")


def _segments(file: BinaryIO) -> Iterator[Segment]:
    """All before the first scan; a file that ends early has those before."""
    file.seek(2)
    at = 2
    while (start := file.read(4))[:1] == b"\xff" and len(start) == 4:
        if start[1] == 0xFF:  # a fill byte
            at += 1
            file.seek(at)
            continue
        length = struct.unpack_from(">H", start, 2)[0]
        data = file.read(length - 2) if length > 2 else b""
        if start[1] == SCAN or len(data) < length - 2:
            return
        at += 2 + length
        yield Segment(start[1], data, at)


def _made(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def _quality(tables: bytes) -> int | None:
    """What libjpeg calls the quality of the first table, rounded up; None where it is not the one for luma."""
    deep = tables[:1] and tables[0] >> 4
    values = struct.unpack_from(">64H" if deep else ">64B", tables.ljust(129, b"\0"), 1)
    if not tables or tables[0] & 15:
        return None
    scale = 100 * sum(values) / USUAL_SUM
    return min(100, int(100 - scale / 2 if scale <= 100 else 5000 / scale) + 1)


def _halved(frame: bytes) -> bool:
    """Whether colour has half the rows and columns of luma (4:2:0)."""
    if len(frame) < 15 or frame[5] != 3:
        return False
    return (frame[7], frame[10], frame[13]) == (0x22, 0x11, 0x11)
