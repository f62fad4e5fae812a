"""Clean scenes for the way of a photo: squares of photos, of photos with depth, and of pictures that are no photos.

Shapes: B batch, S side of a scene. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from darnet.data.photos import Photo
from darnet.degradations.base import turn_grey
from darnet.images.geometry import mirror_pad
from darnet.images.regions import Region

#: A photo and how far away each of its points is, from 0 to 1: one channel of the same size.
_Item = TypeVar("_Item")
Deep = tuple[Photo, Float[Tensor, "1 _H _W"]]


@dataclass(frozen=True)
class Scenes:
    """Draws squares of `side` px: of `graphics` and of `deep` photos in the shares given, else of `photos`.

    `grey`: share of the scenes that are turned grey. Where there is nothing to draw from, a share does nothing.
    """

    photos: Sequence[Photo]
    side: int
    deep: Sequence[Deep] = ()
    graphics: Sequence[Photo] = ()
    deep_share: float = 0.0
    graphics_share: float = 0.0
    grey_share: float = 0.0

    def __call__(
        self, count: int, picks: Generator
    ) -> tuple[Float[Tensor, "B 3 S S"], Float[Tensor, "B 1 S S"] | None, list[int]]:
        """(scenes, depths in [0, 1], rows of graphics), on the device of the photos.

        A depth is NaN where nobody measured it; None: nowhere.
        """
        chance = torch.rand(count, 3, generator=picks).tolist()
        scenes: list[Tensor] = []
        depths: dict[int, Tensor] = {}
        drawn: list[int] = []
        for row, (sort, _, _) in enumerate(chance):
            if self.graphics and sort < self.graphics_share:
                scenes.append(self._cut(_pick(self.graphics, picks), picks))
                drawn.append(row)
            elif self.deep and sort > 1 - self.deep_share:
                photo, depth = _pick(self.deep, picks)
                cut = square(photo[None].shape, self.side, picks)
                scenes.append(cut(photo[None])[0])
                depths[row] = cut(depth[None])[0]
            else:
                scenes.append(self._cut(_pick(self.photos, picks), picks))
        clean = torch.stack(scenes).float() / 255
        grey = [row for row, (_, chosen, _) in enumerate(chance) if chosen < self.grey_share]
        if grey:
            index = torch.tensor(grey, device=clean.device)
            clean = clean.index_copy(0, index, turn_grey(clean[index]))
        if not depths:
            return clean, None, drawn
        depth = torch.full((count, 1, self.side, self.side), torch.nan, device=clean.device)
        rows = torch.tensor(list(depths), device=clean.device)
        return clean, depth.index_copy(0, rows, torch.stack(list(depths.values())).to(depth)), drawn

    def _cut(self, photo: Photo, picks: Generator) -> Photo:
        return square(photo[None].shape, self.side, picks)(photo[None])[0]


def _pick(pictures: Sequence[_Item], picks: Generator) -> _Item:
    return pictures[integer(len(pictures), picks)]


def integer(below: int, picks: Generator) -> int:
    """A number from 0 to `below` − 1, each as likely as any other."""
    return int(torch.randint(below, (1,), generator=picks))


class Square(Region):
    """A region of (B, C, H, W) pictures, mirrored where they end."""

    def __call__(self, pictures: Tensor) -> Tensor:
        """Cut it out."""
        crop = self.cut(pictures)
        below, right = self.height - crop.shape[2], self.width - crop.shape[3]
        return mirror_pad(crop, (0, below), (0, right)) if below or right else crop


def square(shape: Sequence[int], side: int, picks: Generator, align: int = 1) -> Square:
    """A random square of (B, C, H, W) pictures."""
    top, left = (integer(max(1, extent - side + 1), picks) // align * align for extent in shape[2:])
    return Square(top, left, side, side)
