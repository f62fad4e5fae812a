"""Pictures and what steps made of them, blended: in the end, as no expert sees a picture that is half repaired.

Shapes: H × W pixels, h × w of a region, sRGB in [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from darnet.degradations.base import LUMA
from darnet.images.regions import Region, RegionSource
from darnet.restore.strength import Strength


@dataclass(frozen=True)
class Blend:
    """A picture, and what some steps, each of a kind, made of it one after the other, as one picture.

    y = x₀ + Σ wₖ (luma Y(rₖ) + chroma (rₖ − Y(rₖ))) with rₖ = xₖ − xₖ₋₁; Y is BT.601 luma, in all three colours. So one
    strength w for all steps gives (1 − w) x₀ + w xₙ.
    """

    before: RegionSource
    steps: Sequence[tuple[str, RegionSource]]
    strength: Strength

    @property
    def height(self) -> int:
        """Rows."""
        return self.before.height

    @property
    def width(self) -> int:
        """Columns."""
        return self.before.width

    def read(self, region: Region) -> Float[Tensor, "3 h w"]:
        """A part of it."""
        blended = earlier = self.before.read(region)
        for kind, step in self.steps:
            later = step.read(region)
            blended = blended + self.strength.weight(kind) * self._split(later - earlier)
            earlier = later
        return blended.clamp(0, 1)

    def _split(self, change: Float[Tensor, "3 h w"]) -> Float[Tensor, "3 h w"]:
        luma, chroma = self.strength.luma, self.strength.chroma
        if luma == chroma:
            return luma * change
        grey = torch.einsum("c,chw->hw", change.new_tensor(LUMA), change)
        return chroma * change + (luma - chroma) * grey
