"""Content of a picture -> the bytes of its file, which libvips encodes; large ones some rows at a time.

Importing this module imports neither torch nor PIL nor pyvips.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from darnet.errors import ImageError, refusal
from darnet.files import unfinished
from darnet.images import density, exif, others, profiles, rows, scratch, sidedata
from darnet.images.admission import admit_encoding
from darnet.images.arrays import GREY, Metadata, rescale
from darnet.images.boxes import LOSSLESS
from darnet.images.budget import current
from darnet.images.coding import Coding, Content
from darnet.images.formats import (
    FORMATS,
    KINDS_OF_DATA,
    check_available,
)
from darnet.images.iptc import PHOTOSHOP, wrapped
from darnet.images.scratch import Array
from darnet.images.signature import EMPTY, PREFIX
from darnet.images.vips import to_vips, vips_failed
from darnet.notices import warn
from darnet.timeline import span

#: Fields that libvips is not given, by format: they are written byte by byte (`sidedata`).
COEFFICIENT_BYTES = 2  # of a sample of a JPEG file
WRITTEN_HERE = {"jpeg": ("exif-data",), "png": ("exif-data", "iptc-data", "xmp-data"), "tiff": ("iptc-data",)}


@dataclass(frozen=True)
class Encoder:
    """How samples become a file of a format; options as in `Image.write`. `name`: what messages call the picture."""

    name: Path
    format: str
    quality: int | None
    bit_depth: str
    icc: str

    @span("encode")
    def encode(self, pictures: Sequence[Content]) -> bytes:
        """The bytes of a file of one picture or more. Raises ImageError for what the format cannot hold."""
        import pyvips

        self._check(pictures)
        if FORMATS[self.format].others:
            return self._by_others(pictures[0])
        if len(pictures) > 1 and self.format == "tiff":
            file = io.BytesIO()
            self._write_pages(pictures, file)
            return file.getvalue()
        try:
            image, options = self._prepared(pictures)
            data = bytes(getattr(image, f"{FORMATS[self.format].codec}save_buffer")(**options))
        except pyvips.Error as error:
            raise self._failed(error) from None
        return sidedata.add(self.name, self.format, data, *self._said(pictures[0]))

    @span("encode")
    def save(self, pictures: Sequence[Content], path: Path) -> None:
        """The same into a new file, row by row. Raises ImageError, OSError."""
        import pyvips

        self._check(pictures)
        if FORMATS[self.format].others:
            path.write_bytes(self._by_others(pictures[0]))
            return
        if len(pictures) > 1 and self.format == "tiff":
            with path.open("x+b") as file:
                self._write_pages(pictures, file)
            return
        try:
            image, options = self._prepared(pictures)
            rows.save(image, FORMATS[self.format].codec, path, options)
        except pyvips.Error as error:
            raise self._failed(error) from None
        sidedata.extend(self.name, self.format, path, *self._said(pictures[0]))

    def _said(self, picture: Content) -> tuple[Metadata, tuple[int, int]]:
        """What libvips keeps to itself of a picture; and its height and width."""
        height, width = picture.channels.array.shape[:2]
        lossless = {LOSSLESS: 1} if "lossless" in self._coded(picture.coding) else {}
        return {**picture.metadata, **lossless}, (height, width)

    def _check(self, pictures: Sequence[Content]) -> None:
        check_available(self.name, self.format)
        known, count = FORMATS[self.format], len(pictures)
        for one in pictures:
            admit_encoding(self.name, self.format, one.channels.array.shape, one.channels.array.itemsize)
        fields = pictures[0].metadata.keys()
        lost = [said for field, said in KINDS_OF_DATA.items() if field in fields - known.keeps]
        if lost:
            warn(self.name, f"{known.title} files are written without {', '.join(lost)}", stacklevel=5)
        if count > 1 and known.most == "one":
            what = f"{known.title} files hold one picture, and these are {count}"
            raise ImageError(self.name, f"{what}: `first=True` takes the first alone")

    def _write_pages(self, pictures: Sequence[Content], file: BinaryIO) -> None:
        """TIFF files of one page each, one behind the other."""
        import pyvips
        from PIL.TiffImagePlugin import AppendingTiffWriter

        try:
            with AppendingTiffWriter(file) as writer:
                for one in pictures:
                    image, options = self._prepared([one])
                    writer.write(bytes(image.tiffsave_buffer(**options)))
                    writer.newFrame()
                    scratch.release()
        except pyvips.Error as error:
            raise self._failed(error) from None
        except struct.error:
            raise ImageError(self.name, "cannot be written as TIFF (its pages have more than 4 GB)") from None
        for number, one in enumerate(pictures):
            density.to_tiff(file, one.metadata, number)
            exif.extend(self.name, file, one.metadata, number)

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

    def _prepared(self, pictures: Sequence[Content]) -> tuple[Any, dict[str, Any]]:
        """What libvips is to save, and how; frames lie below each other."""
        picture = pictures[0]
        known, fields = FORMATS[self.format], dict(picture.metadata)
        channels, profile = self._adapted(picture)
        if len(pictures) > 1:
            fields["page-height"] = len(channels)
            channels = self._stacked([channels, *(self._adapted(one)[0] for one in pictures[1:])])
        if density.ACROSS in fields and density.ACROSS in known.keeps and self.format not in WRITTEN_HERE:
            fields.setdefault("exif-data", PREFIX + EMPTY)  # where alone there is room for density
        for name in WRITTEN_HERE.get(self.format, ()):
            fields.pop(name, None)
        block = fields.get("iptc-data")
        if isinstance(block, bytes):
            fields["iptc-data"] = PHOTOSHOP + wrapped(block)
        keep = ["icc"] + ["xmp", "iptc", "other"] * bool(fields) + ["exif"] * ("exif-data" in fields)
        options = {**known.options, **self._coded(picture.coding), "keep": "|".join(keep)}
        if self.format == "jpeg" and channels.nbytes * COEFFICIENT_BYTES > current().total_bytes // 4:
            options["optimize_coding"] = False  # which keeps all coefficients
        if self.format == "tiff":
            options["predictor"] = "float" if channels.dtype.kind == "f" else "horizontal"
        if self.format == "avif" and channels.dtype == np.uint16:
            bits = options["bitdepth"] = picture.coding.bits or known.bits
            top = 2**bits - 1  # libvips drops the low bits: put a correctly rounded sample into the high ones
            channels = np.rint(channels * np.float32(top / 65535)).astype(np.uint16) << (16 - bits)
        if profile:
            fields["icc-profile-data"] = profile
        return to_vips(channels, fields), options

    def _stacked(self, frames: Sequence[Array]) -> Array:
        if len({frame.shape for frame in frames}) > 1:
            title = FORMATS[self.format].title
            raise ImageError(self.name, f"its pages differ in size or channels, which those of {title} files cannot")
        stacked = scratch.empty((len(frames) * len(frames[0]), *frames[0].shape[1:]), frames[0].dtype)
        for number, frame in enumerate(frames):
            stacked[number * len(frame) : (number + 1) * len(frame)] = frame
            scratch.release()
        return stacked

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
        bare = profile and "profile" not in FORMATS[self.format].keeps
        if profile and bare and not profiles.is_srgb(profile):
            title = FORMATS[self.format].title
            warn(self.name, f"{title} files hold no profile: its colours are converted to sRGB", stacklevel=5)
        if profile and (self.icc == "srgb" or bare):
            array, profile = profiles.as_srgb(array, profile), None
        if alpha is None or "alpha" not in FORMATS[self.format].keeps:
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
