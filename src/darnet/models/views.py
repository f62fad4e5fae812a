"""Views of a whole picture that a network looks at beside a tile, made of a batch of pictures or of one, by region.

Shapes: B batch, C × S × T the views of a picture, T side of a thumbnail, H × W pixels. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from darnet.images.geometry import area_means, cells
from darnet.images.regions import AT_ONCE, Region, RegionSource, read_all


@runtime_checkable
class RegionViews(Protocol):
    """`Model.views` that need not see a whole picture at once."""

    def __call__(self, pictures: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B C S T"]:
        """The views of whole pictures."""
        ...

    def by_region(self, source: RegionSource) -> Float[Tensor, "1 C S T"]:
        """The same of one picture, up to rounding."""
        ...


def by_region(views: Callable[[Tensor], Tensor], source: RegionSource) -> Float[Tensor, "1 C S T"]:
    """The views of one picture; small pictures, and for views that know no regions all, are read whole."""
    if isinstance(views, RegionViews) and source.height * source.width > AT_ONCE:
        return views.by_region(source)
    return views(read_all(source)[None])


@dataclass(frozen=True)
class Thumbnail:
    """The whole picture at a glance: area means on a side_px × side_px grid, whatever the aspect."""

    side_px: int

    def __call__(self, pictures: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 T T"]:
        """Of whole pictures."""
        return area_means(pictures, self.side_px)

    def by_region(self, source: RegionSource) -> Float[Tensor, "1 3 T T"]:
        """Of one picture, some of its cells at a time."""
        sides = (source.height, source.width)
        rows, columns = (torch.stack(cells(length, self.side_px), dim=1).tolist() for length in sides)
        lines = []
        for top, bottom in rows:
            count = max(1, AT_ONCE // ((bottom - top) * (columns[0][1] + 1)))
            lines.append(
                torch.cat(
                    [_means(source, top, bottom, columns[at : at + count]) for at in range(0, self.side_px, count)],
                    dim=3,
                )
            )
        return torch.cat(lines, dim=2)


def _means(source: RegionSource, top: int, bottom: int, columns: list[list[int]]) -> Float[Tensor, "1 3 1 T"]:
    """Means over the cells of one row that lie in these columns."""
    left, right = columns[0][0], columns[-1][1]
    part = source.read(Region(top, left, bottom - top, right - left))
    means = [part[:, :, first - left : end - left].mean(dim=(1, 2)) for first, end in columns]
    return torch.stack(means, dim=1)[None, :, None]
