"""Where damage is: what crops say of each part of a picture, and how far what an expert changes confirms it.

Shapes: H × W pixels, h × w of a region, R × K crops.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from darnet.images import scratch
from darnet.images.filling import fill
from darnet.images.regions import AT_ONCE, Region, RegionSource
from darnet.restore.diagnosis import Crop

#: Logits of presence: below the first a place is certainly free of a kind, whatever is changed there; below the second
#: it is an example of that, and above the third perhaps one of the damage.
FREE, WITHOUT, PERHAPS = -4.0, -2.0, 0.0
#: Most of what changes without damage: of pixels; and with it: of means over blocks. Faint damage beside a strong one
#: is none of it, and neither is what a router takes for it.
MOST, BLOCK_PX = 0.9, 16
#: Where the bar lies between the two, on a logarithmic scale, and how high at most, of what changes with damage. By 14
#: validation photos with noise 25 in a half, a corner, along a gradient: at 0.5 the damaged part loses 0.4, 1.2 and
#: -0.2 dB, at 0.35 0.1, 0.6 and -0.7, and 0.09 % of the rest changes; at 0.3 0.15 %.
BALANCE, SHARE = 0.35, 0.1
#: How many examples are enough; and an 8-bit level is no change.
ENOUGH, LEVEL = 500, 1 / 255
#: A pixel is damaged where most of those so far around it are.
AROUND_PX = 3
#: Where all of a picture is damaged, what was so already is changed by so much of what is known to be, at least, within
#: so many blocks of it, and so are most of the pixels so far around. By 8 validation photos with noise 15 and 25 of one
#: colour in a half and a corner: 6 % of it is missed (44 % before), 0.7 % of the rest is taken for it (0.4 %). Without
#: that vote, at 0.5: 4 and 1.9 %, at 0.6: 7 and 1.1 %, at 0.7: 10 and 0.7 %.
AS_MUCH, REACH_BLOCKS, VOTERS_PX = 0.6, 4, 8
SMALLEST = 1e-6


@dataclass(frozen=True)
class Map:
    """How certain one kind of damage is at every pixel: the findings of crops, linear between their centres.

    `rows`, `columns`: those of the centres, ascending; `logits`: of its presence in each crop.

    >>> crops = [Crop(0, left, 4, {"noise": seen}) for left, seen in ((0, 0.1), (4, 0.9))]
    >>> found = Map.of(crops, "noise").read(Region(0, 0, 1, 8)).sigmoid()
    >>> [round(float(value), 1) for value in found[0]]
    [0.1, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.9]
    """

    rows: tuple[float, ...]
    columns: tuple[float, ...]
    logits: Float[Tensor, "R K"]

    @classmethod
    def of(cls, crops: Sequence[Crop], kind: str) -> Map:
        """The map that crops on a grid make, row by row."""
        rows = sorted({crop.top + crop.side / 2 for crop in crops})
        columns = sorted({crop.left + crop.side / 2 for crop in crops})
        seen = torch.tensor([crop.presence.get(kind, 0.0) for crop in crops], dtype=torch.float64)
        return cls(tuple(rows), tuple(columns), seen.logit(eps=SMALLEST).float().view(len(rows), len(columns)))

    def read(self, region: Region) -> Float[Tensor, "h w"]:
        """The logits of a part of the picture."""
        down = _linear(self.rows, torch.arange(region.top, region.bottom) + 0.5)
        across = _linear(self.columns, torch.arange(region.left, region.right) + 0.5)
        return down @ self.logits @ across.T

    def scaled(self, height: int, width: int, rows: int, columns: int) -> Float[Tensor, "R2 K2"]:
        """The logits of a picture of `height` × `width` pixels, at `rows` × `columns` places of it."""
        down = _linear(self.rows, (torch.arange(rows) + 0.5) * (height / rows))
        across = _linear(self.columns, (torch.arange(columns) + 0.5) * (width / columns))
        return down @ self.logits @ across.T


def confine(before: RegionSource, after: RegionSource, found: Map) -> NDArray[np.bool_]:
    """Which pixels, (H, W), have a kind of damage, from what its expert changed: far more there than elsewhere.

    `found` tells examples of both, and where there is none for certain. The bar lies between what
    changes in each; a pixel goes with most of the 7 × 7 around it, so that a straight border is
    found to the pixel.
    """
    damaged, free = _examples(before, after, found)
    least = max(free, LEVEL**2)
    bar = min(damaged**BALANCE * least ** (1 - BALANCE), SHARE * damaged)
    marked = scratch.empty((before.height, before.width), np.bool_)
    for region in _strips(before):
        share = _around(lambda part: (_change(before, after, part) > bar).float(), region, before)
        region.of(marked)[:] = ((share > 0.5) & (found.read(region) > FREE)).numpy()
    return marked


def spread(before: RegionSource, after: RegionSource, marked: NDArray[np.bool_]) -> RegionSource:
    """A picture with its damage, known where it is `marked`, in all of it: what an expert took away there goes on.

    An expert that judges noise by its surroundings leaves some of it beside a clean part. Here is none: where there was
    noise it is changed by that, elsewhere by the detail that this costs. Raises ResourceError as `fill` does.
    """
    inner = _inner(marked)
    known = inner if inner.any() else marked
    half = _Mapped(before, lambda shown, region: (1 + shown - after.read(region)) / 2)  # of what was taken, around grey
    taken = fill(half, known)

    def damaged(shown: Float[Tensor, "3 h w"], region: Region) -> Float[Tensor, "3 h w"]:
        again = (shown + 2 * taken.read(region) - 1).clamp(0, 1)
        return torch.where(torch.from_numpy(region.of(known)), shown, again)

    return _Mapped(before, damaged)


def completed(before: RegionSource, after: RegionSource, marked: NDArray[np.bool_], found: Map) -> NDArray[np.bool_]:
    """`marked`, (H, W), and what is damaged around it, by what an expert made of all of it damaged (`spread`)."""
    bar = AS_MUCH * _mean(before, after, marked)
    reached = _reached(marked)
    much, complete = (scratch.empty((before.height, before.width), np.bool_) for _ in range(2))
    for region in _strips(before):
        change = _around(lambda part: _change(before, after, part), region, before)
        more = (change > bar) & (found.read(region) > FREE) & _pixels(reached, region)
        region.of(much)[:] = more.numpy() | region.of(marked)
    for region in _strips(before):
        share = _around(lambda part: torch.from_numpy(part.of(much)).float(), region, before, VOTERS_PX)
        region.of(complete)[:] = (share > 0.5).numpy() | region.of(marked)
    return complete


@dataclass(frozen=True)
class _Mapped:
    """A source of which each part that is read goes through a function of its pixels and of where it lies."""

    source: RegionSource
    change: Callable[[Float[Tensor, "3 h w"], Region], Float[Tensor, "3 h w"]]

    @property
    def height(self) -> int:
        """Rows."""
        return self.source.height

    @property
    def width(self) -> int:
        """Columns."""
        return self.source.width

    def read(self, region: Region) -> Float[Tensor, "3 h w"]:
        """A part of it."""
        return self.change(self.source.read(region), region)


def _inner(marked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Blocks of what is marked that are marked as a whole, with all blocks around them."""
    holes = _reached(~marked, 1)
    inner = scratch.empty(marked.shape, np.bool_)
    for top in range(0, len(marked), BLOCK_PX):
        region = Region(top, 0, min(BLOCK_PX, len(marked) - top), marked.shape[1])
        region.of(inner)[:] = ~_pixels(holes, region).numpy()
    return inner


def _reached(marked: NDArray[np.bool_], blocks: int = REACH_BLOCKS) -> Bool[Tensor, "r k"]:
    """The blocks that have a marked pixel, and so many around them."""
    rows, columns = (-(-length // BLOCK_PX) for length in marked.shape)
    having = torch.zeros(rows, columns)
    for row in range(rows):
        strip = torch.from_numpy(marked[row * BLOCK_PX : (row + 1) * BLOCK_PX]).any(dim=0).float()
        having[row] = functional.max_pool1d(strip[None], BLOCK_PX, ceil_mode=True)[0]
    return functional.max_pool2d(having[None], 2 * blocks + 1, stride=1, padding=blocks)[0] > 0


def _pixels(blocks: Bool[Tensor, "r k"], region: Region) -> Bool[Tensor, "h w"]:
    """The blocks of some rows that begin with one, pixel by pixel."""
    rows = blocks[region.top // BLOCK_PX : -(-region.bottom // BLOCK_PX)]
    return rows.repeat_interleave(BLOCK_PX, 0).repeat_interleave(BLOCK_PX, 1)[: region.height, : region.width]


def _mean(before: RegionSource, after: RegionSource, marked: NDArray[np.bool_]) -> float:
    """How much is changed of what is marked."""
    total, count = 0.0, 0
    for region in _strips(before):
        inside = torch.from_numpy(region.of(marked))
        total += float(_change(before, after, region)[inside].double().sum())
        count += int(inside.sum())
    return total / max(count, 1)


def _examples(before: RegionSource, after: RegionSource, found: Map) -> tuple[float, float]:
    """How much an expert changes, in squares: where its damage is, and at most where it is not."""
    step = max(1, round((before.height * before.width / AT_ONCE) ** 0.5))
    damaged, free = [], []
    for region in _strips(before):
        change, logits = _change(before, after, region), found.read(region)
        damaged.append(_blocks(change)[_blocks(logits) > PERHAPS])
        free.append(change[::step, ::step][logits[::step, ::step] < WITHOUT])
    there, elsewhere = torch.cat(damaged), torch.cat(free)
    strong = float(there.quantile(MOST)) if len(there) else 0.0
    return strong, float(elsewhere.quantile(MOST)) if len(elsewhere) >= ENOUGH else 0.0


def _blocks(values: Float[Tensor, "h w"]) -> Float[Tensor, "r k"]:
    """Means over blocks; those that the part's end cuts off are smaller."""
    return functional.avg_pool2d(values[None], BLOCK_PX, ceil_mode=True, count_include_pad=False)[0]


def _change(before: RegionSource, after: RegionSource, region: Region) -> Float[Tensor, "h w"]:
    """Mean square over the colours."""
    change: Tensor = (after.read(region) - before.read(region)).square().mean(dim=0)
    return change


def _around(
    values: Callable[[Region], Float[Tensor, "h w"]], region: Region, source: RegionSource, pixels: int = AROUND_PX
) -> Float[Tensor, "h w"]:
    """Means of values over the pixels so far around each, those of a picture; at its border what is there counts on."""
    top, bottom = max(0, region.top - pixels), min(source.height, region.bottom + pixels)
    around = values(Region(top, region.left, bottom - top, region.width))[None, None]
    padded = functional.pad(around, [pixels] * 4, mode="replicate")
    means = functional.avg_pool2d(padded, 2 * pixels + 1, stride=1)[0, 0]
    return Region(region.top - top, 0, region.height, region.width).cut(means)


def _strips(source: RegionSource) -> list[Region]:
    rows = max(1, AT_ONCE // source.width // BLOCK_PX) * BLOCK_PX
    return [Region(top, 0, min(rows, source.height - top), source.width) for top in range(0, source.height, rows)]


def _linear(centres: Sequence[float], at: Float[Tensor, " L"]) -> Float[Tensor, "L R"]:
    """How much each centre counts at each place; beyond the last one, that one alone."""
    known = torch.tensor(centres, dtype=torch.float32)
    if len(known) == 1:
        return at.new_ones(len(at), 1)
    upper = torch.searchsorted(known, at).clamp(1, len(known) - 1)
    share = ((at - known[upper - 1]) / (known[upper] - known[upper - 1])).clamp(0, 1)
    weights = at.new_zeros(len(at), len(known))
    weights.scatter_(1, upper[:, None], share[:, None])
    weights.scatter_(1, upper[:, None] - 1, 1 - share[:, None])
    return weights
