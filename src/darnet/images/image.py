"""Image: the one place that knows files, bit depth, alpha, EXIF, ICC and orientation.

H, W: height and width; C: 1 (grey) or 3 (RGB). Importing this module imports neither torch nor PIL nor pyvips.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

import numpy as np

from darnet.errors import ImageError, UsageError, refusal
from darnet.images import exif, profiles, rows, scratch
from darnet.images.arrays import (
    GREY,
    RGB,
    RGB_ALPHA,
    Channels,
    Metadata,
    header,
    header_fields,
    in_range,
    is_pil,
    pack,
    rescale,
    split,
    to_vips,
    unpack,
    vips_failed,
)
from darnet.images.formats import FORMATS, SUFFIXES, load, not_decoded, refuse
from darnet.images.scratch import Array

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FORMATS", "SUFFIXES", "Image", "write_bytes"]


@dataclass(frozen=True, eq=False)
class Image:
    """An upright picture in the depth it came in, with everything its file said about it.

    `array`: (H, W, C), uint8, uint16, or float32 in [0, 1]. `alpha`: (H, W) of the same dtype. `profile`: ICC bytes;
    None means sRGB. `metadata`: libvips fields (EXIF, XMP, IPTC, resolution) that `write` puts back,
    without thumbnail, orientation and size where they no longer hold. `format`: a key of FORMATS.
    """

    array: Array
    alpha: Array | None = None
    profile: bytes | None = None
    metadata: Metadata = field(default_factory=dict)
    path: Path | None = None
    format: str | None = None

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.array.shape[0])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.array.shape[1])

    @classmethod
    def read(cls, path: Path | str) -> Image:
        """Decode a JPEG, PNG, TIFF, WebP or AVIF file, known by its content; the file is not needed afterwards.

        CMYK, Lab and palettes become RGB, one bit becomes 8-bit grey, 10- and 12-bit AVIF becomes uint16.
        Raises ImageError if the file is missing, empty, damaged, truncated, animated, of several pages, larger than
        MAX_PIXELS or in another format, ResourceError where memory runs out.
        """
        path = Path(path)
        format, data = load(path)
        import pyvips

        try:
            image = rows.opened(FORMATS[format].codec, data)
            refuse(path, image, data)
            image = rows.upright(image)
            channels = _decode(path, image, format)
        except pyvips.Error as error:
            raise not_decoded(path, error, format) from None
        profile = image.get("icc-profile-data") if "icc-profile-data" in header_fields(image) else None
        metadata = {**header(image), **(exif.read(path, data) if format == "tiff" else {})}
        return cls(*channels, profile, metadata, path, format)

    @classmethod
    def of(cls, source: object) -> Image:
        """A picture from whatever holds one; `source` is neither changed nor kept.

        Takes an Image, a path, a PIL image (as it lies: its EXIF orientation is not applied), an ndarray (H, W) or
        (H, W, 1..4), or a tensor (3, H, W), (1, H, W) or (H, W). Integers span their full range, floats [0, 1].
        Raises ImageError for a bad file and UsageError for anything else that is no picture.
        """
        if isinstance(source, Image):
            return source
        if isinstance(source, str | Path):
            return cls.read(source)
        profile = getattr(source, "info", {}).get("icc_profile") if is_pil(source) else None
        return cls(*unpack(source), profile or None)

    def like(self, source: object) -> object:
        """This picture as the kind of thing `source` is: same type, dtype, shape, mode and device.

        A path or an Image gives `self`. PIL modes 1 and P come back as L and RGB (RGBA where there is transparency).
        """
        if isinstance(source, Image | str | Path):
            return self
        return pack(Channels(self.array, self.alpha), source)

    def pixels(self, *, fitted: bool = False) -> Tensor:
        """(3, H, W), float32 in [0, 1], in memory of its own, in sRGB; grey is replicated, alpha left out.

        `fitted`: or in a wider space that holds what is visible (`profiles.seen_as`). Warns of a damaged profile.
        """
        import torch

        return torch.from_numpy(profiles.planes(self.array, self.profile, self._seen_as(fitted)))

    def with_pixels(self, pixels: Tensor, *, fitted: bool = False) -> Image:
        """This picture with other colours: (3, H, W) in [0, 1], clamped and rounded to this picture's dtype.

        What differs from `pixels(fitted=fitted)` is changed, the rest is bit-identical. Grey stays grey (the mean of
        the three channels); alpha, profile and metadata are kept. Raises UsageError for another shape.
        """
        wanted = (RGB, self.height, self.width)
        if tuple(pixels.shape) != wanted:
            raise UsageError(f"pixels of shape {tuple(pixels.shape)} do not fit a picture of shape {wanted}")
        planes: Array = pixels.detach().float().cpu().numpy()
        return replace(self, array=profiles.changed(self.array, planes, self.profile, self._seen_as(fitted)))

    def _seen_as(self, fitted: bool) -> bytes | None:
        return profiles.seen_as(Channels(self.array, self.alpha), self.profile, self.path or "picture", fitted=fitted)

    def write(
        self,
        path: Path | str,
        *,
        quality: int | None = None,
        bit_depth: Literal["auto", "8", "16"] = "auto",
        metadata: Literal["keep", "strip"] = "keep",
        icc: Literal["keep", "srgb"] = "keep",
    ) -> Path:
        """Write the file at once or not at all, in the format of its suffix, and return its path.

        `quality`: 1 to 100, for JPEG, WebP and AVIF. `bit_depth`: "auto" keeps the depth as far as the format can: JPEG
        and WebP hold 8 bits, AVIF 12, PNG 16, TIFF also floats. `metadata="strip"` leaves only the ICC profile.
        `icc="srgb"` converts the colours to sRGB.
        Warns (UserWarning) when the format cannot hold the alpha or the EXIF is damaged. Raises ImageError for an
        unknown suffix or a file that cannot be written: then a file already there stays as it was. UsageError for an
        impossible option.
        """
        path = Path(path)
        format = SUFFIXES.get(path.suffix.lower())
        if format is None:
            raise ImageError(path, f"unknown suffix {path.suffix!r} (known: {' '.join(SUFFIXES)})")
        check_options(quality, bit_depth=bit_depth, metadata=metadata, icc=icc)
        picture = self if metadata == "keep" else replace(self, metadata={})
        if format == "jpeg" and picture.alpha is not None:
            warnings.warn(f"{path}: JPEG files are written without transparency", stacklevel=2)
        import pyvips

        try:
            image, options = _encode(_adapt(picture, format, bit_depth, icc), format, quality)
            codec, block = FORMATS[format].codec, picture.metadata.get("exif-data")
            if picture.array.nbytes > scratch.MOST_BYTES:
                with unfinished(path) as temporary:
                    rows.save(image, codec, temporary, options)
                    if format == "tiff" and isinstance(block, bytes):
                        exif.extend(path, temporary, block)
                return path
            data = bytes(getattr(image, f"{codec}save_buffer")(**options))
        except pyvips.Error as error:
            raise vips_failed(path, error, f"cannot be written as {format.upper()}") from None
        write_bytes(path, exif.add(path, data, block) if format == "tiff" and isinstance(block, bytes) else data)
        return path


def check_options(quality: int | None, **options: str) -> None:
    """Raise UsageError for what `Image.write` is told, and no file could be."""
    choices = {"bit_depth": ("auto", "8", "16"), "metadata": ("keep", "strip"), "icc": ("keep", "srgb")}
    for name, given in options.items():
        if given not in choices[name]:
            raise UsageError(f"`{name}={given!r}`: expected one of {', '.join(choices[name])}")
    if quality is not None and quality not in range(1, 101):
        raise UsageError(f"`quality={quality}`: expected 1 to 100")


def _decode(path: Path, image: Any, format: str) -> Channels:
    if image.format not in {"uchar", "ushort", "float", "double"} or image.bands > RGB_ALPHA:
        raise ImageError(path, f"{image.bands} channels of type {image.format} are not supported")
    values = rows.decoded(image)
    if not in_range(values):
        raise ImageError(path, "float samples outside [0, 1]")
    if format == "avif" and values.dtype == np.uint16:
        bits = image.get("bits-per-sample")  # libvips shifts samples up to 16 bits, so white falls short of 65535
        values = rescale((values >> (16 - bits)) / np.float32(2**bits - 1), np.uint16)
    return split(rescale(values, np.float32) if values.dtype.kind == "f" else values)


def _adapt(picture: Image, format: str, bit_depth: str, icc: str) -> Image:
    """The picture in the depth and colours that are to be written."""
    dtype = picture.array.dtype
    if bit_depth == "8" or FORMATS[format].bits == 8:
        dtype = np.dtype(np.uint8)
    elif bit_depth == "16" or (dtype.kind == "f" and (format != "tiff" or icc == "srgb")):
        dtype = np.dtype(np.uint16)
    array, profile = rescale(picture.array, dtype), picture.profile
    if profile and profile[16:20] != (b"GRAY" if array.shape[2] == GREY else b"RGB "):
        profile = None  # it describes other channels than these
    if profile and icc == "srgb":
        array, profile = profiles.as_srgb(array, profile), None
    alpha = None if picture.alpha is None or format == "jpeg" else rescale(picture.alpha, dtype)
    return replace(picture, array=array, alpha=alpha, profile=profile)


def _encode(picture: Image, format: str, quality: int | None) -> tuple[Any, dict[str, Any]]:
    """What libvips is to save, and how."""
    known, dtype = FORMATS[format], picture.array.dtype
    fields = dict(picture.metadata)
    keep = ["icc"] + ["xmp", "iptc", "other"] * bool(fields) + ["exif"] * ("exif-data" in fields)
    options = {**known.options, "keep": "|".join(keep)}
    if known.quality is not None:
        options["Q"] = quality or known.quality
    channels = picture.array if picture.alpha is None else _joined(picture.array, picture.alpha)
    if format == "tiff":
        options["predictor"] = "float" if dtype.kind == "f" else "horizontal"
    if format == "avif" and dtype == np.uint16:
        options["bitdepth"] = known.bits
        top = 2**known.bits - 1  # libvips drops the low bits: put a correctly rounded sample into the high ones
        channels = np.rint(channels * np.float32(top / 65535)).astype(np.uint16) << (16 - known.bits)
    if picture.profile:
        fields["icc-profile-data"] = picture.profile
    return to_vips(channels, fields), options


def _joined(array: Array, alpha: Array) -> Array:
    joined = scratch.empty((*array.shape[:2], array.shape[2] + 1), array.dtype)
    for part in scratch.strips(joined):
        joined[part] = np.dstack([array[part], alpha[part]])
    return joined


@contextmanager
def unfinished(path: Path) -> Iterator[Path]:
    """A name beside `path` for what takes its place once it is written, so that nobody ever sees half of it.

    Raises ImageError where it cannot; then, or if anything else goes wrong meanwhile, nothing has changed.
    """
    temporary = path.with_name(f".{uuid4().hex}{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise ImageError(path, refusal(error)) from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file in one step. Raises ImageError; then nothing has changed."""
    with unfinished(path) as temporary:
        temporary.write_bytes(data)
