"""What an expert is: pixels -> pixels. Same shape and range out; H and W are anything, padding is its business.

One that works tile by tile says so (`TiledExpert`); it is asked by region, and memory does not grow with the picture.

Shapes: H × W pixels, sRGB in [0, 1].
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from darnet.errors import DarnetError, UsageError
from darnet.images import geometry
from darnet.images.formats import JPEG_UNIT_PX
from darnet.images.regions import Grown, Piece, Planes, Region, RegionSource, Viewed, gather, read_beyond, turned
from darnet.images.tiles import TileFunction, TilePlan, by_tiles

Pixels = Float[Tensor, "3 H W"]


@runtime_checkable
class Expert(Protocol):
    """Anything that repairs one kind of damage."""

    def __call__(self, pixels: Pixels) -> Pixels:
        """The repaired picture, of the same shape, in [0, 1]."""
        ...


class TiledExpert(ABC):
    """An expert that looks at a picture once and then repairs it tile by tile."""

    @abstractmethod
    def plan(self, height: int, width: int) -> TilePlan:
        """Where the tiles of a picture of `height` × `width` pixels lie."""

    @abstractmethod
    def look(self, source: RegionSource) -> TileFunction:
        """What repairs tiles of this picture, as `plan` cuts it."""

    def by_region(self, source: RegionSource) -> Iterator[Piece]:
        """The repaired picture, piece by piece as it is finished (`by_tiles`)."""
        return by_tiles(self.plan(source.height, source.width), self.look(source), source)

    def __call__(self, pixels: Pixels) -> Pixels:
        """Repair."""
        return gather(self.by_region(Planes(pixels)), like=pixels)


@dataclass(frozen=True)
class Whole(TiledExpert):
    """An expert that wants to see the whole picture, as the only tile."""

    expert: Expert

    def plan(self, height: int, width: int) -> TilePlan:
        """One tile."""
        return TilePlan(height, width, height, width, (0,), (0,))

    def look(self, source: RegionSource) -> TileFunction:
        """The expert itself."""
        return lambda tile, _: self.expert(tile[0])[None]


def tiled(expert: Expert) -> TiledExpert:
    """Any expert as one that is asked by region."""
    return expert if isinstance(expert, TiledExpert) else Whole(expert)


if TYPE_CHECKING:
    Experts: TypeAlias = Mapping[str, Expert]  # kind of damage -> who repairs it
else:
    Experts = Mapping  # who checks annotations while a program runs would load an expert to look at it


@dataclass(frozen=True)
class Tiles:
    """How a large picture is cut: tiles of at most `size_px` that share `overlap_px`; `size_px` 0: not at all.

    `shrinking`: whether smaller ones are taken where memory runs short at work; a size that somebody states is kept to.

    The overlap follows from what agrees with the untiled answer: at 56 px from a tile's edge most shipped experts are
    within 1 level of it, at 32 px some are off by 5 (those that need more say so, `Model.overlap_px`). The size follows
    from the overlap, and from the memory that a tile takes: at 4000×3000 1.19 pixels are computed per pixel, up to 1.22
    where sides are multiples of 32, and 1.42 or 1.43 where tiles share 224 px (docs/adr/0029).

    Example:
        >>> plan = Tiles(size_px=512, overlap_px=64).plan(height=800, width=1000)
        >>> [(region.top, region.left, region.height, region.width) for region in plan.regions][:2]
        [(0, 0, 432, 376), (0, 312, 432, 376)]
    """

    size_px: int = 1152
    overlap_px: int = 128
    shrinking: bool = False

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


#: What nobody has chosen.
TILES = Tiles(shrinking=True)
#: How far beyond [0, 1] an answer may lie: networks overshoot at edges, those for 0 to 255 go much further.
OVERSHOOT = 1.0


@dataclass(frozen=True)
class Checked(TiledExpert):
    """An expert of somebody else's, whose answers are looked at before they are believed, and clipped if a little off.

    A call raises DarnetError for an answer of another shape or range, or with pixels that are not finite.
    """

    name: str
    expert: Expert

    def plan(self, height: int, width: int) -> TilePlan:
        """As the expert does."""
        return tiled(self.expert).plan(height, width)

    def look(self, source: RegionSource) -> TileFunction:
        """As the expert does, and check each answer."""
        repair = tiled(self.expert).look(source)
        return lambda tile, region: self._check(repair(tile, region), tile)

    def _check(self, restored: Tensor, tile: Tensor) -> Tensor:
        if restored.shape != tile.shape:
            raise DarnetError(f"{self.name}: {tuple(tile.shape[1:])} comes back as {tuple(restored.shape[1:])}")
        check_finite(self.name, restored)
        low, high = (float(value) for value in restored.aminmax())
        if not -OVERSHOOT <= low <= high <= 1 + OVERSHOOT:
            raise DarnetError(f"{self.name} answered with pixels from {low:.3g} to {high:.3g}; they belong in [0, 1]")
        return restored.to(tile).clamp(0, 1)


def check_finite(name: str, restored: Tensor) -> None:
    """Raise DarnetError for pixels that are not finite."""
    if not bool(restored.isfinite().all()):
        raise DarnetError(f"{name} answered with pixels that are not finite")


@dataclass(frozen=True)
class SelfEnsemble(TiledExpert):
    """The mean of what an expert makes of the eight flips and quarter turns of a picture, turned back.

    Source: Timofte, Rothe, Van Gool, "Seven ways to improve example-based single image super resolution", CVPR 2016,
    §3.6. Eight times the time of the expert. It looks at each view of the whole picture, and then asks for the eight
    views of one tile after the other.
    """

    expert: Expert

    def plan(self, height: int, width: int) -> TilePlan:
        """As the expert does for a picture of whole units of a JPEG file; the rest is left out.

        Flipped, it then has its blocks where they were.
        """
        grown = (side + -side % JPEG_UNIT_PX for side in (height, width))
        return replace(tiled(self.expert).plan(*grown), height=height, width=width)

    def look(self, source: RegionSource) -> TileFunction:
        """Repair a tile eight times."""
        grown = Grown(source, JPEG_UNIT_PX)
        repairs = [tiled(self.expert).look(Viewed(grown, way)) for way in range(geometry.COUNT)]

        def repair(tile: Tensor, region: Region) -> Tensor:
            height, width = min(region.height, grown.height - region.top), min(region.width, grown.width - region.left)
            inside = Region(region.top, region.left, height, width)
            total = torch.zeros_like(tile)
            for way, function in enumerate(repairs):
                shown = Planes(geometry.view(tile[0, :, :height, :width], way).contiguous())
                there = turned(inside, grown.height, grown.width, way)
                total[0, :, :height, :width] += geometry.unview(self._ask(function, shown, there), way)
            return total / geometry.COUNT

        return repair

    def _ask(self, function: TileFunction, shown: Planes, there: Region) -> Tensor:
        """A tile that is grown as the expert wants its tiles, and cut again."""
        own = tiled(self.expert).plan(shown.height, shown.width)
        region = Region(there.top, there.left, own.tile_height, own.tile_width)
        wanted = read_beyond(shown, Region(0, 0, own.tile_height, own.tile_width))
        return function(wanted[None], region)[0, :, : shown.height, : shown.width]
