"""Pictures larger than memory: a function of a small picture becomes a function of a picture of any size.

Shape letters: C channels, H rows, W columns of the picture; h, w of a tile; N crops, s their side; L one axis.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from darnet.images.geometry import mirror_pad
from darnet.images.regions import Piece, Region, RegionSource, as_source, padded, read_beyond

#: ("1 C h w", where it lies) -> "1 C h w".
TileFunction: TypeAlias = Callable[[Tensor, Region], Tensor]

#: Of what two tiles share, the ramp from one to the other takes the middle eighth, at most so many pixels. What lies
#: next to a tile's edge is dropped: a network saw too little around it. Far from an edge it errs so much less that a
#: short ramp there leaves smaller seams than a long one that begins near the edge.
RAMP_PX, RAMP_SHARE = 16, 8


@dataclass(frozen=True)
class TilePlan:
    """Where the tiles of a picture lie, and how they are blended: geometry alone, no pixels.

    All tiles have one size, the smallest with which as few tiles as the limits allow cover the picture. Neighbours are
    cross-faded linearly over the middle of what they share, with weights that sum to 1 at every pixel.

    Attributes:
        height: Rows of the picture.
        width: Its columns.
        tile_height: Rows of a tile.
        tile_width: Its columns.
        rows: First row of each row of tiles, from the top.
        columns: First column of each column of tiles, from the left.
    """

    height: int
    width: int
    tile_height: int
    tile_width: int
    rows: tuple[int, ...]
    columns: tuple[int, ...]

    @classmethod
    def cut(cls, height: int, width: int, *, tile_px: int, overlap_px: int, multiple_of: int = 1) -> TilePlan:
        """The plan for a picture of `height` × `width` pixels.

        Args:
            height: At least 1.
            width: At least 1.
            tile_px: Longest side of a tile, cut down to a multiple of `multiple_of`. What fits is one tile.
            overlap_px: Least number of pixels that neighbouring tiles share; at least 0 and below `tile_px`.
            multiple_of: Sides and places of tiles are multiples of this, at least 1: a network that halves its input
                sees every pixel in the phase it has untiled. The last tiles may end outside the picture, by less.

        Raises ValueError for an impossible size.
        """
        if min(height, width, multiple_of) < 1:
            raise ValueError(f"sides and multiple_of must be at least 1, got {height} × {width}, {multiple_of}")
        if tile_px < 1:
            raise ValueError(f"tile_px must be at least 1, got {tile_px}")
        if not 0 <= overlap_px < tile_px:
            raise ValueError(f"overlap_px must be at least 0 and below tile_px = {tile_px}, got {overlap_px}")
        units = [-(-length // multiple_of) for length in (height, width)]
        if max(height, width) <= tile_px:
            axes: list[tuple[int, tuple[int, ...]]] = [(length, (0,)) for length in units]
        else:
            most = max(tile_px // multiple_of, 1)
            axes = [_divide(length, most, min(-(-overlap_px // multiple_of), most - 1)) for length in units]
        (tile_height, rows), (tile_width, columns) = (
            (tile * multiple_of, tuple(start * multiple_of for start in starts)) for tile, starts in axes
        )
        return cls(height, width, tile_height, tile_width, rows, columns)

    @property
    def regions(self) -> list[Region]:
        """Of each tile, row by row."""
        return [Region(*corner, self.tile_height, self.tile_width) for corner in product(self.rows, self.columns)]

    @property
    def work(self) -> float:
        """Pixels computed per pixel of the picture."""
        computed = len(self.rows) * len(self.columns) * self.tile_height * self.tile_width
        return computed / (self.height * self.width)


def by_tiles(plan: TilePlan, function: TileFunction, source: RegionSource) -> Iterator[Piece]:
    """Apply `function` tile by tile and blend the answers without seams; gives the pieces that are finished, once each.

    A function whose reach is at most 7/16 of the overlap gives exactly what it gives untiled. Beyond its own needs,
    memory is that of a few tiles, and of the rows that one row of tiles shares with the next.

    Args:
        plan: Where the tiles lie.
        function: ("1 C h w", where it lies) to "1 C h w", pure. It may answer in another dtype or on another device.
        source: What tiles show outside it mirrors it.

    Returns:
        Pieces that cover the picture, of the dtype and device of `source`, row of tiles by row.

    Raises:
        ValueError: A picture of another size, or a function that changes the shape of its input.
    """
    if (source.height, source.width) != (plan.height, plan.width):
        raise ValueError(f"a plan for {plan.height} × {plan.width}, and a picture of {source.height} × {source.width}")
    right_end = plan.columns[-1] + plan.tile_width
    down, across = _weights(plan.rows, plan.tile_height), _weights(plan.columns, plan.tile_width)
    above = torch.empty(0)  # what rows of tiles so far say of the rows that the next one begins with
    for row, top in enumerate(plan.rows):
        beside = torch.empty(0)  # what tiles so far say of the columns that the next one begins with
        finished_rows = (*plan.rows, top + plan.tile_height)[row + 1] - top
        left_over = []
        for column, left in enumerate(plan.columns):
            region = Region(top, left, plan.tile_height, plan.tile_width)
            answer = _run(function, read_beyond(source, region), region)
            if len(plan.regions) > 1:
                answer = answer * down[row].to(answer)[:, None] * across[column].to(answer)
            known = beside.shape[-1]
            if known:
                answer[:, :, :known] += beside
            if above.numel():
                answer[:, : above.shape[1], known:] += above[:, :, left + known : left + plan.tile_width]
            finished_columns = (*plan.columns, right_end)[column + 1] - left
            beside = answer[:, :, finished_columns:].clone()
            left_over.append(answer[:, finished_rows:, :finished_columns].clone())
            inside = Region(top, left, min(finished_rows, plan.height - top), min(finished_columns, plan.width - left))
            yield inside, answer[:, : inside.height, : inside.width]
        above = torch.cat(left_over, dim=2)


def grid_crops(
    picture: RegionSource | Float[Tensor, "C H W"], *, size_px: int, grid: int, align_px: int = 1
) -> Float[Tensor, "N C s s"]:
    """Square crops at native resolution, evenly spread over the whole picture, its four corners included.

    This is how a router looks at a picture: resizing would destroy the noise and the blur that it looks for.

    Args:
        picture: "C H W", or read by region.
        size_px: Side s of a crop.
        grid: Crops a side. With 1 it is the centre. Crops that would coincide, in a small picture, appear once.
        align_px: Crops begin at multiples of this, up to one less before their even place.

    Returns:
        "N C s s", 1 ≤ N ≤ grid², row by row. A picture shorter than a crop is first mirrored to its size, as often as
        it takes, at the bottom and right: what it is known by goes on.

    Raises:
        ValueError: A size, grid or alignment below 1, or pixels that are not "C H W".
    """
    source = as_source(picture)
    return crops_at(source, grid_places(source, size_px=size_px, grid=grid, align_px=align_px), size_px)


def crops_at(source: RegionSource, places: Sequence[tuple[int, int]], size_px: int) -> Float[Tensor, "N C s s"]:
    """The crops that begin at (top, left), as `grid_crops` takes them."""
    height, width = min(size_px, source.height), min(size_px, source.width)
    crops = (source.read(Region(top, left, height, width)) for top, left in places)
    return torch.cat([mirror_pad(crop[None], (0, size_px - height), (0, size_px - width)) for crop in crops])


def grid_places(
    picture: RegionSource | Float[Tensor, "C H W"], *, size_px: int, grid: int, align_px: int = 1
) -> list[tuple[int, int]]:
    """(top, left) of each crop of `grid_crops`, in its order. Raises as it does."""
    if min(size_px, grid, align_px) < 1:
        raise ValueError(f"size_px, grid and align_px must be at least 1, got {size_px}, {grid} and {align_px}")
    source = as_source(picture)
    sides = (source.height, source.width)
    rows, columns = (_spread(max(0, length - size_px), grid, align_px) for length in sides)
    return list(product(rows, columns))


def mosaic(
    picture: RegionSource | Float[Tensor, "C H W"], *, size_px: int, grid: int, align_px: int = 1
) -> Float[Tensor, "C R S"]:
    """The crops of `grid_crops` side by side as they lie: a sample of a picture. Raises as it does.

    R and S are at most grid · size_px.
    """
    source = as_source(picture)
    places = grid_places(source, size_px=size_px, grid=grid, align_px=align_px)
    rows, crops = len({top for top, _ in places}), crops_at(source, places, size_px)
    lines = [torch.cat([*line], dim=2) for line in crops.view(rows, -1, *crops.shape[1:])]
    return torch.cat(lines, dim=1)


def pad_to(pixels: Float[Tensor, "*B C H W"], multiple_of: int) -> Float[Tensor, "*B C H2 W2"]:
    """Grow a picture at the bottom and right until both sides are multiples of `multiple_of`.

    The new pixels mirror the picture, or repeat its last row or column where it is too small to be mirrored.

    Args:
        pixels: "C H W" or "B C H W".
        multiple_of: At least 1.

    Returns:
        The same picture in the top left corner; `pixels` itself where nothing is missing.

    Raises:
        ValueError: `multiple_of` is below 1.
    """
    if multiple_of < 1:
        raise ValueError(f"multiple_of must be at least 1, got {multiple_of}")
    height, width = pixels.shape[-2:]
    return padded(pixels, height + -height % multiple_of, width + -width % multiple_of)


def _run(function: TileFunction, tile: Tensor, region: Region) -> Tensor:
    """One call, "C h w" to "C h w"."""
    result = function(tile[None], region)
    if result.shape[1:] != tile.shape:
        raise ValueError(f"a tiled function must keep the shape: {tuple(tile.shape)} became {tuple(result.shape[1:])}")
    return result[0].to(tile)


def _divide(length: int, most: int, overlap: int) -> tuple[int, tuple[int, ...]]:
    """(length of a tile, first pixel of each) along one axis: as few as fit, evenly spread, as short as can be."""
    if length <= most:
        return length, (0,)
    count = -(-(length - overlap) // (most - overlap))
    tile = -(-(length + (count - 1) * overlap) // count)
    return tile, tuple(index * (length - tile) // (count - 1) for index in range(count))


def _weights(starts: tuple[int, ...], tile: int) -> list[Tensor]:
    """Weight of every pixel of every tile along one axis, each "tile"; at every pixel of the axis they sum to 1.

    Between two neighbours lies a ramp f that rises from 0 to 1. A tile weighs f at its start minus f at its end: the
    sum telescopes to 1 however many tiles overlap at a pixel.
    """
    positions = torch.arange(tile, dtype=torch.float32)
    rises = [torch.ones_like(positions)]
    falls = []
    for start, following in pairwise(starts):
        shared = start + tile - following
        rises.append(_ramp(positions, 0, shared))
        falls.append(_ramp(positions, following - start, shared))
    falls.append(torch.zeros_like(positions))
    return [rise - fall for rise, fall in zip(rises, falls, strict=True)]


def _ramp(positions: Tensor, begin: int, shared: int) -> Tensor:
    """0 to 1 over the middle of the `shared` pixels that start at `begin`; a step where nothing is shared."""
    ramp = min(RAMP_PX, shared // RAMP_SHARE)
    dropped = (shared - ramp) // 2
    # Half a pixel: values are taken at pixel centres. And a length of at least that: a step needs no case of its own.
    length = max(ramp, 0.5)
    return ((positions - (begin + dropped) + 0.5) / length).clamp(0, 1)


def _spread(slack: int, count: int, align: int) -> list[int]:
    """Up to `count` different offsets, evenly spaced from 0 to `slack`, both included; the middle if `count` is 1."""
    even = [slack // 2] if count == 1 else [round(index * slack / (count - 1)) for index in range(count)]
    return sorted({offset - offset % align for offset in even})
