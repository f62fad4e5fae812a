"""Rain: bright streaks that share a direction, and the veil of the drops too far away to be seen one by one.

Shapes: B batch, P parameters, H × W pixels, K side of a kernel. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from darnet.degradations.base import Degradation, Range, per_sample
from darnet.degradations.convolution import convolve
from darnet.degradations.kind import Kind

#: (share of the streaks, scale of their length and width, scale of their opacity): near and far drops.
LAYERS = ((0.5, 1.0, 1.0), (0.5, 0.6, 0.7))
VEIL_LIGHT = 0.8
#: Streaks of one layer differ in brightness: from this share of the opacity to all of it.
FAINTEST = 0.3


@dataclass(frozen=True)
class Rain(Degradation):
    """y = clip((1 − v)·(x + Σ_l o·s_l) + v·a): streak layers s_l of opacity o, veil v of light a = 0.8.

    Source: Yang et al., "Deep joint rain detection and removal", CVPR 2017, eq. 2 and 3. A layer is sparse random
    points, each drawn out into a line. `streaks` counts them per 1000 pixels; `length_px` is from end to end,
    `width_px` the standard deviation across (a streak looks about 2.4 times as wide); `angle_deg` is the direction of
    fall, 90 is straight down.
    """

    streaks: Range = (0.5, 8.0)
    length_px: Range = (8.0, 50.0)
    width_px: Range = (0.4, 1.3)
    angle_deg: Range = (50.0, 130.0)
    opacity: Range = (0.15, 0.7)
    veil: Range = (0.0, 0.15)
    kind: ClassVar[str] = "rain"
    parameters: ClassVar[tuple[str, ...]] = ("streaks", "length_px", "width_px", "angle_deg", "opacity", "veil")
    limits: ClassVar[Mapping[str, Range]] = {"opacity": (0, 1), "veil": (0, 1)}

    def apply(
        self, clean: Float[Tensor, "B C H W"], parameters: Float[Tensor, "B P"], rng: Generator
    ) -> Float[Tensor, "B C H W"]:
        """Let it rain, each sample from its own direction."""
        return self.mixed(clean, parameters, self.streaks_of(clean, parameters, rng))

    def streaks_of(
        self, clean: Float[Tensor, "B C H W"], parameters: Float[Tensor, "B P"], rng: Generator
    ) -> Float[Tensor, "B 1 H W"]:
        """The light of all streaks, at an opacity of 1, for pictures of that size."""
        batch, _, height, width = clean.shape
        reach = math.ceil(self.length_px[1] / 2 + 3 * self.width_px[1])
        layers = torch.zeros(batch, 1, height, width, dtype=clean.dtype, device=clean.device)
        for share, size, strength in LAYERS:
            points = torch.rand(batch, 2, height + 2 * reach, width + 2 * reach, generator=rng, device=clean.device)
            falls = points[:, :1] < share * per_sample(parameters, 0) / 1000
            drops = falls * (FAINTEST + (1 - FAINTEST) * points[:, 1:])
            kernels = streak_kernels(size * parameters[:, 1], size * parameters[:, 2], parameters[:, 3], reach)
            layers = layers + strength * convolve(drops.to(clean), kernels.to(clean)).clamp(0, 1)
        return layers

    def mixed(
        self, clean: Float[Tensor, "B C H W"], parameters: Float[Tensor, "B P"], streaks: Float[Tensor, "B 1 H W"]
    ) -> Float[Tensor, "B C H W"]:
        """The picture behind streaks and veil."""
        veil = per_sample(parameters, 5)
        rainy = (1 - veil) * (clean + per_sample(parameters, 4) * streaks) + veil * VEIL_LIGHT
        return rainy.clamp(0, 1)

    def severity(self, parameters: Float[Tensor, "B P"]) -> Float[Tensor, " B"]:
        """Streaks per 1000 pixels."""
        return parameters[:, 0]


#: Streaks per 1000 pixels.
RAIN = Kind(
    "rain",
    {"rain": Rain},
    symbol="streaks",
    digits=1,
    also_called=("rainy",),
    concern="scene",
    stage="scene",
    excludes=("haze",),
    steps="darnet.imaging.steps:RAIN",
    severities={
        "rain": tuple(
            Rain((n, n), (length, length), (0.7, 0.7), (angle, angle), (0.4, 0.4), (0.05, 0.05))
            for n, length, angle in ((1.0, 16.0, 100.0), (3.0, 28.0, 75.0), (6.0, 40.0, 90.0))
        )
    },
    sets={"Rain100L": ("Rain100L",), "Rain100H": ("Rain100H",)},
)


def streak_kernels(
    length_px: Float[Tensor, " B"], width_px: Float[Tensor, " B"], angle_deg: Float[Tensor, " B"], reach: int
) -> Float[Tensor, "B K K"]:
    """Lines of peak 1 and K = 2·reach + 1, Gaussian across, fading over a quarter at each end; of 0.3 px at least."""
    offsets = torch.arange(-reach, reach + 1, device=length_px.device, dtype=length_px.dtype)
    down, right = offsets[:, None], offsets[None, :]
    angle = torch.deg2rad(angle_deg)[:, None, None]
    along = (right * angle.cos() + down * angle.sin()).abs()
    across = right * angle.sin() - down * angle.cos()
    lines = torch.exp(-0.5 * (across / width_px[:, None, None].clamp_min(0.3)) ** 2)
    half = length_px[:, None, None].clamp_min(1) / 2
    return lines * (2 * (half + 0.5 - along) / half).clamp(0, 1)
