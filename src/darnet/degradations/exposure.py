"""Overexposure: too much light, then saturation.

Shapes: B batch, P parameters, H × W pixels. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Generator, Tensor

from darnet.degradations.base import Degradation, Range, per_sample
from darnet.degradations.kind import Kind


@dataclass(frozen=True)
class Overexposure(Degradation):
    """y = clip(k·x, 0, 1): gain k on the sRGB values, then clipping (DaR-Net §IV-A; k ≈ 1.76 in its Table II)."""

    gain: Range = (1.2, 2.2)
    kind: ClassVar[str] = "overexposure"
    parameters: ClassVar[tuple[str, ...]] = ("gain",)

    @classmethod
    def from_ev(cls, low_ev: float, high_ev: float | None = None) -> Overexposure:
        """The same in photographic stops: k = 2^EV."""
        return cls((math.exp2(low_ev), math.exp2(low_ev if high_ev is None else high_ev)))

    def apply(
        self, clean: Float[Tensor, "B C H W"], parameters: Float[Tensor, "B P"], rng: Generator
    ) -> Float[Tensor, "B C H W"]:
        """Multiply and clip."""
        return (clean * per_sample(parameters, 0)).clamp(0, 1)

    def severity(self, parameters: Float[Tensor, "B P"]) -> Float[Tensor, " B"]:
        """The gain k."""
        return parameters[:, 0]


#: Gain: factor before clipping.
OVEREXPOSURE = Kind(
    "overexposure",
    {"overexposure": Overexposure},
    symbol="gain",
    digits=2,
    also_called=("overexposed", "bright"),
    concern="tones",
    stage="exposure",
    steps="darnet.imaging.exposures:OVEREXPOSURE",
    severities={"overexposure": tuple(Overexposure((gain, gain)) for gain in (1.4, 1.76, 2.0))},
)
