"""Content of a picture <-> the bytes of its file, which libvips decodes and encodes; large ones some rows at a time.

Importing this module imports neither torch nor PIL nor pyvips.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from darnet.errors import ImageError, refusal
from darnet.files import unfinished
from darnet.images import exif, profiles, rows, scratch
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
from darnet.images.formats import FORMATS, HEAD_BYTES, not_decoded, refuse
from darnet.images.scratch import Array
from darnet.notices import warn


@dataclass(frozen=True, eq=False)
class Content:
    """What a file holds: channels in its depth, ICC profile, and libvips fields (`Image.metadata`)."""

    channels: Channels
    profile: bytes | None
    metadata: Metadata


def decode(path: Path, format: str, file: BinaryIO, max_pixels: int) -> Content:
    """The samples of a file, upright; messages call it `path`.

    Raises ImageError as `Image.read` does, ResourceError where memory, or room for a large picture, runs out.
    """
    import pyvips

    head = file.read(HEAD_BYTES)
    try:
        with rows.opened(FORMATS[format].codec, file) as stored:
            refuse(path, stored, head, max_pixels)
            image = rows.upright(stored)
            channels = _channels(path, image, format)
            own, profile = _profile(stored), _profile(image)
            if stored.interpretation == "cmyk" and own is not None and own[16:20] != b"CMYK":
                warn(path, "the ICC profile is damaged or none of CMYK; a common one is taken", stacklevel=4)
            metadata = header(image)
    except pyvips.Error as error:
        raise not_decoded(path, error, format) from None
    if format == "png" and profile is None and b"iCCP" in head[: head.find(b"IDAT")]:
        warn(path, profiles.UNFIT, stacklevel=4)  # which libvips has left out itself
    return Content(channels, profile, {**metadata, **(exif.read(path, file) if format == "tiff" else {})})


def _profile(image: Any) -> bytes | None:
    return bytes(image.get(profiles.PROFILE)) if profiles.PROFILE in header_fields(image) else None


def _channels(path: Path, image: Any, format: str) -> Channels:
    if image.format not in {"uchar", "ushort", "float", "double"} or image.bands > RGB_ALPHA:
        raise ImageError(path, f"{image.bands} channels of type {image.format} are not supported")
    values = rows.decoded(image)
    if not in_range(values):
        raise ImageError(path, "float samples outside [0, 1]")
    if format == "avif" and values.dtype == np.uint16:
        bits = image.get("bits-per-sample")  # libvips shifts samples up to 16 bits, so white falls short of 65535
        values = rescale((values >> (16 - bits)) / np.float32(2**bits - 1), np.uint16)
    return split(rescale(values, np.float32) if values.dtype.kind == "f" else values)


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

        try:
            image, options = self._prepared(picture)
            data = bytes(getattr(image, f"{FORMATS[self.format].codec}save_buffer")(**options))
        except pyvips.Error as error:
            raise self._failed(error) from None
        block = self._block(picture)
        return data if block is None else exif.add(self.name, data, block)

    def save(self, picture: Content, path: Path) -> None:
        """The same into a new file, row by row. Raises ImageError, OSError."""
        import pyvips

        try:
            image, options = self._prepared(picture)
            rows.save(image, FORMATS[self.format].codec, path, options)
        except pyvips.Error as error:
            raise self._failed(error) from None
        block = self._block(picture)
        if block is not None:
            exif.extend(self.name, path, block)

    def _failed(self, error: Exception) -> Exception:
        return vips_failed(self.name, error, f"cannot be written as {self.format.upper()}")

    def _block(self, picture: Content) -> bytes | None:
        """The EXIF that libvips leaves out."""
        block = picture.metadata.get("exif-data") if self.format == "tiff" else None
        return block if isinstance(block, bytes) else None

    def _prepared(self, picture: Content) -> tuple[Any, dict[str, Any]]:
        """What libvips is to save, and how."""
        known, fields = FORMATS[self.format], dict(picture.metadata)
        channels, profile = self._adapted(picture)
        keep = ["icc"] + ["xmp", "iptc", "other"] * bool(fields) + ["exif"] * ("exif-data" in fields)
        options = {**known.options, "keep": "|".join(keep)}
        if known.quality is not None:
            options["Q"] = self.quality or known.quality
        if self.format == "tiff":
            options["predictor"] = "float" if channels.dtype.kind == "f" else "horizontal"
        if self.format == "avif" and channels.dtype == np.uint16:
            options["bitdepth"] = known.bits
            top = 2**known.bits - 1  # libvips drops the low bits: put a correctly rounded sample into the high ones
            channels = np.rint(channels * np.float32(top / 65535)).astype(np.uint16) << (16 - known.bits)
        if profile:
            fields["icc-profile-data"] = profile
        return to_vips(channels, fields), options

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
        if profile and self.icc == "srgb":
            array, profile = profiles.as_srgb(array, profile), None
        if alpha is None or self.format == "jpeg":
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
