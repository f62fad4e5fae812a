"""Pixels that nobody sees, made up from those around them, so that nothing is judged or repaired by what hides there.

They are made up region by region, from what little is known of the whole: means of blocks, and the detail of some.

Shapes: C channels, H × W pixels, h × w of a region, R × K blocks of B × B pixels, L blocks that lend their detail.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from darnet.images import scratch
from darnet.images.arrays import RGB
from darnet.images.formats import JPEG_UNIT_PX
from darnet.images.regions import AT_ONCE, Planes, Region, RegionSource, everything, read_all

#: Detail is what differs from means over so much. Blocks borrow it, units of a JPEG file, so that it keeps its phase.
SMOOTH_PX = 4
#: How often a block is halved until it is one pixel.
LEVELS = 4
#: Side of what is worked on at once in a picture of more than AT_ONCE pixels, a multiple of JPEG_UNIT_PX.
PART_PX = 512


def fill(source: RegionSource, known: NDArray[np.bool_], channels: int = RGB) -> RegionSource:
    """Keep known pixels, (H, W), and continue them into the others; a picture without known pixels stays as it is.

    Colours go on smoothly, by push and pull: known pixels are averaged over blocks of 2, 4, 8, ... until every block
    knows something, and each level is filled from the coarser one. Source: Gortler, Grzeszczuk, Szeliski and Cohen,
    "The Lumigraph", SIGGRAPH 1996, §3.4. The finest detail is that of the nearest block of known pixels: what is noisy
    goes on as noisy, and neither a router nor an expert meets a smooth surface where the picture ends.
    `channels`: 1 where all three are equal, and so in what is made up. A small picture is made up at once; parts of a
    large one agree up to rounding.

    >>> from darnet.images.regions import Planes, read_all
    >>> known = np.eye(4, dtype=bool)
    >>> float(read_all(fill(Planes(torch.full((3, 4, 4), 0.25) * torch.eye(4)), known)).min())
    0.25
    """
    shown = _Shown(source, known, channels)
    values, weight = shown.means()
    whole = weight[0, 0] == 1  # so no block that the picture's end cuts off
    if not bool((weight > 0).any()) or bool(known.all()):
        return source
    smooth = _Smooth(shown, _pull(values, weight))
    # Where no block is known as a whole, none has detail to lend.
    lender = _nearest(whole) if bool(whole.any()) else torch.zeros(whole.shape, dtype=torch.int64)
    lenders = torch.from_numpy(np.unique(lender[~whole].numpy())) if bool(whole.any()) else lender.new_empty(0)
    filled = _Filled(smooth, torch.searchsorted(lenders, lender), _details(smooth, lenders, whole.shape))
    return Planes(read_all(filled)) if _is_small(source) else filled


@dataclass(frozen=True)
class _Shown:
    """A source, and which of its pixels are known."""

    source: RegionSource
    known: NDArray[np.bool_]
    channels: int

    def read(self, region: Region) -> tuple[Float[Tensor, "1 C h w"], Float[Tensor, "1 1 h w"]]:
        """Pixels, 0 where they are unknown, and 1 where they are known."""
        pixels = self.source.read(region)[None, : self.channels]
        weight = torch.from_numpy(region.of(self.known))[None, None].to(pixels)
        return pixels * weight, weight

    def means(self) -> tuple[Float[Tensor, "1 C R K"], Float[Tensor, "1 1 R K"]]:
        """The same of each block."""
        rows, columns = (-(-length // JPEG_UNIT_PX) for length in self.known.shape)
        values, weight = (torch.empty(1, channels, rows, columns) for channels in (self.channels, 1))
        for part in _parts(everything(self.source), self.source):
            level = self.read(part)
            for _ in range(LEVELS):
                level = _halved(*level)
            for whole, means in zip((values, weight), level, strict=True):
                _in_blocks(part).cut(whole).copy_(means)
        return values, weight


@dataclass(frozen=True)
class _Smooth:
    """Known pixels, and a smooth continuation of them; `means`, (1, C, R, K): those of its blocks, each filled."""

    shown: _Shown
    means: Float[Tensor, "1 C R K"]

    def read(self, region: Region) -> Float[Tensor, "1 C h w"]:
        """A part of it: at each level, a pixel looks no further than its neighbours, so no further than a block."""
        around = _grown(region, self.shown.source)
        values, weight = self.shown.read(around)
        smooth = _pull(values, weight, _in_blocks(around).cut(self.means), LEVELS)
        return Region(region.top - around.top, region.left - around.left, region.height, region.width).cut(smooth)


@dataclass(frozen=True)
class _Filled:
    """What `fill` returns. `lender`, (R, K): which of the `details` each block borrows, where there are any."""

    smooth: _Smooth
    lender: Int[Tensor, "R K"]
    details: Float[Tensor, "L C B B"]

    @property
    def height(self) -> int:
        """Rows."""
        return self.smooth.shown.source.height

    @property
    def width(self) -> int:
        """Columns."""
        return self.smooth.shown.source.width

    def read(self, region: Region) -> Float[Tensor, "3 h w"]:
        """A part of it, in memory of its own."""
        answer = torch.empty(RGB, region.height, region.width)
        for part in _parts(region, self.smooth.shown.source):
            place = Region(part.top - region.top, part.left - region.left, part.height, part.width)
            place.cut(answer).copy_(self._made_up(part))
        return answer

    def _made_up(self, region: Region) -> Float[Tensor, "C h w"]:
        known = region.of(self.smooth.shown.known)
        if known.all():
            return self.smooth.shown.source.read(region)
        smooth = self.smooth.read(region)[0]
        return torch.where(torch.from_numpy(known), smooth, (smooth + self._borrowed(region)).clamp(0, 1))

    def _borrowed(self, region: Region) -> Float[Tensor, "C h w"] | float:
        if not len(self.details):
            return 0.0
        blocks = _in_blocks(region)
        # Blocks that are known as a whole borrow nothing, and may be given anything.
        lender = blocks.cut(self.lender).clamp(max=len(self.details) - 1)
        detail = self.details[lender].permute(2, 0, 3, 1, 4).flatten(3, 4).flatten(1, 2)
        return Region(region.top % JPEG_UNIT_PX, region.left % JPEG_UNIT_PX, region.height, region.width).cut(detail)


def _details(smooth: _Smooth, lenders: Int[Tensor, " L"], blocks: torch.Size) -> Float[Tensor, "L C B B"]:
    """What differs from an even smoother picture, in some of the R × K blocks, counted row by row."""
    details = torch.from_numpy(
        scratch.empty((len(lenders), smooth.shown.channels, JPEG_UNIT_PX, JPEG_UNIT_PX), np.float32)
    )
    place = torch.full((blocks.numel(),), -1).scatter(0, lenders, torch.arange(len(lenders))).reshape(blocks)
    for part in _parts(everything(smooth.shown.source), smooth.shown.source):
        wanted = _in_blocks(part).cut(place)
        if bool((wanted >= 0).any()):
            details[wanted[wanted >= 0]] = _detail(smooth, part)[wanted >= 0]
    return details


def _detail(smooth: _Smooth, region: Region) -> Float[Tensor, "R K C B B"]:
    """The same, in all blocks of a region."""
    source = smooth.shown.source
    around = _grown(region, source)
    picture = smooth.read(around)
    padding = (0, -around.width % JPEG_UNIT_PX, 0, -around.height % JPEG_UNIT_PX)
    padded = functional.pad(picture, padding, "replicate")
    means = functional.avg_pool2d(padded, SMOOTH_PX)
    detail = padded[0] - functional.interpolate(means, scale_factor=SMOOTH_PX, mode="bilinear", align_corners=False)[0]
    inside, outside = _in_blocks(region), _in_blocks(around)
    blocks = detail.reshape(-1, outside.height, JPEG_UNIT_PX, outside.width, JPEG_UNIT_PX).permute(0, 2, 4, 1, 3)
    place = Region(inside.top - outside.top, inside.left - outside.left, inside.height, inside.width)
    return place.cut(blocks).permute(3, 4, 0, 1, 2)


def _is_small(source: RegionSource) -> bool:
    return source.height * source.width <= AT_ONCE


def _parts(region: Region, source: RegionSource) -> Iterator[Region]:
    """A region in parts that begin with a block, but for those at its own top and left; of a small picture, at once."""
    if _is_small(source):
        yield region
        return
    bottom, right = region.top + region.height, region.left + region.width
    for top in range(region.top - region.top % PART_PX, bottom, PART_PX):
        for left in range(region.left - region.left % PART_PX, right, PART_PX):
            first_row, first_column = max(top, region.top), max(left, region.left)
            height, width = min(top + PART_PX, bottom) - first_row, min(left + PART_PX, right) - first_column
            yield Region(first_row, first_column, height, width)


def _in_blocks(region: Region) -> Region:
    """The blocks that a region has a part in."""
    top, left = region.top // JPEG_UNIT_PX, region.left // JPEG_UNIT_PX
    bottom, right = -(-(region.top + region.height) // JPEG_UNIT_PX), -(-(region.left + region.width) // JPEG_UNIT_PX)
    return Region(top, left, bottom - top, right - left)


def _grown(region: Region, source: RegionSource) -> Region:
    """The blocks that a region has a part in, and a block more on each side, as far as the picture goes."""
    blocks = _in_blocks(region)
    top, left = max(0, blocks.top - 1) * JPEG_UNIT_PX, max(0, blocks.left - 1) * JPEG_UNIT_PX
    bottom = min((blocks.top + blocks.height + 1) * JPEG_UNIT_PX, source.height)
    right = min((blocks.left + blocks.width + 1) * JPEG_UNIT_PX, source.width)
    return Region(top, left, bottom - top, right - left)


def _nearest(whole: Bool[Tensor, "R K"]) -> Int[Tensor, "R K"]:
    """The number of the nearest block that is whole, counted row by row, for each block; by steps to four sides."""
    lender = torch.where(whole, torch.arange(whole.numel(), device=whole.device).reshape(whole.shape), -1)
    while bool((lender < 0).any()):
        around = functional.pad(lender, (1, 1, 1, 1), value=-1)
        for side in (around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:]):
            lender = torch.where(lender < 0, side, lender)
    return lender


def _halved(values: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Both, "1 C h w", at half the resolution; what lies outside is unknown."""
    padding = (0, values.shape[-1] % 2, 0, values.shape[-2] % 2)
    fine, share = (functional.avg_pool2d(functional.pad(part, padding), 2) for part in (values, weight))
    return fine, share


def _pull(values: Tensor, weight: Tensor, coarsest: Tensor | None = None, levels: int = -1) -> Tensor:
    """Means of what is known, "1 C h w", each weighted by its share, with the gaps filled from half the resolution.

    `coarsest`: what this comes to so many `levels` further, where that is known already.
    """
    if coarsest is not None and levels == 0:
        return coarsest
    known = values / weight.clamp_min(torch.finfo(weight.dtype).tiny)
    if bool((weight > 0).all()):
        return known
    height, width = values.shape[-2:]
    coarse = _pull(*_halved(values, weight), coarsest, levels - 1)
    smooth = functional.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
    return torch.where(weight > 0, known, smooth[..., :height, :width])
