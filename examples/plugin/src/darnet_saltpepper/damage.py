"""Salt and pepper: what dead and hot pixels, or bits lost on the way, leave in a picture.

Shapes: B batch, P parameters, H × W pixels. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from darnet.degradations import Degradation, Kind


@dataclass(frozen=True)
class SaltAndPepper(Degradation):
    """Each pixel is black with probability d/2, white with d/2, in all channels at once, and untouched otherwise.

    Source: Gonzalez and Woods, "Digital Image Processing", 4th edition, §5.2. `density` is d.
    """

    density: tuple[float, float] = (0.02, 0.3)
    kind: ClassVar[str] = "salt-and-pepper"
    parameters: ClassVar[tuple[str, ...]] = ("density",)

    def apply(
        self, clean: Float[Tensor, "B C H W"], parameters: Float[Tensor, "B P"], rng: Generator
    ) -> Float[Tensor, "B C H W"]:
        """Draw one number a pixel: the lowest become pepper, the highest salt."""
        chance = torch.rand(clean[:, :1].shape, generator=rng, device=clean.device)
        half = parameters[:, 0, None, None, None] / 2
        peppered = torch.where(chance < half, torch.zeros_like(clean), clean)
        return torch.where(chance > 1 - half, torch.ones_like(clean), peppered)

    def severity(self, parameters: Float[Tensor, "B P"]) -> Float[Tensor, " B"]:
        """The density."""
        return parameters[:, 0]


#: Density: share of the pixels.
KIND = Kind(
    "salt-and-pepper",
    {"salt-and-pepper": SaltAndPepper},
    symbol="density",
    digits=2,
    also_called=("impulse-noise",),
    severities={"salt-and-pepper": tuple(SaltAndPepper((density, density)) for density in (0.02, 0.05, 0.1))},
)
