"""What a step of the way is, and the steps before the light falls on a sensor: scene and optics.

Shapes: B batch, S side of a scene. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from darnet.degradations import MeasuredMotion, Rain
from darnet.degradations.base import Range
from darnet.degradations.fields import smooth_depth
from darnet.degradations.motion import path_kernels
from darnet.imaging import optics

Drawn = tuple[Tensor, ...]


@dataclass(frozen=True)
class Step(ABC):
    """One thing that happens to a photo. What is drawn for a sample is drawn first, so that two pictures can share it.

    `share`: how often it is taken among the steps of its kind; of what follows a kind, by how many of its photos.
    `kind` is "" where the step is no damage.
    """

    share: float = 1.0
    kind: ClassVar[str] = ""
    chancy: ClassVar[bool] = False  #: whether `apply` draws noise of its own, which no target can hold
    #: RMS change of the picture (of 1) below which the kind is absent, and from which it is present.
    threshold: ClassVar[Range] = (0.006, 0.015)

    @abstractmethod
    def draw(self, count: int, side: int, strength: float, rng: Generator) -> Drawn:
        """Parameters of `count` scenes of `side` px, the strongest cut down to `strength` of their range."""

    @abstractmethod
    def apply(self, pictures: Float[Tensor, "B 3 S S"], drawn: Drawn, rng: Generator) -> Float[Tensor, "B 3 S S"]:
        """The pictures, changed; the result lies in [0, 1]."""

    def at_depth(self, drawn: Drawn, depth: Float[Tensor, "B 1 S S"]) -> Drawn:
        """What was drawn, where the depth of the scenes is known: in [0, 1], NaN where not. Default: as it was."""
        return drawn

    def severity(self, drawn: Drawn) -> Float[Tensor, " B"]:
        """The severity of the kind, in its unit (`darnet.degradations.Kind`); 0 where it has none. Default: unknown."""
        return drawn[0].new_zeros(len(drawn[0]))

    def visibility(self, drawn: Drawn, change: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
        """How clearly the kind shows: at most 0 absent, from 1 on present, between too mild to say.

        `change`: root mean square of what `apply` changed. Default: where it lies between the two thresholds.
        """
        low, high = self.threshold
        return (change - low) / (high - low)


def uniform(count: int, limits: Range, rng: Generator, strength: float = 1.0) -> Float[Tensor, " B"]:
    """Numbers from limits[0], the harmless end, towards limits[1], as far as `strength`; on the device of `rng`."""
    low, high = limits
    return low + torch.rand(count, generator=rng, device=rng.device) * (high - low) * strength


@dataclass(frozen=True)
class HazeStep(Step):
    """Haze over a smooth depth (`darnet.degradations.Haze`), of coloured air; some of it pure white, as RESIDE's."""

    beta: Range = (0.4, 3.5)
    airlight: Range = (0.55, 1.0)
    tint: Range = (0.0, 0.2)
    white: float = 0.45
    kind: ClassVar[str] = "haze"
    threshold: ClassVar[Range] = (0.02, 0.06)

    def draw(self, count: int, side: int, strength: float, rng: Generator) -> Drawn:
        """(β, colour of the air, depth)."""
        tint = uniform(count, self.tint, rng)[:, None] * torch.rand(count, 3, generator=rng, device=rng.device)
        air = uniform(count, self.airlight, rng)[:, None] * (1 - tint + tint.amin(dim=1, keepdim=True))
        white = torch.rand(count, 1, generator=rng, device=rng.device) < self.white
        # The nearest point of a scene lies at any distance; ground that recedes tells more of it than relief.
        ramp = torch.linspace(1, 0, side, device=rng.device)[:, None]
        relief, nearest, curve = (
            uniform(count, limits, rng)[:, None, None, None] for limits in ((0.1, 0.6), (0, 0.5), (0.5, 2))
        )
        depth = torch.lerp(ramp**curve, smooth_depth(count, side, side, rng), relief)
        depth = nearest + (1 - nearest) * depth
        return uniform(count, self.beta, rng, strength), torch.where(white, torch.ones_like(air), air), depth

    def at_depth(self, drawn: Drawn, depth: Float[Tensor, "B 1 S S"]) -> Drawn:
        """The depth that is known in place of the drawn one."""
        return (*drawn[:2], torch.where(depth.isnan(), drawn[2], depth))

    def apply(self, pictures: Float[Tensor, "B 3 S S"], drawn: Drawn, rng: Generator) -> Float[Tensor, "B 3 S S"]:
        """Mix scene and air."""
        beta, air, depth = drawn
        transmission = torch.exp(-beta[:, None, None, None] * depth)
        return (pictures * transmission + air[:, :, None, None] * (1 - transmission)).clamp(0, 1)

    def severity(self, drawn: Drawn) -> Float[Tensor, " B"]:
        """β, in optical depths."""
        return drawn[0]


@dataclass(frozen=True)
class RainStep(Step):
    """Rain (`darnet.degradations.Rain`): its streaks, drawn first, and its veil."""

    rain: Rain = field(default_factory=lambda: Rain(streaks=(0.3, 12.0), opacity=(0.12, 0.8), veil=(0.0, 0.1)))
    kind: ClassVar[str] = "rain"
    threshold: ClassVar[Range] = (0.004, 0.012)

    def draw(self, count: int, side: int, strength: float, rng: Generator) -> Drawn:
        """(parameters, streaks)."""
        parameters = self.rain.draw(count, rng)
        parameters[:, 4] = uniform(count, self.rain.opacity, rng, strength)
        blank = torch.zeros(count, 1, side, side, device=rng.device)
        return parameters, self.rain.streaks_of(blank, parameters, rng)

    def apply(self, pictures: Float[Tensor, "B 3 S S"], drawn: Drawn, rng: Generator) -> Float[Tensor, "B 3 S S"]:
        """Let it rain."""
        return self.rain.mixed(pictures, *drawn)

    def severity(self, drawn: Drawn) -> Float[Tensor, " B"]:
        """Streaks per 1000 pixels."""
        return drawn[0][:, 0]


@dataclass(frozen=True)
class KernelStep(Step):
    """Blur by a kernel of each sample: in linear light, or of sRGB values as in papers; beyond the edge anything."""

    in_linear: float = 0.6
    threshold: ClassVar[Range] = (0.0025, 0.007)

    @abstractmethod
    def kernels_of(self, count: int, strength: float, rng: Generator) -> tuple[Tensor, Tensor]:
        """(B K K kernels, B severities)."""

    def draw(self, count: int, side: int, strength: float, rng: Generator) -> Drawn:
        """(kernels, severities, whether in linear light, which border)."""
        chance = torch.rand(2, count, generator=rng, device=rng.device)
        border = (chance[1] * len(optics.BORDERS)).long()
        return (*self.kernels_of(count, strength, rng), chance[0] < self.in_linear, border)

    def apply(self, pictures: Float[Tensor, "B 3 S S"], drawn: Drawn, rng: Generator) -> Float[Tensor, "B 3 S S"]:
        """Convolve."""
        kernels, _, linear, border = drawn
        return optics.blur(pictures, kernels, linear, border)

    def severity(self, drawn: Drawn) -> Float[Tensor, " B"]:
        """The severity that was drawn."""
        return drawn[1]


@dataclass(frozen=True)
class SoftLens(KernelStep):
    """Gaussian blur, round or longer one way."""

    sigma_px: Range = (0.4, 3.2)
    ratio: Range = (0.4, 1.0)
    round_share: float = 0.65
    kind: ClassVar[str] = "blur"

    def kernels_of(self, count: int, strength: float, rng: Generator) -> tuple[Tensor, Tensor]:
        """(kernels, σ in pixels)."""
        sigma = uniform(count, self.sigma_px, rng, strength)
        ratio, angle = uniform(count, self.ratio, rng), uniform(count, (0, math.pi), rng)
        whole = torch.rand(count, generator=rng, device=rng.device) < self.round_share
        ratio = torch.where(whole, torch.ones_like(ratio), ratio)
        return optics.gaussian_kernels(sigma, ratio, angle, math.ceil(3.5 * self.sigma_px[1])), sigma


@dataclass(frozen=True)
class Defocus(KernelStep):
    """A lens out of focus: a disk. Its severity is the σ of the Gaussian of the same spread, r / 2."""

    radius_px: Range = (0.7, 5.0)
    kind: ClassVar[str] = "blur"

    def kernels_of(self, count: int, strength: float, rng: Generator) -> tuple[Tensor, Tensor]:
        """(kernels, r / 2 in pixels)."""
        radius = uniform(count, self.radius_px, rng, strength)
        return optics.disk_kernels(radius, math.ceil(self.radius_px[1]) + 1), radius / 2


@dataclass(frozen=True)
class Shake(KernelStep):
    """A camera that moves: random paths, straight to winding."""

    length_px: Range = (3.0, 34.0)
    kind: ClassVar[str] = "motion"

    def kernels_of(self, count: int, strength: float, rng: Generator) -> tuple[Tensor, Tensor]:
        """(kernels, length in pixels)."""
        length = uniform(count, self.length_px, rng, strength)
        winding = uniform(count, (0, 1.5), rng)
        return path_kernels(length, winding, math.ceil(self.length_px[1] / 2) + 1, rng), length


@dataclass(frozen=True)
class MeasuredShake(KernelStep):
    """A camera that was measured while it moved (`darnet.degradations.MeasuredMotion`); nobody knows its severity."""

    kernels: Path | None = None
    scale: Range = (0.4, 1.0)
    kind: ClassVar[str] = "motion"

    def kernels_of(self, count: int, strength: float, rng: Generator) -> tuple[Tensor, Tensor]:
        """(kernels, zeros)."""
        scale = uniform(count, self.scale, rng, strength)
        measured = MeasuredMotion(scale=self.scale, kernels=self.kernels)
        return measured.drawn(scale, rng).to(scale), torch.zeros_like(scale)


#: Steps of kinds, one of which a photo takes.
HAZE = (HazeStep(),)
RAIN = (RainStep(),)
BLUR = (SoftLens(0.65), Defocus(0.35))
MOTION = (Shake(),)
