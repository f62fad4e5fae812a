"""The bytes of a picture's file -> its content, which libvips decodes; large ones some rows at a time.

Importing this module imports neither torch nor PIL nor pyvips.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np

from darnet.errors import ImageError
from darnet.images import admission, density, directories, exif, others, profiles, raw, rows, scratch, sidedata
from darnet.images.arrays import RGB_ALPHA, UPSIDE_DOWN, Channels, Metadata, full_range, in_range, rescale, split
from darnet.images.coding import Content, Pages
from darnet.images.formats import (
    FORMATS,
    HEAD_BYTES,
    RAW,
    not_decoded,
    refuse,
)
from darnet.images.scratch import Array
from darnet.images.vips import header, header_fields
from darnet.notices import warn
from darnet.timeline import span

Layout: TypeAlias = Mapping[int, tuple[int, ...]]

#: Tags of a TIFF file, and some of their values.
SUBFILE, BITS, COMPRESSION, PHOTOMETRIC, SUBSAMPLING = 254, 258, 259, 262, 530
SMALLER_OR_MASK = 5
UPRIGHT = 1
OLD_JPEG, NEW_JPEG, YCBCR = (6,), (7,), (6,)


def decode(path: Path, format: str, file: BinaryIO, max_pixels: int, pages: Pages = "one") -> tuple[Content, ...]:
    """The pictures of a file that are wanted, upright, one or more; messages call it `path`.

    Raises ImageError as `Image.read` does, ResourceError where memory, or room for a large picture, runs out.
    """
    known = FORMATS.get(format)
    if known is None or (format == "tiff" and raw.is_called_raw(path)):
        developed = _developed(path, format, file, max_pixels)
        if developed is not None:
            return (developed,)
    assert known is not None
    if known.others:
        with span("decode"):
            found = others.decode(path, known.codec, file, admission.checked(path, format, max_pixels), pages)
        return (Content(split(found.values), found.profile, found.fields, found.coding, found.more),)
    count = _count(path, format, file) if pages == "all" and known.most == "many" else 1
    if count == 1:
        return (_page(path, format, file, max_pixels, pages),)
    if format == "tiff":
        return _pages(path, file, max_pixels, count)
    return _frames(_page(path, format, file, max_pixels, pages, n=-1), count)


def _count(path: Path, format: str, file: BinaryIO) -> int:
    """How many pictures there are in a file."""
    import pyvips

    if format == "tiff":
        _meaning(path, 0, _layout(file, 0))  # which has the better reason where it cannot be read
    try:
        with rows.opened(FORMATS[format].codec, file) as image:
            return int(image.get("n-pages")) if "n-pages" in header_fields(image) else 1
    except pyvips.Error as error:
        raise not_decoded(path, error, format) from None


def _pages(path: Path, file: BinaryIO, max_pixels: int, count: int) -> tuple[Content, ...]:
    """Those of a TIFF file, each of a size, depth and description of its own."""
    found, room, left = list[Content](), scratch.Room(), max_pixels
    for number in range(count):
        page = _page(path, "tiff", file, left, "all", page=number)
        array, alpha = page.channels
        left -= array.shape[0] * array.shape[1]
        kept = Channels(room.kept(array), None if alpha is None else room.kept(alpha))
        found.append(replace(page, channels=kept))
    return tuple(found)


def _frames(film: Content, count: int) -> tuple[Content, ...]:
    """Those of an animation, which libvips puts below each other."""
    array, alpha = film.channels
    height = len(array) // count
    parts = [slice(top, top + height) for top in range(0, count * height, height)]
    return tuple(replace(film, channels=Channels(array[at], None if alpha is None else alpha[at])) for at in parts)


def _page(path: Path, format: str, file: BinaryIO, max_pixels: int, pages: Pages, **options: int) -> Content:
    """One picture; `options`: of libvips' loader."""
    import pyvips

    page = options.get("page", 0)
    layout = _layout(file, page) if format == "tiff" else {}
    meaning = _meaning(path, page, layout)
    side, coding = sidedata.read(path, format, file)
    file.seek(0)
    head = file.read(HEAD_BYTES)
    try:
        with rows.opened(FORMATS[format].codec, file, **options) as opened:
            stored = _with_exif(opened, side)
            more = refuse(path, stored, head, max_pixels, pages)
            admission.admit(path, format, stored, layout)
            with span("decode"):
                image = rows.upright(stored)
                channels = _channels(path, image, format, meaning)
            own, profile = _profile(stored), _profile(image)
            if stored.interpretation == "cmyk":
                _tell_of_cmyk(path, own)
            # How an AVIF picture lies is said elsewhere, and libvips has turned it.
            names = set(header_fields(stored))
            metadata = header(image, side, turned=format == "avif" or "orientation" in names)
            dense = density.of_vips(stored, names) if format == "tiff" else {}
            lies = stored.get("orientation") if "orientation" in names else UPRIGHT
            if format == "avif" and channels.array.dtype == np.uint16:
                coding = coding._replace(bits=image.get("bits-per-sample"))
    except pyvips.Error as error:
        raise not_decoded(path, error, format) from None
    if format == "png" and profile is None and b"iCCP" in head[: head.find(b"IDAT")]:
        warn(path, profiles.UNFIT, stacklevel=5)  # which libvips has left out itself
    if format == "tiff":
        metadata = {**metadata, **exif.read(path, file, page), **exif.read_further(path, file, page, lies != UPRIGHT)}
    if density.ACROSS not in {**dense, **metadata}:
        dense = density.of_exif(metadata.get("exif-data"))
    fields = {**dense, **metadata}
    return Content(channels, profile, density.turned(fields) if lies > UPSIDE_DOWN else fields, coding, more)


def _developed(path: Path, format: str, file: BinaryIO, max_pixels: int) -> Content | None:
    """What a camera raw file shows; None for a plain TIFF file that is called as one, or where nobody develops it."""
    try:
        with span("decode"):
            values = raw.develop(path, file, admission.checked(path, RAW, max_pixels))
    except ImageError:
        if format == "tiff":
            return None
        raise
    tiff = file.seek(0) == 0 and file.read(2) in {b"II", b"MM"}
    return Content(split(values), None, exif.read(path, file) if tiff else {}, developed=True)


def _with_exif(image: Any, side: Metadata) -> Any:
    """A libvips image with the EXIF that lies where libvips does not look, and so with its orientation."""
    import pyvips

    if "exif-data" not in side or "exif-data" in header_fields(image) or image.interpretation == "cmyk":
        return image
    image = image.copy()
    image.set_type(pyvips.GValue.blob_type, "exif-data", side["exif-data"])
    return image


def _tell_of_cmyk(path: Path, profile: bytes | None) -> None:
    if profile is not None and profile[16:20] == b"CMYK":
        warn(path, "CMYK: its colours were converted to sRGB through its profile", stacklevel=6)
    else:
        what = "has no profile" if profile is None else "has a damaged profile, or none of CMYK"
        warn(path, f"CMYK: it {what}; its colours were converted to sRGB through a common one", stacklevel=6)


def _layout(file: BinaryIO, page: int) -> Layout:
    """The numbers of a TIFF page's directory; none where it is damaged: libvips says what is wrong with it."""
    try:
        return directories.layout(file, page)
    except (LookupError, ValueError, struct.error):
        return {}


def _meaning(path: Path, page: int, numbers: Layout) -> str:
    """What libvips takes the samples of a TIFF file for RGB although they are: "YCbCr", or nothing.

    Raises ImageError for what it shows wrongly without a word: chroma of fewer pixels, and the JPEG of TIFF 6.0.
    """
    if page and numbers.get(SUBFILE, (0,))[0] & SMALLER_OR_MASK:
        raise ImageError(path, "has sub-images (a smaller copy, or a mask); `first=True` takes the picture alone")
    compression, photometric = numbers.get(COMPRESSION, (1,)), numbers.get(PHOTOMETRIC)
    if compression == OLD_JPEG:
        raise ImageError(path, "JPEG in TIFF as of 1992 is not supported; save it with another compression")
    bits = numbers.get(BITS, (1,))[0]
    if bits not in {1, 2, 4, 8, 16, 32, 64}:
        raise ImageError(path, f"TIFF files of {bits} bits per sample are not supported; save it in 8 or 16 bits")
    if photometric != YCBCR or compression == NEW_JPEG:
        return ""
    if numbers.get(SUBSAMPLING, (2, 2)) != (1, 1):
        raise ImageError(path, "TIFF files in YCbCr with subsampled chroma are not supported; save it in RGB")
    return "YCbCr"


def _profile(image: Any) -> bytes | None:
    return bytes(image.get(profiles.PROFILE)) if profiles.PROFILE in header_fields(image) else None


def _channels(path: Path, image: Any, format: str, meaning: str) -> Channels:
    if image.format not in {"uchar", "ushort", "float", "double"} or image.bands > RGB_ALPHA:
        raise ImageError(path, f"{image.bands} channels of type {image.format} are not supported")
    values = rows.decoded(image)
    if not in_range(values):
        raise ImageError(path, "float samples outside [0, 1]")
    if format == "avif" and values.dtype == np.uint16:  # libvips shifts samples up to 16 bits
        values = full_range(values, image.get("bits-per-sample"))
    if meaning == "YCbCr":
        values = rescale(_from_ycbcr(rescale(values, np.float32)), values.dtype)
    return split(rescale(values, np.float32) if values.dtype.kind == "f" else values)


def _from_ycbcr(values: Array) -> Array:
    """RGB (H, W, 3) in [0, 1] of Y, Cb and Cr of full range (ITU-T T.871)."""
    luma, blue, red = (values[..., index] for index in range(3))
    blue, red = blue - np.float32(128 / 255), red - np.float32(128 / 255)
    planes = [luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue]
    return np.stack(planes, axis=-1).clip(0, 1).astype(np.float32)
