"""Steps of the way of a photo: too much light, and too little.

Shapes: B batch, S side of a scene. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from darnet.degradations.base import Range
from darnet.degradations.fields import smooth_light
from darnet.imaging.light import expose, to_linear, to_srgb
from darnet.imaging.steps import Drawn, Step, uniform


@dataclass(frozen=True)
class Gain(Step):
    """Overexposure as the papers have it: sRGB values times k, clipped (DaR-Net §IV-A)."""

    gain: Range = (1.1, 2.3)
    kind: ClassVar[str] = "overexposure"
    threshold: ClassVar[Range] = (0.03, 0.09)

    def draw(self, count: int, side: int, strength: float, rng: Generator) -> Drawn:
        """(k,)."""
        return (uniform(count, self.gain, rng, strength),)

    def apply(self, pictures: Float[Tensor, "B 3 S S"], drawn: Drawn, rng: Generator) -> Float[Tensor, "B 3 S S"]:
        """Multiply and clip."""
        return (pictures * drawn[0][:, None, None, None]).clamp(0, 1)

    def severity(self, drawn: Drawn) -> Float[Tensor, " B"]:
        """K."""
        return drawn[0]


@dataclass(frozen=True)
class TooLong(Step):
    """Too much light by stops in linear light; half of it through a film-like shoulder. Severity: k of mid-grey."""

    stops: Range = (0.25, 2.2)
    shoulder: Range = (0.4, 0.9)
    kind: ClassVar[str] = "overexposure"
    threshold: ClassVar[Range] = (0.03, 0.09)

    def draw(self, count: int, side: int, strength: float, rng: Generator) -> Drawn:
        """(EV, beginning of the shoulder)."""
        begin = uniform(count, self.shoulder, rng)
        hard = torch.rand(count, generator=rng, device=rng.device) < 0.5
        return uniform(count, self.stops, rng, strength), torch.where(hard, torch.ones_like(begin), begin)

    def apply(self, pictures: Float[Tensor, "B 3 S S"], drawn: Drawn, rng: Generator) -> Float[Tensor, "B 3 S S"]:
        """Expose."""
        return expose(pictures, *drawn)

    def severity(self, drawn: Drawn) -> Float[Tensor, " B"]:
        """2^(EV / 2.4): what sRGB values of mid tones are multiplied by, nearly."""
        return torch.exp2(drawn[0] / 2.4)


@dataclass(frozen=True)
class TooShort(Step):
    """Too little light: by stops in linear light, then a curve; uneven where a lamp or window is in the picture."""

    stops: Range = (0.8, 5.5)
    gamma: Range = (0.9, 1.5)
    uneven: float = 0.4  # share of the scenes
    kind: ClassVar[str] = "lowlight"
    threshold: ClassVar[Range] = (0.04, 0.12)

    def draw(self, count: int, side: int, strength: float, rng: Generator) -> Drawn:
        """(stops less, γ, map of light in [0, 1])."""
        stops = uniform(count, self.stops, rng, strength)
        uneven = (torch.rand(count, generator=rng, device=rng.device) < self.uneven)[:, None, None, None]
        light = smooth_light(count, side, side, rng) * uniform(count, (0, 1), rng)[:, None, None, None] * uneven
        return stops, uniform(count, self.gamma, rng), light

    def apply(self, pictures: Float[Tensor, "B 3 S S"], drawn: Drawn, rng: Generator) -> Float[Tensor, "B 3 S S"]:
        """Take the light away."""
        stops, gamma, light = drawn
        dark = to_linear(pictures) * torch.exp2(-stops[:, None, None, None] * (1 - light))
        return to_srgb(dark).clamp_min(1e-6) ** gamma[:, None, None, None]

    def severity(self, drawn: Drawn) -> Float[Tensor, " B"]:
        """Share of sRGB values of mid tones that is left in the darkest place, nearly."""
        return torch.exp2(-drawn[0] / 2.4)


@dataclass(frozen=True)
class Dimmed(TooShort):
    """The same on sRGB values, e·x^γ, as papers have it (Lv, Li and Lu 2021): `stops` of sRGB values."""

    stops: Range = (0.7, 3.6)
    gamma: Range = (1.0, 1.8)

    def apply(self, pictures: Float[Tensor, "B 3 S S"], drawn: Drawn, rng: Generator) -> Float[Tensor, "B 3 S S"]:
        """Take the light away."""
        stops, gamma, light = drawn
        share = torch.exp2(-stops[:, None, None, None] * (1 - light))
        return share * pictures.clamp_min(1e-6) ** gamma[:, None, None, None]

    def severity(self, drawn: Drawn) -> Float[Tensor, " B"]:
        """Share of the light that is left in the darkest place."""
        return torch.exp2(-drawn[0])


#: Steps of kinds, one of which a photo takes.
OVEREXPOSURE = (Gain(0.45), TooLong(0.55))
LOWLIGHT = (TooShort(0.6), Dimmed(0.4))
