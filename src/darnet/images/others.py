"""Formats that libvips, as its wheel comes, neither reads nor writes: BMP, JPEG 2000, HEIC and PPM.

Pillow does so, of HEIC a plug-in of it that an extra brings; PPM `netpbm`. H, W: height and width; C: channels.
Importing this module imports neither PIL nor pyvips.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from darnet.errors import ImageError, MissingPackageError, is_out_of_memory, one_line
from darnet.images import boxes, density, netpbm
from darnet.images.arrays import GREY, GREY_ALPHA, RGB, RGB_ALPHA, Metadata, full_range, rescale
from darnet.images.coding import USUAL, Coding, Pages, refuse_several, unreadable
from darnet.images.density import MILLIMETRES_PER_INCH, MILLIMETRES_PER_METRE
from darnet.images.scratch import Array
from darnet.notices import warn
from darnet.registry import optional

#: Pillow's modes of samples that are colours, and those that become such.
MODES = {"1": "L", "L": "L", "LA": "LA", "RGB": "RGB", "RGBA": "RGBA", "I;16": "I;16", "I;16B": "I;16"}
BY_CHANNELS = {GREY: "L", GREY_ALPHA: "LA", RGB: "RGB", RGB_ALPHA: "RGBA"}
#: The marker that a JPEG 2000 codestream says its size and depth behind.
SIZE_MARKER = b"\xff\x4f\xff\x51"
#: How boxes in it end their heads that hold a profile, and what they begin with; the latter of what else is said.
PROFILES = frozenset({b"colr\2", b"colr\3"})
UUIDS = {
    "4a706754696666457869662d3e4a5032": "EXIF",
    "be7acfcb97a942e89c71999491e3afac": "XMP",
    "33c7a4d2b81d4723a0baf1a3e097ad38": "IPTC",
    "b14bf8bd083d4b43a5ae8cd7d5a6ce03": "GeoTIFF",
}
#: Comments by which programs name themselves.
OF_ENCODERS = rb"Created by OpenJPEG|Kakadu"
CHROMA_KEPT = 444
#: Bytes of a header of version 4, and the compression that says that masks follow.
BMP_HEADER_BYTES, BMP_MASKS = 108, 3


@dataclass(frozen=True, eq=False)
class Decoded:
    """Samples (H, W, C), uint8 or uint16 of full range, and what their file says of them."""

    values: Array
    profile: bytes | None = None
    fields: Metadata = field(default_factory=dict)
    coding: Coding = USUAL
    more: bool = False


#: Is told height and width before anything is decoded; raises ImageError for more than is allowed.
Check = Callable[[int, int], None]


def decode(path: Path, codec: str, file: BinaryIO, check: Check, pages: Pages = "one") -> Decoded:
    """What a file of a codec (`Format.codec`) holds. Raises ImageError, naming `path`, for what cannot be read."""
    file.seek(0)
    try:
        if codec == "netpbm":
            values, more = netpbm.decode(path, file.read(), check)
            found = Decoded(values, more=more)
        else:
            found = _heic(path, file, check) if codec == "HEIF" else _by_pillow(path, codec, file, check)
    except (ArithmeticError, LookupError, OSError, SyntaxError, TypeError, ValueError, struct.error) as error:
        if is_out_of_memory(error):
            raise
        reason = one_line(error)
        raise ImageError(path, f"{unreadable(TITLES[codec], reason)} ({reason})") from None
    if found.more:
        refuse_several(path, "several", pages)
    return found


TITLES = {"netpbm": "PPM", "BMP": "BMP", "JPEG2000": "JPEG 2000", "HEIF": "HEIC"}


def encode(codec: str, picture: Decoded, options: Mapping[str, Any]) -> bytes:
    """The bytes of a file; of `picture` a codec writes what its format holds. `options`: of its writer."""
    values = picture.values
    if codec == "netpbm":
        return netpbm.encode(values)
    if codec == "HEIF":
        return _as_heic(picture, options)
    from PIL import Image

    if values.dtype == np.uint16 and (codec == "BMP" or values.shape[2] != GREY):
        values = rescale(values, np.uint8)
    if codec == "BMP" and values.shape[2] in {GREY_ALPHA, RGB_ALPHA}:
        return _bmp(values if values.shape[2] == RGB_ALPHA else values[..., [0, 0, 0, 1]], picture.fields)
    file = io.BytesIO()
    drawn = Image.fromarray(values[..., 0] if values.shape[2] == GREY else np.ascontiguousarray(values))
    drawn.save(file, codec, **{**options, **_density(picture.fields)})
    return file.getvalue()


def _bmp(values: Array, fields: Metadata) -> bytes:
    """A BMP file with alpha, (H, W, 4) uint8, which Pillow reads and does not write: Windows' version 4."""
    height, width = values.shape[:2]
    dense = (round(one * MILLIMETRES_PER_METRE) for one in density.of(fields) or (0, 0))
    pixels = np.ascontiguousarray(values[::-1, :, [2, 1, 0, 3]]).tobytes()
    start = 14 + BMP_HEADER_BYTES
    head = struct.pack("<2sIII", b"BM", start + len(pixels), 0, start)
    sizes = struct.pack("<IiiHHIIiiII", BMP_HEADER_BYTES, width, height, 1, 32, BMP_MASKS, len(pixels), *dense, 0, 0)
    masks = struct.pack("<4I4s", 0xFF0000, 0xFF00, 0xFF, 0xFF000000, b"BGRs")  # where each colour lies; sRGB
    return (head + sizes + masks).ljust(start, b"\0") + pixels


def _by_pillow(path: Path, codec: str, file: BinaryIO, check: Check) -> Decoded:
    from PIL import Image

    Image.init()
    coding = USUAL
    lost = list[str]()
    if codec == "JPEG2000":
        data = file.read()
        coding, lost = Coding(bits=_depth(path, data)), list(_unread(data))
        file.seek(0)
    with Image.OPEN[codec][0](file, "") as picture:  # Image.open has a limit of its own, which is everybody's
        check(picture.height, picture.width)
        picture.load()
        mode = picture.mode
        if mode == "P":
            mode = "RGBA" if "transparency" in picture.info else "RGB"
        if mode not in MODES:
            raise ImageError(path, f"{TITLES[codec]} files of mode {mode} are not supported")
        values = np.asarray(picture if mode == picture.mode != "1" else picture.convert(MODES[mode]))
        dpi, comment = picture.info.get("dpi"), picture.info.get("comment")
    lost += ["comments"] if comment and not re.match(OF_ENCODERS, comment) else []
    if lost:
        warn(path, f"{TITLES[codec]} files are read without {', '.join(dict.fromkeys(lost))}", stacklevel=6)
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    across, down = dpi or (0, 0)
    fields = density.stated(across, down, "", MILLIMETRES_PER_INCH)
    return Decoded(full_range(values.reshape(*values.shape[:2], -1), coding.bits), None, fields, coding)


def _depth(path: Path, data: bytes) -> int:
    """Bits of a sample of a JPEG 2000 file. Raises ImageError for colour of more than 8, of which Pillow keeps 8."""
    at = data.find(SIZE_MARKER)
    if at < 0 or len(data) < at + 43:
        raise ValueError("no size")
    (components,) = struct.unpack_from(">H", data, at + 40)
    bits = (data[at + 42] & 0x7F) + 1
    if bits > 8 and components > 1:
        raise ImageError(path, f"JPEG 2000 files in colour of {bits} bits are not supported; save it as TIFF or PNG")
    return bits


def _unread(data: bytes) -> Iterator[str]:
    """What a JPEG 2000 file holds beside the picture that Pillow reads, as people call it."""
    pictures = 0
    for name, start, end in boxes.each(data, 0, 0 if data.startswith(SIZE_MARKER) else len(data)):
        if name == b"jp2h" and any(data[at - 4 : at + 1] in PROFILES for _, at, _ in boxes.each(data, start, end)):
            yield "ICC profile (colours are taken for sRGB)"
        elif name == b"uuid":
            yield UUIDS.get(data[start : start + 16].hex(), "data of another program")
        elif name == b"xml ":
            yield "XML"
        pictures += name == b"jp2c"
    if pictures > 1:
        yield "the pictures after the first"


def _density(fields: Metadata) -> dict[str, Any]:
    """As Pillow takes it, in pixels per inch; 0 where a picture has none, in whose place Pillow has one of its own."""
    return {"dpi": tuple(one * MILLIMETRES_PER_INCH for one in density.of(fields) or (0, 0))}


def heif(path: Path) -> Any:
    """What reads and writes HEIC. Raises ImageError, which says how to install it, for a picture at `path`."""
    try:
        return optional("pillow_heif", "heic")
    except MissingPackageError as error:
        raise ImageError(path, f"is a HEIC picture, which {error}") from None


def _heic(path: Path, file: BinaryIO, check: Check) -> Decoded:
    opened = heif(path).open_heif(file, convert_hdr_to_8bit=False)
    picture = opened[opened.primary_index]
    check(picture.size[1], picture.size[0])
    if picture.info.get("depth_images") or picture.info.get("aux"):
        warn(path, "depth and gain maps of a HEIC picture are not kept", stacklevel=6)
    bits = int(picture.info.get("bit_depth") or 8)
    values = np.asarray(picture)
    kept = {"exif-data": picture.info.get("exif"), "xmp-data": picture.info.get("xmp")}
    fields = {name: value for name, value in kept.items() if value}
    full = full_range(values.reshape(*values.shape[:2], -1), bits)
    more = len(opened) > 1
    return Decoded(full, picture.info.get("icc_profile") or None, fields, Coding(bits=bits), more)


def _as_heic(picture: Decoded, options: Mapping[str, Any]) -> bytes:
    values, deep = picture.values, picture.values.dtype == np.uint16
    if values.shape[2] in {GREY, GREY_ALPHA}:  # which HEVC's usual profiles have not
        values = values[..., [0, 0, 0] if values.shape[2] == GREY else [0, 0, 0, 1]]
    mode = BY_CHANNELS[values.shape[2]] + (";16" if deep else "")
    kept = {
        "exif": picture.fields.get("exif-data"),
        "xmp": picture.fields.get("xmp-data"),
        "icc_profile": picture.profile,
    }
    file = io.BytesIO()
    size = (values.shape[1], values.shape[0])
    known = {name: value for name, value in kept.items() if value}
    heif(Path("picture")).encode(
        mode, size, np.ascontiguousarray(values).tobytes(), file, chroma=CHROMA_KEPT, **options, **known
    )
    return file.getvalue()
