"""A picture's own numbers as colours for a network, region by region, and what a network changed as its own numbers.

H, W: height and width; C: 1 (grey) or 3 (RGB); h, w: of a region.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from darnet.images import profiles, scratch
from darnet.images.regions import Region
from darnet.images.scratch import Array


@dataclass(frozen=True, eq=False)
class Samples:
    """(H, W, C) integers, or floats in [0, 1], of an ICC profile, as a `RegionSource` of colours of the profile `seen`.

    `seen`: see `profiles.seen_as`; None where the numbers are taken as they are.
    """

    values: Array
    profile: bytes | None = None
    seen: bytes | None = None

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.values.shape[0])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.values.shape[1])

    def read(self, region: Region) -> Float[Tensor, "3 h w"]:
        """What a network sees there, in memory of its own; grey is replicated."""
        planes = profiles.planes(region.of(self.values), self.profile, self.seen)
        scratch.release()
        return torch.from_numpy(planes)

    def changed(self, region: Region, pixels: Float[Tensor, "3 h w"]) -> Array:
        """What is there once a network has made `pixels` of it: (h, w, C), clamped and rounded; grey is the mean."""
        planes: Array = pixels.detach().float().cpu().numpy()
        return profiles.changed(region.of(self.values), planes, self.profile, self.seen)
