"""Steps of the way of a photo into its file, and from one file into the next.

Shapes: B batch, S side of a scene. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from torch.nn import functional as F

from darnet.degradations.base import Range
from darnet.imaging.steps import Drawn, Step, uniform
from darnet.imaging.storage import jpeg, webp

#: JPEG quality up to which compression is seen as damage, and from which it is not.
SEEN, UNSEEN = 83.0, 89.0


@dataclass(frozen=True)
class File(Step):
    """A JPEG file of a quality on libjpeg's scale; a share of them with full colour. Never in a target."""

    quality: Range = (98.0, 60.0)
    full_colour: float = 0.2
    kind: ClassVar[str] = "jpeg"
    chancy: ClassVar[bool] = True

    def draw(self, count: int, side: int, strength: float, rng: Generator) -> Drawn:
        """(quality, whether colour is at full resolution)."""
        full = torch.rand(count, generator=rng, device=rng.device) < self.full_colour
        return uniform(count, self.quality, rng, strength), full

    def apply(self, pictures: Float[Tensor, "B 3 S S"], drawn: Drawn, rng: Generator) -> Float[Tensor, "B 3 S S"]:
        """Compress and decode."""
        return jpeg(pictures, *drawn[:2])

    def severity(self, drawn: Drawn) -> Float[Tensor, " B"]:
        """Quality."""
        return drawn[0]

    def visibility(self, drawn: Drawn, change: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
        """By quality alone: what a file changes depends on the picture more than on the file."""
        return (UNSEEN - drawn[0]) / (UNSEEN - SEEN)


@dataclass(frozen=True)
class Compression(File):
    """A JPEG file so small that it shows."""

    quality: Range = (88.0, 5.0)


@dataclass(frozen=True)
class CompressionOffGrid(Compression):
    """The same, cropped since: its blocks begin anywhere."""

    shift: int = 3  # px, to the right; 8 − shift down

    def apply(self, pictures: Float[Tensor, "B 3 S S"], drawn: Drawn, rng: Generator) -> Float[Tensor, "B 3 S S"]:
        """Grow, compress, crop."""
        below = 8 - self.shift
        grown = F.pad(pictures, (self.shift, 0, below, 0), mode="replicate")
        return jpeg(grown, *drawn[:2])[:, :, below:, self.shift :]


@dataclass(frozen=True)
class CompressionTwice(CompressionOffGrid):
    """Cropped and saved again, better."""

    def apply(self, pictures: Float[Tensor, "B 3 S S"], drawn: Drawn, rng: Generator) -> Float[Tensor, "B 3 S S"]:
        """Compress, crop, compress."""
        once = super().apply(pictures, drawn, rng)
        return jpeg(once, drawn[0] + (97 - drawn[0]).clamp_min(0) * 0.7, drawn[1])


@dataclass(frozen=True)
class CompressionResized(Compression):
    """Compressed at another size: blocks of another side than 8 px."""

    quality: Range = (80.0, 8.0)
    factor: float = 1.25  # of the file's size; 16 must divide its side

    def apply(self, pictures: Float[Tensor, "B 3 S S"], drawn: Drawn, rng: Generator) -> Float[Tensor, "B 3 S S"]:
        """Resize, compress, resize."""
        side = pictures.shape[-1]
        other = resized(pictures, max(16, round(side * self.factor / 16) * 16))
        return resized(jpeg(other, *drawn[:2]), side)


@dataclass(frozen=True)
class WebpCompression(Compression):
    """A lossy WebP file."""

    quality: Range = (85.0, 2.0)

    def apply(self, pictures: Float[Tensor, "B 3 S S"], drawn: Drawn, rng: Generator) -> Float[Tensor, "B 3 S S"]:
        """Compress and decode, on the CPU."""
        return webp(pictures, drawn[0])


@dataclass(frozen=True)
class Dither(Step):
    """Values between two levels end on either, by chance, so that no gap is left in a histogram."""

    chancy: ClassVar[bool] = True

    def draw(self, count: int, side: int, strength: float, rng: Generator) -> Drawn:
        """(amplitude in levels,): more than one, or levels that are exact would be rounded back."""
        return (uniform(count, (1.0, 3.0), rng),)

    def apply(self, pictures: Float[Tensor, "B 3 S S"], drawn: Drawn, rng: Generator) -> Float[Tensor, "B 3 S S"]:
        """Add noise of a level or so."""
        chance = torch.rand(pictures.shape, generator=rng, device=pictures.device) - 0.5
        return (pictures + chance * drawn[0][:, None, None, None] / 255).clamp(0, 1)


@dataclass(frozen=True)
class Resizing(Step):
    """Made smaller and larger again: soft at pixel level, with coarse noise, as enlarged pictures are."""

    factor: float = 0.7

    def draw(self, count: int, side: int, strength: float, rng: Generator) -> Drawn:
        """Nothing but the number of samples."""
        return (torch.zeros(count, device=rng.device),)

    def apply(self, pictures: Float[Tensor, "B 3 S S"], drawn: Drawn, rng: Generator) -> Float[Tensor, "B 3 S S"]:
        """Resize twice."""
        side = pictures.shape[-1]
        return resized(resized(pictures, round(side * self.factor)), side)


def resized(pictures: Float[Tensor, "B 3 S S"], side: int) -> Float[Tensor, "B 3 T T"]:
    """Bicubic, with antialiasing where it becomes smaller."""
    drawn = F.interpolate(pictures, (side, side), mode="bicubic", antialias=side < pictures.shape[-1])
    return drawn.clamp(0, 1)


#: Steps of compression, one of which a photo takes.
JPEG = (
    Compression(0.5),
    *(CompressionOffGrid(0.05, shift=shift) for shift in (1, 4, 6)),
    *(CompressionTwice(0.06, shift=shift) for shift in (0, 3, 5)),
    *(CompressionResized(0.05, factor=factor) for factor in (1.25, 1.5, 2.0)),
    WebpCompression(0.03),
)
