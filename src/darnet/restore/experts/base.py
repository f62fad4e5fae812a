"""What an expert is: pixels -> pixels. Same shape and range out; H and W are anything, padding is its business.

Shapes: H × W pixels, sRGB in [0, 1].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from darnet.errors import DarnetError, UsageError
from darnet.images import geometry
from darnet.images.tiles import TilePlan, pad_to

Pixels = Float[Tensor, "3 H W"]


@runtime_checkable
class Expert(Protocol):
    """Anything that repairs one kind of damage."""

    def __call__(self, pixels: Pixels) -> Pixels:
        """The repaired picture, of the same shape, in [0, 1]."""
        ...


if TYPE_CHECKING:
    Experts: TypeAlias = Mapping[str, Expert]  # kind of damage -> who repairs it
else:
    Experts = Mapping  # who checks annotations while a program runs would load an expert to look at it


@dataclass(frozen=True)
class Tiles:
    """How a large picture is cut: tiles of at most `size_px` that share `overlap_px`; `size_px` 0: not at all.

    The overlap follows from what agrees with the untiled answer: at 56 px from a tile's edge most shipped experts are
    within 1 level of it, at 32 px some are off by 5 (those that need more say so, `Model.overlap_px`). The size follows
    from the overlap: no common picture costs more than 1.2 pixels per pixel.

    Example:
        >>> plan = Tiles(size_px=512, overlap_px=64).plan(height=800, width=1000)
        >>> [(region.top, region.left, region.height, region.width) for region in plan.regions][:2]
        [(0, 0, 432, 376), (0, 312, 432, 376)]
    """

    size_px: int = 1152
    overlap_px: int = 128

    def __post_init__(self) -> None:
        """Raise UsageError for tiles that do not fit their overlap."""
        if self.size_px < 0 or (self.size_px and not 0 <= self.overlap_px < self.size_px):
            raise UsageError(f"tiles of {self.size_px} px that share {self.overlap_px} px")

    def sharing(self, overlap_px: int) -> Tiles:
        """The same that share so much at least, as far as half of a tile goes."""
        return replace(self, overlap_px=max(self.overlap_px, min(overlap_px, self.size_px // 2)))

    def plan(self, height: int, width: int, multiple_of: int = 1) -> TilePlan:
        """Where the tiles of a picture of `height` × `width` pixels lie."""
        size_px, overlap_px = (self.size_px, self.overlap_px) if self.size_px else (max(height, width), 0)
        return TilePlan.cut(height, width, tile_px=size_px, overlap_px=overlap_px, multiple_of=multiple_of)


TILES = Tiles()
#: How far beyond [0, 1] an answer may lie: networks overshoot at edges, those for 0 to 255 go much further.
OVERSHOOT = 1.0


@dataclass(frozen=True)
class Checked:
    """An expert of somebody else's, whose answer is looked at before it is believed."""

    name: str
    expert: Expert

    def __call__(self, pixels: Pixels) -> Pixels:
        """Repair, and clip what overshoots a little.

        Raises DarnetError for an answer of another shape or range, or with pixels that are not finite.
        """
        restored = self.expert(pixels)
        if restored.shape != pixels.shape:
            raise DarnetError(f"{self.name}: {tuple(pixels.shape)} comes back as {tuple(restored.shape)}")
        if not bool(restored.isfinite().all()):
            raise DarnetError(f"{self.name} answered with pixels that are not finite")
        low, high = float(restored.min()), float(restored.max())
        if not -OVERSHOOT <= low <= high <= 1 + OVERSHOOT:
            raise DarnetError(f"{self.name} answered with pixels from {low:.3g} to {high:.3g}; they belong in [0, 1]")
        return restored.to(pixels).clamp(0, 1)


#: A flipped picture keeps the blocks of a JPEG file (8 px, colour 16) where they were if its sides are multiples of it.
ENSEMBLE_MULTIPLE_PX = 16


@dataclass(frozen=True)
class SelfEnsemble:
    """The mean of what an expert makes of the eight flips and quarter turns of a picture, turned back.

    Source: Timofte, Rothe, Van Gool, "Seven ways to improve example-based single image super resolution", CVPR 2016,
    §3.6. Eight times the time of the expert, and one more picture of memory.
    """

    expert: Expert

    def __call__(self, pixels: Pixels) -> Pixels:
        """Repair eight times."""
        height, width = pixels.shape[1:]
        padded = pad_to(pixels, ENSEMBLE_MULTIPLE_PX)
        total = torch.zeros_like(padded)
        for way in range(geometry.COUNT):
            total += geometry.unview(self.expert(geometry.view(padded, way).contiguous()), way)
        return total[:, :height, :width] / geometry.COUNT
