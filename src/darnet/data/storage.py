"""How damaged pictures were kept: as JPEG files, some of them.

Shapes: B batch, H × W pixels. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from darnet.degradations.base import Range
from darnet.degradations.jpeg import compressed


@dataclass(frozen=True)
class Storage:
    """How damaged pictures were kept: a share of them as JPEG files, of a quality drawn from a range."""

    jpeg_share: float = 0.0
    quality: Range = (75.0, 98.0)

    def __call__(self, pictures: Float[Tensor, "B 3 H W"], picks: Generator) -> Float[Tensor, "B 3 H W"]:
        """Compress some of them."""
        if not self.jpeg_share:  # and no chance is used up
            return pictures
        draws = torch.rand(len(pictures), 2, generator=picks)
        chosen = (draws[:, 0] < self.jpeg_share).nonzero().flatten()
        if not len(chosen):
            return pictures
        low, high = self.quality
        stored = pictures.clone()
        stored[chosen] = compressed(pictures[chosen], low + draws[chosen, 1] * (high - low))
        return stored


#: All of them without loss.
LOSSLESS = Storage()
