"""The formats of picture files: how each is known, what it can hold, and what the header of a file says.

Importing this module does not import pyvips.
"""

from __future__ import annotations

import io
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from darnet.errors import DarnetError, ImageError, TooLargeError, is_out_of_memory, refusal
from darnet.images import others, raw, scratch
from darnet.images.arrays import UPSIDE_DOWN
from darnet.images.coding import EMPTY, Pages, refuse_several, unreadable
from darnet.images.vips import complaint, header_fields, vips_failed

#: How large a picture may be where nobody says how large.
MAX_PIXELS = 1_000_000_000


class Format(NamedTuple):
    """How a file format is called and known, what it can hold, and who reads and writes it."""

    title: str  # as people call it
    signature: bytes  # regular expression for the first bytes of a file
    codec: str  # libvips: <codec>load_buffer, <codec>save_buffer; where `others`, a name that they know
    bits: int  # the deepest integer samples written
    quality: int | None  # default; None: lossless, or as good as it gets
    options: Mapping[str, Any]
    others: bool = False  # libvips, as its wheel is, neither reads nor writes it: `darnet.images.others`
    most: str = "one"  # pictures in a file that are read and written: "one" or "many"
    keeps: frozenset[str] = frozenset()  # of what a picture's file says (`KINDS_OF_DATA`), and "alpha", "profile"
    held: tuple[int, int] = (0, 0)  # bytes of memory a pixel of 8 bits, where decoding, encoding hold all; measured


#: Fields of `Image.metadata`, and what people call them.
KINDS_OF_DATA = {
    "exif-data": "EXIF",
    "xmp-data": "XMP",
    "iptc-data": "IPTC",
    "png-text": "texts of a PNG file",
    "jpeg-segments": "comments of a JPEG file",
    "png-hdr": "HDR of a PNG file",
    "nclx": "HDR of an AVIF file",
    "tiff-tags": "further tags of a TIFF file (such as GeoTIFF)",
    "xres": "density",
}
_USUAL = frozenset({"alpha", "profile", "exif-data", "xmp-data", "xres"})

FORMATS: Mapping[str, Format] = {
    "jpeg": Format(
        *("JPEG", rb"\xff\xd8\xff", "jpeg", 8, 95, {"subsample_mode": "off", "optimize_coding": True}),
        keeps=_USUAL - {"alpha"} | {"iptc-data", "jpeg-segments"},
    ),
    "png": Format(
        *("PNG", rb"\x89PNG\r\n\x1a\n", "png", 16, None, {"filter": "all"}),
        keeps=_USUAL | {"iptc-data", "png-text", "png-hdr"},
    ),
    "tiff": Format(
        *("TIFF", rb"II[*+]\0|MM\0[*+]", "tiff", 16, None, {"compression": "deflate"}),
        most="many",
        keeps=_USUAL | {"iptc-data", "tiff-tags"},
    ),
    "webp": Format(
        *("WebP", rb"RIFF....WEBP", "webp", 8, 95, {"exact": True, "smart_subsample": True}),
        most="many",
        keeps=_USUAL,
        held=(10, 35),
    ),
    "avif": Format(
        *("AVIF", rb"....ftyp(....)*?avi[fs]", "heif", 12, 90, {"compression": "av1", "subsample_mode": "off"}),
        keeps=_USUAL | {"nclx"},
        held=(16, 37),
    ),
    "gif": Format("GIF", rb"GIF8[79]a", "gif", 8, None, {}, most="many", keeps=frozenset({"alpha"}), held=(8, 13)),
    "bmp": Format(
        "BMP", rb"BM....\0\0\0\0", "BMP", 8, None, {}, others=True, keeps=frozenset({"alpha", "xres"}), held=(10, 8)
    ),
    "ppm": Format("PPM", rb"P[1-6][\s#]", "netpbm", 16, None, {}, others=True, held=(12, 6)),
    "jp2": Format(
        *("JPEG 2000", rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51", "JPEG2000", 16, None, {"irreversible": False}),
        others=True,
        keeps=frozenset({"alpha"}),
        held=(20, 40),
    ),
    "jxl": Format("JPEG XL", rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n", "jxl", 16, 95, {}, keeps=_USUAL, held=(20, 40)),
    "heic": Format(
        "HEIC",
        rb"....ftyp(heic|heix|heim|heis|mif1|msf1)",
        "HEIF",
        10,
        90,
        {},
        others=True,
        keeps=_USUAL - {"xres"},
        held=(16, 37),
    ),
}
SUFFIXES = {f".{name}": name for name in FORMATS} | {
    ".jpg": "jpeg",
    ".tif": "tiff",
    ".pgm": "ppm",
    ".pnm": "ppm",
    ".heif": "heic",
}
#: Side of the units that a JPEG file with colour at half resolution is coded in, which begin in its corner. Crops and
#: parts that begin with a unit all show its blocks alike; a network learns that from far fewer examples than blocks
#: anywhere.
JPEG_UNIT_PX = 16
#: Bytes that a PNG file says in whether it is animated, before its pixels; profiles stand there, too.
HEAD_BYTES = 2**16
#: Bytes that a format is known by.
SIGNATURE_BYTES = 64
#: What is no format of `FORMATS`, since it is not written: a camera raw file, which is developed.
RAW = "raw"
TITLES = [known.title for known in FORMATS.values()]
NO_PICTURE = f"not a {', '.join(TITLES[:-1])} or {TITLES[-1]} picture"


def recognise(head: bytes) -> str | None:
    r"""The format of a file that begins with `head`, a key of FORMATS; None where it is none of them.

    >>> recognise(b"\xff\xd8\xff\xe0")
    'jpeg'
    """
    return next((name for name, known in FORMATS.items() if re.match(known.signature, head, re.DOTALL)), None)


def known_format(path: Path, head: bytes) -> str:
    """The same, or RAW of a camera raw file; raises ImageError, naming `path`, for what cannot be read."""
    if raw.is_raw(head):
        return RAW
    format = recognise(head[:SIGNATURE_BYTES])
    if format is None:
        raise ImageError(path, NO_PICTURE if head else EMPTY)
    check_available(path, format)
    return format


def check_available(path: Path, format: str) -> None:
    """Raise ImageError, which says how to install it, where what reads and writes a format is not there."""
    known = FORMATS[format]
    if known.codec == "HEIF":
        others.heif(path)
    elif not known.others and not _built(known.codec):
        raise ImageError(path, f"is a {known.title} picture, which the installed libvips was built without")


@lru_cache
def _built(codec: str) -> bool:
    """Whether libvips has a codec."""
    import pyvips

    return bool(pyvips.type_find("VipsOperation", f"{codec}load"))


def read_size(path: Path) -> tuple[int, int]:
    """(height, width) of the upright picture of a file, from its header alone.

    Raises ImageError as `Image.read` does, but for what is damaged behind the header.
    """
    try:
        with regular(path) as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise ImageError(path, refusal(error)) from None
    format = known_format(path, head)
    if format not in FORMATS or FORMATS[format].others:
        return _measured(path, format)
    import pyvips

    source: str | bytes = str(path)
    codec = f"{FORMATS[format].codec}load"
    if not str(path).isprintable():  # libvips takes no name that is not UTF-8
        codec, source = f"{codec}_buffer", path.read_bytes()
    try:
        image = getattr(pyvips.Image, codec)(source, access="sequential", fail_on="error")
        refuse(path, image, head)
    except pyvips.Error as error:
        raise not_decoded(path, error, format) from None
    turned = "orientation" in header_fields(image) and image.get("orientation") > UPSIDE_DOWN
    return (image.width, image.height) if turned else (image.height, image.width)


class _Measured(Exception):  # noqa: N818  nothing is wrong
    """A picture's height and width are known, and no more is wanted."""


def _measured(path: Path, format: str) -> tuple[int, int]:
    """The same where libvips does not read it."""

    def tell(*size: int) -> None:
        raise _Measured(size)

    try:
        with regular(path) as file:
            if format in FORMATS:
                others.decode(path, FORMATS[format].codec, file, tell)
            else:
                raw.develop(path, file, tell)
    except _Measured as found:
        height, width = found.args[0]
        return height, width
    except OSError as error:
        raise ImageError(path, refusal(error)) from None
    raise AssertionError("a picture was decoded whose size nobody was told")


def regular(path: Path) -> BinaryIO:
    """A picture's file, to be read. Raises OSError, and ImageError for a pipe, socket or device: no wait would end."""
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # of a folder the system says itself what it is
        raise ImageError(path, "not a regular file")
    return path.open("rb")


@contextmanager
def opened(path: Path) -> Iterator[tuple[str, BinaryIO]]:
    """A file's format and what is in it, read at once; a large one as it lies, to be read where it is wanted.

    It is not mapped: were it shortened meanwhile, that would end the process. Raises ImageError for what is no picture.
    """
    check_name(path)
    try:
        with regular(path) as file:
            head = file.read(SIGNATURE_BYTES)
            format = known_format(path, head)
            if os.fstat(file.fileno()).st_size > scratch.most_bytes():
                file.seek(0)
                yield format, file
            else:
                yield format, io.BytesIO(head + file.read())
    except OSError as error:
        raise ImageError(path, refusal(error)) from None


def check_name(path: Path) -> None:
    """Raise ImageError for a name that the system takes for none."""
    try:
        possible = b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        possible = False
    if not possible:
        raise ImageError(path, "no file can be called so")


def refuse(path: Path, image: Any, head: bytes, max_pixels: int = MAX_PIXELS, pages: Pages = "one") -> bool:
    """Whether a file holds more pictures than are wanted of it.

    Raises ImageError for what would silently lose pages, frames or the actual picture, or is larger than allowed.
    `head`: what its file begins with, HEAD_BYTES or more of it.
    """
    fields = set(header_fields(image))
    count = image.get("n-pages") if "n-pages" in fields else 1
    several = count > 1 or _is_animated(head)
    if several and not (pages == "all" and FORMATS[recognise(head) or ""].most == "many"):
        refuse_several(path, str(count) if count > 1 else "several", pages)
    if "n-subifds" in fields and image.get("n-subifds") > 0:
        raise ImageError(path, "has sub-images (a camera raw or pyramid file?); export it as a plain TIFF first")
    check_size(path, max_pixels, image.height, image.width)
    return several and pages == "first"


def _is_animated(head: bytes) -> bool:
    """Whether a PNG or AVIF file says that there are frames, of which libvips knows nothing."""
    if head[4:8] == b"ftyp":
        return b"avis" in head[8 : int.from_bytes(head[:4])]  # among its brands, of which the first is another at times
    return head[1:4] == b"PNG" and b"acTL" in head[: head.find(b"IDAT")]


def check_size(path: Path, max_pixels: int, height: int, width: int) -> None:
    """Raise TooLargeError for a picture that is larger than allowed."""
    if width * height > max_pixels:
        raise TooLargeError(path, f"{width} x {height} is more than {max_pixels:,} pixels")


def not_decoded(path: Path, error: Any, format: str) -> DarnetError:
    """What to raise where libvips could not read a file."""
    if format == "tiff" and raw.is_called_raw(path) and not is_out_of_memory(error):
        return raw.advice(path)
    if "labq" in str(error):  # libvips takes three samples for its own packed four, and then refuses them
        return ImageError(path, "TIFF files in Lab of 8 bits are not supported; save it in RGB, or in Lab of 16 bits")
    return vips_failed(path, error, unreadable(FORMATS[format].title, complaint(error)))
