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
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from darnet.errors import DarnetError, ImageError, is_out_of_memory, refusal
from darnet.images import raw, scratch
from darnet.images.arrays import header_fields, vips_failed

#: How large a picture may be where nobody says how large.
MAX_PIXELS = 1_000_000_000
#: EXIF orientations up to this keep rows; those above exchange rows and columns.
UPSIDE_DOWN = 4


class Format(NamedTuple):
    """How a file format is known, what it can hold, and what libvips is asked for."""

    signature: bytes  # regular expression for the first bytes of a file
    codec: str  # libvips: <codec>load_buffer, <codec>save_buffer
    bits: int  # the deepest integer samples written
    quality: int | None  # default; None: lossless
    options: Mapping[str, Any]


FORMATS: Mapping[str, Format] = {
    "jpeg": Format(rb"\xff\xd8\xff", "jpeg", 8, 95, {"subsample_mode": "off", "optimize_coding": True}),
    "png": Format(rb"\x89PNG\r\n\x1a\n", "png", 16, None, {"filter": "all"}),
    "tiff": Format(rb"II[*+]\0|MM\0[*+]", "tiff", 16, None, {"compression": "deflate"}),
    "webp": Format(rb"RIFF....WEBP", "webp", 8, 95, {"exact": True, "smart_subsample": True}),
    "avif": Format(rb"....ftyp(....)*?avi[fs]", "heif", 12, 90, {"compression": "av1", "subsample_mode": "off"}),
}
SUFFIXES = {f".{name}": name for name in FORMATS} | {".jpg": "jpeg", ".tif": "tiff"}
#: Side of the units that a JPEG file with colour at half resolution is coded in, which begin in its corner. Crops and
#: parts that begin with a unit all show its blocks alike; a network learns that from far fewer examples than blocks
#: anywhere.
JPEG_UNIT_PX = 16
#: Bytes that a PNG file says in whether it is animated, before its pixels; profiles stand there, too.
HEAD_BYTES = 2**16
#: Bytes that a format is known by.
SIGNATURE_BYTES = 64


def recognise(head: bytes) -> str | None:
    r"""The format of a file that begins with `head`, a key of FORMATS; None where it is none of them.

    >>> recognise(b"\xff\xd8\xff\xe0")
    'jpeg'
    """
    return next((name for name, known in FORMATS.items() if re.match(known.signature, head, re.DOTALL)), None)


def known_format(path: Path, head: bytes) -> str:
    """The same; raises ImageError, naming `path`, for what is no picture that can be read."""
    if raw.is_raw(head):
        raise ImageError(path, raw.ADVICE)
    format = recognise(head[:SIGNATURE_BYTES])
    if format is None:
        raise ImageError(path, "not a JPEG, PNG, TIFF, WebP or AVIF picture" if head else "the file is empty")
    return format


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
            if os.fstat(file.fileno()).st_size > scratch.MOST_BYTES:
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


def refuse(path: Path, image: Any, head: bytes, max_pixels: int = MAX_PIXELS) -> None:
    """Raise ImageError for what would silently lose pages, frames or the actual picture, or is larger than allowed.

    `head`: what its file begins with, HEAD_BYTES or more of it.
    """
    fields = set(header_fields(image))
    pages = image.get("n-pages") if "n-pages" in fields else 1
    animated = head[4:12] == b"ftypavis" or (head[1:4] == b"PNG" and b"acTL" in head[: head.find(b"IDAT")])
    if pages > 1 or animated:
        raise ImageError(path, f"has {pages if pages > 1 else 'several'} pages; only single pictures are restored")
    if "n-subifds" in fields and image.get("n-subifds") > 0:
        raise ImageError(path, "has sub-images (a camera raw or pyramid file?); export it as a plain TIFF first")
    if image.width * image.height > max_pixels:
        raise ImageError(path, f"{image.width} x {image.height} is more than {max_pixels:,} pixels")


def not_decoded(path: Path, error: Any, format: str) -> DarnetError:
    """What to raise where libvips could not read a file."""
    if format == "tiff" and raw.is_called_raw(path) and not is_out_of_memory(error):
        return ImageError(path, raw.ADVICE)
    if "labq" in str(error):  # libvips takes three samples for its own packed four, and then refuses them
        return ImageError(path, "TIFF files in Lab of 8 bits are not supported; save it in RGB, or in Lab of 16 bits")
    return vips_failed(path, error, f"damaged or incomplete {format.upper()} file")
