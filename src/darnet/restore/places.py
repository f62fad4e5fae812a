"""Where damage is: what crops say of each part of a picture, and how far what an expert changes confirms it.

Shapes: H × W pixels, h × w of a region, R × K crops.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from darnet.images import scratch
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
        around = _grown(region, before)
        changed = (_change(before, after, around) > bar).float()[None, None]
        votes = functional.avg_pool2d(
            functional.pad(changed, [AROUND_PX] * 4, mode="replicate"), 2 * AROUND_PX + 1, stride=1
        )[0, 0]
        inside = Region(region.top - around.top, 0, region.height, region.width)
        most = inside.cut(votes) > 0.5
        region.of(marked)[:] = (most & (found.read(region) > FREE)).numpy()
    return marked


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


def _strips(source: RegionSource) -> list[Region]:
    rows = max(BLOCK_PX, AT_ONCE // source.width)
    return [Region(top, 0, min(rows, source.height - top), source.width) for top in range(0, source.height, rows)]


def _grown(region: Region, source: RegionSource) -> Region:
    """As many rows more as votes come from, where there are any."""
    top, bottom = max(0, region.top - AROUND_PX), min(source.height, region.bottom + AROUND_PX)
    return Region(top, region.left, bottom - top, region.width)


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
