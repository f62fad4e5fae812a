"""Content of a picture <-> the bytes of its file, which libvips decodes and encodes; large ones some rows at a time.

Importing this module imports neither torch nor PIL nor pyvips.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from darnet.errors import ImageError, refusal
from darnet.files import unfinished
from darnet.images import exif, others, profiles, raw, rows, scratch, sidedata
from darnet.images.arrays import (
    GREY,
    RGB_ALPHA,
    Channels,
    Metadata,
    header,
    header_fields,
    in_range,
    rescale,
    split,
    to_vips,
    vips_failed,
)
from darnet.images.coding import USUAL, Coding
from darnet.images.formats import (
    FORMATS,
    HEAD_BYTES,
    OPAQUE,
    PROFILELESS,
    check_available,
    check_size,
    not_decoded,
    refuse,
)
from darnet.images.scratch import Array
from darnet.notices import warn

#: Fields that libvips is not given, by format: they are written byte by byte (`sidedata`).
WRITTEN_HERE = {"jpeg": ("exif-data",), "png": ("exif-data",), "tiff": ("iptc-data",)}
#: Tags of a TIFF file, and some of their values.
BITS, COMPRESSION, PHOTOMETRIC, SUBSAMPLING = 258, 259, 262, 530
OLD_JPEG, NEW_JPEG, YCBCR = (6,), (7,), (6,)


@dataclass(frozen=True, eq=False)
class Content:
    """What a file holds: channels in its depth, ICC profile, fields (`Image.metadata`), and how it is coded."""

    channels: Channels
    profile: bytes | None
    metadata: Metadata
    coding: Coding = USUAL


def decode(path: Path, format: str, file: BinaryIO, max_pixels: int) -> Content:
    """The samples of a file, upright; messages call it `path`.

    Raises ImageError as `Image.read` does, ResourceError where memory, or room for a large picture, runs out.
    """
    known = FORMATS.get(format)
    if known is None or (format == "tiff" and raw.is_called_raw(path)):
        developed = _developed(path, format, file, max_pixels)
        if developed is not None:
            return developed
    assert known is not None
    if known.others:
        found = others.decode(path, known.codec, file, partial(check_size, path, max_pixels))
        return Content(split(found.values), found.profile, found.fields, found.coding)
    return _decoded(path, format, file, max_pixels)


def _decoded(path: Path, format: str, file: BinaryIO, max_pixels: int) -> Content:
    import pyvips

    meaning = _meaning(path, file) if format == "tiff" else ""
    side, coding = sidedata.read(path, format, file)
    file.seek(0)
    head = file.read(HEAD_BYTES)
    try:
        with rows.opened(FORMATS[format].codec, file) as opened:
            stored = _with_exif(opened, side)
            refuse(path, stored, head, max_pixels)
            image = rows.upright(stored)
            channels = _channels(path, image, format, meaning)
            own, profile = _profile(stored), _profile(image)
            if stored.interpretation == "cmyk":
                _tell_of_cmyk(path, own)
            # How an AVIF picture lies is said elsewhere, and libvips has turned it.
            metadata = header(image, turned=format == "avif" or "orientation" in header_fields(stored))
            if format == "avif" and channels.array.dtype == np.uint16:
                coding = coding._replace(bits=image.get("bits-per-sample"))
    except pyvips.Error as error:
        raise not_decoded(path, error, format) from None
    if format == "png" and profile is None and b"iCCP" in head[: head.find(b"IDAT")]:
        warn(path, profiles.UNFIT, stacklevel=5)  # which libvips has left out itself
    if format == "tiff":
        side = exif.read(path, file)
    return Content(channels, profile, {**metadata, **side}, coding)


def _developed(path: Path, format: str, file: BinaryIO, max_pixels: int) -> Content | None:
    """What a camera raw file shows; None for a plain TIFF file that is called as one, or where nobody develops it."""
    try:
        values = raw.develop(path, file, partial(check_size, path, max_pixels))
    except ImageError:
        if format == "tiff":
            return None
        raise
    tiff = file.seek(0) == 0 and file.read(2) in {b"II", b"MM"}
    return Content(split(values), None, exif.read(path, file) if tiff else {})


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


def _meaning(path: Path, file: BinaryIO) -> str:
    """What libvips takes the samples of a TIFF file for RGB although they are: "YCbCr", or nothing.

    Raises ImageError for what it shows wrongly without a word: chroma of fewer pixels, and the JPEG of TIFF 6.0.
    """
    try:
        numbers = exif.layout(file)
    except (LookupError, struct.error):  # libvips says what is wrong with it
        return ""
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
    if format == "avif" and values.dtype == np.uint16:
        bits = image.get("bits-per-sample")  # libvips shifts samples up to 16 bits, so white falls short of 65535
        values = rescale((values >> (16 - bits)) / np.float32(2**bits - 1), np.uint16)
    if meaning == "YCbCr":
        values = rescale(_from_ycbcr(rescale(values, np.float32)), values.dtype)
    return split(rescale(values, np.float32) if values.dtype.kind == "f" else values)


def _from_ycbcr(values: Array) -> Array:
    """RGB (H, W, 3) in [0, 1] of Y, Cb and Cr of full range (ITU-T T.871)."""
    luma, blue, red = (values[..., index] for index in range(3))
    blue, red = blue - np.float32(128 / 255), red - np.float32(128 / 255)
    planes = [luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue]
    return np.stack(planes, axis=-1).clip(0, 1).astype(np.float32)


@dataclass(frozen=True)
class Encoder:
    """How samples become a file of a format; options as in `Image.write`. `name`: what messages call the picture."""

    name: Path
    format: str
    quality: int | None
    bit_depth: str
    icc: str

    def encode(self, picture: Content) -> bytes:
        """The bytes of a file. Raises ImageError for a picture that the format cannot hold."""
        import pyvips

        check_available(self.name, self.format)
        if FORMATS[self.format].others:
            return self._by_others(picture)
        try:
            image, options = self._prepared(picture)
            data = bytes(getattr(image, f"{FORMATS[self.format].codec}save_buffer")(**options))
        except pyvips.Error as error:
            raise self._failed(error) from None
        return sidedata.add(self.name, self.format, data, picture.metadata, picture.channels.array.shape[:2])

    def save(self, picture: Content, path: Path) -> None:
        """The same into a new file, row by row. Raises ImageError, OSError."""
        import pyvips

        check_available(self.name, self.format)
        if FORMATS[self.format].others:
            path.write_bytes(self._by_others(picture))
            return
        try:
            image, options = self._prepared(picture)
            rows.save(image, FORMATS[self.format].codec, path, options)
        except pyvips.Error as error:
            raise self._failed(error) from None
        sidedata.extend(self.name, self.format, path, picture.metadata, picture.channels.array.shape[:2])

    def _by_others(self, picture: Content) -> bytes:
        known = FORMATS[self.format]
        channels, profile = self._adapted(picture)
        fields = dict(picture.metadata)
        block = fields.pop("exif-data", None)
        if isinstance(block, bytes) and known.codec == "HEIF":
            fields["exif-data"] = exif.renewed(self.name, block, *channels.shape[:2])
        options = dict(known.options)
        if known.quality is not None:
            options["quality"] = self.quality or known.quality
        return others.encode(known.codec, others.Decoded(channels, profile, fields), options)

    def _failed(self, error: Exception) -> Exception:
        return vips_failed(self.name, error, f"cannot be written as {FORMATS[self.format].title}")

    def _prepared(self, picture: Content) -> tuple[Any, dict[str, Any]]:
        """What libvips is to save, and how."""
        known, fields = FORMATS[self.format], dict(picture.metadata)
        channels, profile = self._adapted(picture)
        for name in WRITTEN_HERE.get(self.format, ()):
            fields.pop(name, None)
        keep = ["icc"] + ["xmp", "iptc", "other"] * bool(fields) + ["exif"] * ("exif-data" in fields)
        options = {**known.options, **self._coded(picture.coding), "keep": "|".join(keep)}
        if self.format == "tiff":
            options["predictor"] = "float" if channels.dtype.kind == "f" else "horizontal"
        if self.format == "avif" and channels.dtype == np.uint16:
            bits = options["bitdepth"] = picture.coding.bits or known.bits
            top = 2**bits - 1  # libvips drops the low bits: put a correctly rounded sample into the high ones
            channels = np.rint(channels * np.float32(top / 65535)).astype(np.uint16) << (16 - bits)
        if profile:
            fields["icc-profile-data"] = profile
        return to_vips(channels, fields), options

    def _coded(self, coding: Coding) -> dict[str, Any]:
        """Options that say how samples are coded: as they came, but a JPEG no worse than is usual."""
        usual = FORMATS[self.format].quality
        if usual is None:
            return {}
        if coding.lossless and self.quality is None:
            return {"lossless": True}
        options: dict[str, Any] = {"Q": self.quality or max(usual, coding.quality or 0)}
        return {**options, "subsample_mode": "on"} if coding.halved else options

    def _adapted(self, picture: Content) -> tuple[Array, bytes | None]:
        """Content, alpha with them, in the depth and colours that are to be written, and their profile."""
        array, alpha = picture.channels
        dtype = array.dtype
        if self.bit_depth == "8" or FORMATS[self.format].bits == 8:
            dtype = np.dtype(np.uint8)
        elif self.bit_depth == "16" or (dtype.kind == "f" and (self.format != "tiff" or self.icc == "srgb")):
            dtype = np.dtype(np.uint16)
        array, profile = rescale(array, dtype), picture.profile
        if profile and profile[16:20] != (b"GRAY" if array.shape[2] == GREY else b"RGB "):
            warn(self.name, "the ICC profile is not written: it is damaged or of other channels", stacklevel=5)
            profile = None
        bare = profile and self.format in PROFILELESS
        if profile and bare and not profiles.is_srgb(profile):
            title = FORMATS[self.format].title
            warn(self.name, f"{title} files hold no profile: its colours are converted to sRGB", stacklevel=5)
        if profile and (self.icc == "srgb" or bare):
            array, profile = profiles.as_srgb(array, profile), None
        if alpha is None or self.format in OPAQUE:
            return array, profile
        return _joined(array, rescale(alpha, dtype)), profile


def _joined(array: Array, alpha: Array) -> Array:
    joined = scratch.empty((*array.shape[:2], array.shape[2] + 1), array.dtype)
    for part in scratch.strips(joined):
        joined[part] = np.dstack([array[part], alpha[part]])
    return joined


@contextmanager
def unfinished_picture(path: Path) -> Iterator[Path]:
    """As `darnet.files.unfinished`; raises ImageError in place of OSError."""
    try:
        with unfinished(path) as temporary:
            yield temporary
    except OSError as error:
        raise ImageError(path, refusal(error)) from None


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file in one step. Raises ImageError; then nothing has changed."""
    write_parts(path, [data])


def write_parts(path: Path, parts: Iterable[bytes]) -> None:
    """The same of bytes that come some after the other; what is raised by them is raised here, too."""
    with unfinished_picture(path) as temporary, temporary.open("xb") as file:
        file.writelines(parts)
