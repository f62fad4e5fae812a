"""Low light: too few photons, and the sensor noise that shows when there are few.

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
from darnet.degradations.fields import smooth_light
from darnet.degradations.kind import Kind


@dataclass(frozen=True)
class LowLight(Degradation):
    """y = clip(z + √(a·z + b²)·n, 0, 1), z = e^(1 − u·m)·x^γ: uneven light, contrast γ, noise of a sensor n ~ N(0, 1).

    Source: Lv, Li and Lu, "Attention guided low-light image enhancement", IJCV 2021, eq. 2 (β·(α·x)^γ, then
    Poisson–Gaussian noise); that noise in its normal approximation (Foi et al., IEEE TIP 2008, eq. 10), which is ten
    times as fast to draw. `exposure` is e, the share of light that is left in the darkest place; `unevenness` is u, of
    a smooth map m in [0, 1] (`fields.smooth_light`; u = 1: full light somewhere, as with a lamp or a window); `shot` is
    a, the variance per unit of signal; `read_sigma_255` is b on the 0–255 scale.
    """

    exposure: Range = (0.06, 0.5)
    gamma: Range = (1.0, 1.8)
    unevenness: Range = (0.0, 1.0)
    shot: Range = (0.0001, 0.003)
    read_sigma_255: Range = (0.3, 3.0)
    kind: ClassVar[str] = "lowlight"
    parameters: ClassVar[tuple[str, ...]] = ("exposure", "gamma", "unevenness", "shot", "read_sigma_255")
    limits: ClassVar[Mapping[str, Range]] = {"exposure": (0, 1), "unevenness": (0, 1)}
    needs_scene: ClassVar[bool] = True

    def apply(
        self, clean: Float[Tensor, "B C H W"], parameters: Float[Tensor, "B P"], rng: Generator
    ) -> Float[Tensor, "B C H W"]:
        """Take the light away, then expose the sensor."""
        light = smooth_light(len(clean), clean.shape[2], clean.shape[3], rng).to(clean)
        light = per_sample(parameters, 0) ** (1 - per_sample(parameters, 2) * light)
        dark = light * clean.clamp(0, 1) ** per_sample(parameters, 1)
        variance = per_sample(parameters, 3) * dark + (per_sample(parameters, 4) / 255) ** 2
        noise = torch.randn(clean.shape, generator=rng, device=clean.device, dtype=clean.dtype)
        return (dark + variance.sqrt() * noise).clamp(0, 1)

    def severity(self, parameters: Float[Tensor, "B P"]) -> Float[Tensor, " B"]:
        """Share of the light that is left in the darkest place."""
        return parameters[:, 0]


#: Light: share that is left.
LOWLIGHT = Kind(
    "lowlight",
    {"lowlight": LowLight},
    symbol="light",
    digits=2,
    also_called=("low-light", "dark", "underexposed", "underexposure"),
    concern="tones",
    stage="exposure",
    excludes=("overexposure",),
    steps="darnet.imaging.exposures:LOWLIGHT",
    followed_by="darnet.imaging.noises:OF_LITTLE_LIGHT",
    sign="darnet.images.darkness:mostly_black",
    looks_far=True,
    severities={
        "lowlight": tuple(
            LowLight((light, light), (1.2, 1.2), (0.0, 0.0), (0.0005, 0.0005), (1.0, 1.0))
            for light in (0.4, 0.25, 0.12)
        )
    },
    # Training pairs of the same publication lie beside those of the test.
    sets={"LOLv1": ("LOLv1/eval15", "LOLv1")},
)
