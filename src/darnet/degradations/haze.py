"""Haze: light that the air scatters away from a scene, and into the camera.

Shapes: B batch, P parameters, H × W pixels. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from darnet.degradations.base import Degradation, Range, per_sample
from darnet.degradations.fields import smooth_depth
from darnet.degradations.kind import Kind


@dataclass(frozen=True)
class Haze(Degradation):
    """y = x·t + a·(1 − t), t = exp(−β·d): airlight a, transmission t, depth d in [0, 1] (`fields.smooth_depth`).

    Source: Narasimhan and Nayar, "Vision and the atmosphere", IJCV 2002, eq. 5 and 7 (after Koschmieder, 1924), on sRGB
    values as RESIDE does (Li et al., IEEE TIP 2019, §II: β in 0.6–1.8, a in 0.7–1). β counts optical depths from the
    nearest to the farthest point; `airlight` is a at its brightest colour; `tint` is how far the others may fall
    behind.
    """

    beta: Range = (0.6, 2.4)
    airlight: Range = (0.7, 1.0)
    tint: Range = (0.0, 0.06)
    kind: ClassVar[str] = "haze"
    parameters: ClassVar[tuple[str, ...]] = ("beta", "airlight", "tint")
    limits: ClassVar[Mapping[str, Range]] = {"airlight": (0, 1), "tint": (0, 1)}
    needs_scene: ClassVar[bool] = True

    def apply(
        self, clean: Float[Tensor, "B C H W"], parameters: Float[Tensor, "B P"], rng: Generator
    ) -> Float[Tensor, "B C H W"]:
        """Draw a depth and the colour of the air, then mix."""
        batch, channels, height, width = clean.shape
        behind = torch.rand(batch, channels, 1, 1, generator=rng, device=clean.device, dtype=clean.dtype)
        behind = behind - behind.amin(dim=1, keepdim=True)
        airlight = per_sample(parameters, 1) * (1 - per_sample(parameters, 2) * behind)
        depth = smooth_depth(batch, height, width, rng).to(clean)
        transmission = torch.exp(-per_sample(parameters, 0) * depth)
        return (clean * transmission + airlight * (1 - transmission)).clamp(0, 1)

    def severity(self, parameters: Float[Tensor, "B P"]) -> Float[Tensor, " B"]:
        """β, in optical depths."""
        return parameters[:, 0]


#: β: optical depth from the nearest to the farthest point.
HAZE = Kind(
    "haze",
    {"haze": Haze},
    symbol="β",
    digits=1,
    also_called=("hazy", "fog", "foggy"),
    concern="tones",
    stage="scene",
    steps="darnet.imaging.steps:HAZE",
    looks_far=True,
    severities={"haze": tuple(Haze((beta, beta), (0.85, 0.85), (0.0, 0.0)) for beta in (0.8, 1.4, 2.0))},
    sets={
        "SOTS-indoor": ("SOTS-indoor", "SOTS/indoor"),
        "SOTS-outdoor": ("SOTS-outdoor", "SOTS/outdoor"),
    },
)
