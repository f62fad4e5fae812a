"""Image: the one place that knows files, bit depth, alpha, EXIF, ICC and orientation.

H, W: height and width; C: 1 (grey) or 3 (RGB). Importing this module imports neither torch nor PIL nor pyvips.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TypeAlias, get_args

from darnet.errors import ImageError, UsageError
from darnet.images import density, pillow, profiles, scratch
from darnet.images.arrays import (
    RGB,
    UPSIDE_DOWN,
    Channels,
    Metadata,
    is_pil,
    pack,
    unpack,
    upright,
)
from darnet.images.codecs import Encoder, unfinished_picture, write_bytes, write_parts
from darnet.images.coding import USUAL, Coding, Content, Pages
from darnet.images.decoding import decode
from darnet.images.formats import FORMATS, MAX_PIXELS, RAW, SUFFIXES, check_name, known_format, opened
from darnet.images.scratch import Array
from darnet.images.sidedata import ESSENTIAL
from darnet.images.vips import without_orientation
from darnet.notices import warn

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FORMATS", "MAX_PIXELS", "SUFFIXES", "Image", "write_bytes", "write_parts"]

BitDepth: TypeAlias = Literal["auto", "8", "16"]
MetadataChoice: TypeAlias = Literal["keep", "strip"]
ProfileChoice: TypeAlias = Literal["keep", "srgb"]


@dataclass(frozen=True, eq=False)
class Image:
    """A picture in the depth it came in, with everything its file said about it; upright, but for some of PIL.

    `array`: (H, W, C), uint8, uint16, or float32 in [0, 1]. `alpha`: (H, W) of the same dtype. `profile`: ICC bytes;
    None means sRGB. `metadata`: libvips fields (EXIF, XMP, IPTC, resolution) that `write` puts back,
    without thumbnail, orientation and size where they no longer hold. `format`: a key of FORMATS, or "raw".
    `coding`: how that file coded its samples, as which another of the same format is. `frames`: what follows in the
    file, where all of it was wanted, and is written with it. `more`: whether there is more in it that was not wanted.

    Example:
        >>> import numpy as np
        >>> image = Image.of(np.full((2, 3, 3), 128, np.uint8))
        >>> image.height, image.width, image.pixels().shape
        (2, 3, torch.Size([3, 2, 3]))
    """

    array: Array
    alpha: Array | None = None
    profile: bytes | None = None
    metadata: Metadata = field(default_factory=dict)
    path: Path | None = None
    format: str | None = None
    coding: Coding = USUAL
    frames: tuple[Image, ...] = ()
    more: bool = False

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.array.shape[0])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.array.shape[1])

    @classmethod
    def read(cls, path: Path | str, *, max_pixels: int = MAX_PIXELS, pages: Pages = "one") -> Image:
        """Decode a file of one of FORMATS, known by its content; the file is not needed afterwards.

        CMYK, palettes and Lab (not of 8 bits) become RGB, one bit becomes 8-bit grey, 10- and 12-bit AVIF uint16.
        `pages`: of a file with several pictures none ("one"), the "first", or "all" (`frames`).
        Raises ImageError if the file is missing, empty, damaged, truncated, larger than `max_pixels`, in another
        format, or holds several pictures that cannot be read so, ResourceError where memory runs out.
        """
        path = Path(path)
        with opened(path) as (format, file):
            return cls._decoded(path, format, file, max_pixels, pages)._called(path)

    @classmethod
    def decode(
        cls,
        data: bytes | bytearray | memoryview,
        *,
        name: Path | str | None = None,
        max_pixels: int = MAX_PIXELS,
        pages: Pages = "one",
    ) -> Image:
        """The picture whose file holds these bytes; as `read`, with the same errors, in which it is called `name`.

        So it is in what is said of it later: `name` becomes its `path`.

        >>> import numpy as np
        >>> Image.decode(Image.of(np.zeros((4, 6, 3), np.uint8)).encode("png")).width
        6
        """
        held, called = bytes(data), Path("picture" if name is None else name)
        found = cls._decoded(called, known_format(called, held), io.BytesIO(held), max_pixels, pages)
        return found if name is None else found._called(called)

    @classmethod
    def _decoded(cls, path: Path, format: str, file: BinaryIO, max_pixels: int, pages: Pages) -> Image:
        first, *later = (
            cls(
                *one.channels,
                one.profile,
                one.metadata,
                format=RAW if one.developed else format,
                coding=one.coding,
                more=one.more,
            )
            for one in decode(path, format, file, max_pixels, pages)
        )
        return replace(first, frames=tuple(later)) if later else first

    def _called(self, path: Path) -> Image:
        return replace(self, path=path, frames=tuple(replace(frame, path=path) for frame in self.frames))

    @classmethod
    def of(cls, source: object) -> Image:
        """A picture from whatever holds one; `source` is neither changed nor kept.

        Takes an Image, a path, a PIL image (as it lies, with all that it says: `upright`), an ndarray (H, W) or
        (H, W, 1..4), or a tensor (3, H, W), (1, H, W) or (H, W). Integers span their full range, floats [0, 1].
        Raises ImageError for a bad file and UsageError for anything else that is no picture.
        """
        if isinstance(source, Image):
            return source
        if isinstance(source, str | Path):
            return cls.read(source)
        channels = unpack(source)
        if not is_pil(source):
            return cls(*channels)
        picture: Any = source
        return cls(*channels, picture.info.get("icc_profile") or None, pillow.said(picture))

    def upright(self) -> Image:
        """This picture as it is to be looked at, and as it is written: that of a PIL image may lie on its side.

        So says its metadata's `orientation`, which then has gone; everything of a file is upright already.
        """
        fields = dict(self.metadata)
        orientation = int(fields.pop(pillow.ORIENTATION, 0))
        if not orientation:
            return self
        array, alpha = (None if one is None else upright(one, orientation) for one in (self.array, self.alpha))
        assert array is not None
        if isinstance(xmp := fields.get("xmp-data"), bytes):
            fields["xmp-data"] = without_orientation(xmp)
        turned = density.turned(fields) if orientation > UPSIDE_DOWN else fields
        return replace(self, array=array, alpha=alpha, metadata=turned)

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
        return profiles.seen_as(Channels(self.array, self.alpha), self.profile, self.path, fitted=fitted)

    def write(
        self,
        path: Path | str,
        *,
        quality: int | None = None,
        bit_depth: BitDepth = "auto",
        metadata: MetadataChoice = "keep",
        icc: ProfileChoice = "keep",
    ) -> Path:
        """Write the file at once or not at all, in the format of its suffix, and return its path.

        As `encode` does, whose warnings and errors name this file. Raises ImageError for an unknown suffix or a file
        that cannot be written: then a file already there stays as it was.
        """
        path = Path(path)
        check_name(path)
        format = SUFFIXES.get(path.suffix.lower())
        if format is None:
            raise ImageError(path, f"unknown suffix {path.suffix!r} (known: {' '.join(SUFFIXES)})")
        check_options(quality, bit_depth=bit_depth, metadata=metadata, icc=icc)
        encoder, contents = self._encoder(path, format, quality, bit_depth, icc), self._contents(metadata, format)
        if sum(one.channels.array.nbytes for one in contents) > scratch.most_bytes():
            with unfinished_picture(path) as temporary:
                encoder.save(contents, temporary)
        else:
            write_bytes(path, encoder.encode(contents))
        return path

    def encode(
        self,
        format: str,
        *,
        quality: int | None = None,
        bit_depth: BitDepth = "auto",
        metadata: MetadataChoice = "keep",
        icc: ProfileChoice = "keep",
    ) -> bytes:
        """The bytes of a file of a format: a key of FORMATS, jpg or tif; of `frames`, too.

        `quality`: 1 to 100, for JPEG, WebP, AVIF and HEIC. `bit_depth`: "auto" keeps the depth as far as the format
        can: JPEG, WebP, GIF and BMP hold 8 bits, HEIC 10, AVIF 12, PNG and PPM 16, TIFF also floats. `metadata="strip"`
        leaves only what colours mean. `icc="srgb"` converts the colours to sRGB.
        Warns (ImageWarning) of what the format cannot hold, and where the EXIF is damaged. Raises UsageError for an
        unknown format or an impossible option, ImageError for a picture that the format cannot hold.

        >>> import numpy as np
        >>> Image.of(np.zeros((4, 6, 3), np.uint8)).encode("jpeg", quality=80)[:3].hex()
        'ffd8ff'
        """
        known = SUFFIXES.get(f".{format.lower()}")
        if known is None:
            raise UsageError(f"`format={format!r}`: expected one of {', '.join(FORMATS)}")
        check_options(quality, bit_depth=bit_depth, metadata=metadata, icc=icc)
        name = self.path or Path("picture")
        return self._encoder(name, known, quality, bit_depth, icc).encode(self._contents(metadata, known))

    def _contents(self, metadata: MetadataChoice, format: str) -> list[Content]:
        """What is written, `frames` too."""
        contents = []
        for one in (self.upright(), *self.frames):
            fields = {name: value for name, value in one.metadata.items() if metadata == "keep" or name in ESSENTIAL}
            coding = one.coding if format == one.format else USUAL
            contents.append(Content(Channels(one.array, one.alpha), one.profile, fields, coding))
        return contents

    def _encoder(
        self, name: Path, format: str, quality: int | None, bit_depth: BitDepth, icc: ProfileChoice
    ) -> Encoder:
        if "alpha" not in FORMATS[format].keeps and self.alpha is not None:
            warn(name, f"{FORMATS[format].title} files are written without transparency", stacklevel=3)
        return Encoder(name, format, quality, bit_depth, icc)


def check_options(quality: int | None, **options: str) -> None:
    """Raise UsageError for what `Image.write` is told, and no file could be."""
    choices = {"bit_depth": BitDepth, "metadata": MetadataChoice, "icc": ProfileChoice}
    for name, given in options.items():
        if given not in get_args(choices[name]):
            raise UsageError(f"`{name}={given!r}`: expected one of {', '.join(get_args(choices[name]))}")
    if quality is not None and (isinstance(quality, bool) or quality not in range(1, 101)):
        raise UsageError(f"`quality={quality}`: expected 1 to 100")
