"""Content of a picture -> the bytes of its file, which libvips encodes; large ones some rows at a time.

Importing this module imports neither torch nor PIL nor pyvips.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from darnet.errors import ImageError, refusal
from darnet.files import unfinished
from darnet.images import exif, others, profiles, rows, scratch, sidedata
from darnet.images.arrays import GREY, rescale
from darnet.images.coding import Coding, Content
from darnet.images.formats import (
    FORMATS,
    OPAQUE,
    PROFILELESS,
    check_available,
)
from darnet.images.scratch import Array
from darnet.images.vips import to_vips, vips_failed
from darnet.notices import warn

#: Fields that libvips is not given, by format: they are written byte by byte (`sidedata`).
WRITTEN_HERE = {"jpeg": ("exif-data",), "png": ("exif-data",), "tiff": ("iptc-data",)}


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
