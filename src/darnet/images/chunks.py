"""What a PNG file says in its chunks that libvips neither reads nor writes as it stands: texts, XMP, HDR, late EXIF.

A chunk is kept as the very bytes that it was, its checksum with it. W3C, Portable Network Graphics, third edition.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator, Mapping
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO, NamedTuple

from darnet.errors import ImageError
from darnet.images import density
from darnet.images.arrays import Metadata
from darnet.images.coding import HDR, taken_for_srgb
from darnet.images.iptc import wrapped
from darnet.images.signature import PREFIX, unprefixed
from darnet.notices import warn

SIGNATURE_BYTES = 8
#: More bytes of one chunk, and unpacked of all packed ones, are none that somebody wrote about a picture.
MOST_BYTES, MOST_UNPACKED = 2**26, 2**25
#: So many of what is packed are unpacked at once to be counted.
PART_BYTES = 2**20
TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
#: How colours are meant, and how bright they get; the first stand in the place of an ICC profile.
COLOURS, BRIGHTNESS = frozenset({b"sRGB", b"gAMA", b"cHRM"}), frozenset({b"cICP", b"mDCV", b"mDCv", b"cLLI", b"cLLi"})
#: What is read here or by libvips; and what says how the old pixels were stored, what they looked best on, and when.
READ = TEXTS | COLOURS | BRIGHTNESS | {b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"pHYs", b"eXIf", b"acTL", b"fcTL"}
STALE = frozenset({b"sBIT", b"hIST", b"sPLT", b"bKGD", b"tIME", b"iDOT", b"vpAg", b"caNv", b"orNT"})
#: Keywords of IPTC as they write it.
RAW_IPTC = {b"Raw profile type iptc", b"Raw profile type 8bim"}
#: Keywords of XMP as its specification says it, a text of UTF-8, and as digits.
XMP, RAW_XMP = b"XML:com.adobe.xmp", b"Raw profile type xmp"
#: Keywords of EXIF as ImageMagick and older tools write it: a text of hexadecimal digits.
RAW_EXIF = {b"Raw profile type exif", b"Raw profile type APP1"}


class Chunk(NamedTuple):
    """One chunk: its name, its data, and all of its bytes."""

    name: bytes
    data: bytes
    whole: bytes

    @property
    def keyword(self) -> bytes:
        """Of a text."""
        return self.data.partition(b"\0")[0]


def read(path: Path, file: BinaryIO) -> Metadata:
    """What a PNG file says: `png-text`, `png-colour`, `png-hdr`, `iptc-data`, `xmp-data`, `exif-data` and density.

    Warns (ImageWarning), naming `path`, of HDR: its numbers are taken for sRGB, and of chunks that are lost. Raises
    ImageError for a file that unpacks to far more than it is.
    """
    text, colour, others, exif, iptc, xmp, profiled = [], [], list[bytes](), b"", b"", b"", False
    dense: Metadata = {}
    left = MOST_UNPACKED
    for chunk in _chunks(file):
        left -= _unpacked_bytes(chunk, left)
        if left < 0:
            raise ImageError(path, f"its texts and its profile unpack to more than {MOST_UNPACKED >> 20} MiB")
        profiled |= chunk.name == b"iCCP"
        if chunk.name in BRIGHTNESS | COLOURS:
            colour.append(chunk)
        elif chunk.name == b"pHYs":
            dense = density.of_phys(chunk.data)
        elif chunk.name == b"eXIf":
            exif = chunk.data
        elif chunk.name in TEXTS and chunk.keyword in RAW_EXIF:
            exif = exif or _from_digits(chunk)
        elif chunk.name in TEXTS and chunk.keyword in RAW_IPTC and not iptc:
            iptc = _from_digits(chunk)
        elif chunk.name in TEXTS and chunk.keyword in {XMP, RAW_XMP}:
            xmp = xmp or (_content(chunk) if chunk.keyword == XMP else _from_digits(chunk))
        elif chunk.name in TEXTS:
            text.append(chunk)
        else:
            others.append(chunk.name)
        if chunk.name == b"cICP" and chunk.data[1:2] and chunk.data[1] in HDR:
            warn(path, taken_for_srgb(chunk.data[1]), stacklevel=5)
    _tell_of_lost(path, others)
    meant = [chunk.whole for chunk in colour if chunk.name in COLOURS and not profiled]
    fields: dict[str, bytes] = {
        "png-text": b"".join(chunk.whole for chunk in text),
        "png-colour": b"".join(meant),
        "png-hdr": b"".join(chunk.whole for chunk in colour if chunk.name in BRIGHTNESS),
        "iptc-data": iptc,
        "xmp-data": xmp,
        "exif-data": exif and PREFIX + unprefixed(exif),
    }
    return {**{name: value for name, value in fields.items() if value}, **dense}


def _tell_of_lost(path: Path, names: list[bytes]) -> None:
    lost = [name.decode() for name in dict.fromkeys(names) if name not in READ | STALE and name.isalpha()]
    if lost:
        warn(path, f"PNG files are read without {', '.join(lost)}", stacklevel=6)


def begin(file: BinaryIO, fields: Metadata, exif: bytes) -> tuple[int, bytes]:
    """How a PNG file that libvips wrote is to begin, in the place of how many bytes: with fields, and an EXIF block.

    Its density is what they say, too: libvips makes one up.
    """
    header, *before = takewhile(lambda chunk: chunk.name != b"pHYs", _chunks(file))  # libvips always writes one
    end = SIGNATURE_BYTES + sum(len(chunk.whole) for chunk in (header, *before)) + len(_made(b"pHYs", bytes(9)))
    own = {name: value for name, value in fields.items() if isinstance(value, bytes)}
    kept = [own.get("png-colour", b""), own.get("png-hdr", b"")]
    if exif:
        kept.append(_made(b"eXIf", unprefixed(exif)))
    if "iptc-data" in own:
        kept.append(_made(b"zTXt", b"Raw profile type iptc\0\0" + zlib.compress(_as_digits(wrapped(own["iptc-data"])))))
    if "xmp-data" in own:  # libvips packs it as a text of Latin-1, which it is not and where few look
        kept.append(_made(b"iTXt", XMP + bytes(5) + own["xmp-data"]))
    if dense := density.phys(fields):
        kept.append(_made(b"pHYs", dense))
    kept += [own.get("png-text", b""), *(chunk.whole for chunk in before)]
    file.seek(0)
    return end, file.read(SIGNATURE_BYTES) + header.whole + b"".join(kept)


def texts(said: Mapping[str, str]) -> bytes:
    """The field `png-text` of a picture with texts by their keywords, but for those that are EXIF, IPTC or XMP."""
    others = RAW_EXIF | RAW_IPTC | {XMP, RAW_XMP}
    pairs = [(name.encode("latin-1", "replace"), text) for name, text in said.items()]
    return b"".join(_text(name, text) for name, text in pairs if name not in others)


def _text(keyword: bytes, text: str) -> bytes:
    try:
        return _made(b"tEXt", keyword + b"\0" + text.encode("latin-1"))
    except UnicodeEncodeError:
        return _made(b"iTXt", keyword + bytes(5) + text.encode(errors="replace"))


def _chunks(file: BinaryIO) -> Iterator[Chunk]:
    """All but those of pixels, in order; a file that ends early has those before."""
    at = SIGNATURE_BYTES
    end = file.seek(0, io.SEEK_END)
    while at + 12 <= end:
        file.seek(at)
        beginning = file.read(8)
        (length,), name = struct.unpack(">I", beginning[:4]), beginning[4:]
        if name == b"IEND":
            return
        if name not in {b"IDAT", b"fdAT"} and length <= MOST_BYTES and at + 12 + length <= end:
            body = file.read(length + 4)
            yield Chunk(name, body[:length], beginning + body)
        at += 12 + length


def _unpacked_bytes(chunk: Chunk, most: int) -> int:
    """How many bytes libpng would make of a compressed chunk; one more than `most` for any that are more."""
    data, packed = _stored(chunk)
    if not packed:
        return 0
    unpacking, found = zlib.decompressobj(), 0
    try:
        while data and found <= most:
            found += len(unpacking.decompress(data, PART_BYTES))
            data = unpacking.unconsumed_tail
    except zlib.error:  # libpng says so, or leaves it out
        pass
    return min(found, most + 1)


def _stored(chunk: Chunk) -> tuple[bytes, bool]:
    """What is behind the keyword of a text, or the name of a profile, and whether it is packed."""
    rest = chunk.data.partition(b"\0")[2]
    if chunk.name == b"iTXt":  # whether it is packed, how, language, translated keyword
        return rest[2:].partition(b"\0")[2].partition(b"\0")[2], rest[:1] == b"\1"
    packed = chunk.name in {b"zTXt", b"iCCP"}
    return rest[packed:], packed


def _content(chunk: Chunk) -> bytes:
    """The text of a chunk, unpacked; nothing where it is damaged."""
    data, packed = _stored(chunk)
    try:
        return zlib.decompressobj().decompress(data, MOST_BYTES) if packed else data
    except zlib.error:
        return b""


def _made(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _from_digits(chunk: Chunk) -> bytes:
    r"""The bytes of a `Raw profile type …`: `\nexif\n  length\nhexadecimal digits`; nothing where it is damaged."""
    try:
        return bytes.fromhex(_content(chunk).split(b"\n", 3)[3].decode("ascii"))
    except (LookupError, ValueError):
        return b""


def _as_digits(data: bytes) -> bytes:
    """The opposite, with lines of 36 bytes."""
    lines = [data[at : at + 36].hex().encode() for at in range(0, len(data), 36)]
    return b"\n".join([b"", b"iptc", b"%8d" % len(data), *lines, b""])
