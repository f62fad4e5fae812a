"""Noise: of a file (Gaussian), of a sensor (Poisson–Gaussian), and as film or a developed raw file shows it (grain).

Shapes: B batch, P parameters, H × W pixels. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from darnet.degradations.base import Degradation, Range, per_sample
from darnet.degradations.blur import TRUNCATE_SIGMAS, convolve_separably, gaussian_kernels
from darnet.degradations.kind import Kind


@dataclass(frozen=True)
class ClippedNoise(Degradation):
    """Noise that a file clips: there is a noisy picture before the clip, which protocols of floats hand out."""

    kind: ClassVar[str] = "noise"

    @abstractmethod
    def unclipped(
        self, clean: Float[Tensor, "B C H W"], parameters: Float[Tensor, "B P"], rng: Generator
    ) -> Float[Tensor, "B C H W"]:
        """The noisy picture before the clip."""

    def apply(
        self, clean: Float[Tensor, "B C H W"], parameters: Float[Tensor, "B P"], rng: Generator
    ) -> Float[Tensor, "B C H W"]:
        """Add noise and clip."""
        return self.unclipped(clean, parameters, rng).clamp(0, 1)


@dataclass(frozen=True)
class GaussianNoise(ClippedNoise):
    """y = clip(x + σ·n, 0, 1), n ~ N(0, 1) per pixel and channel (DaR-Net §IV-A; clipped, see docs/protocols).

    σ is given on the 0–255 scale.
    """

    sigma_255: Range = (5.0, 50.0)
    parameters: ClassVar[tuple[str, ...]] = ("sigma_255",)

    def unclipped(
        self, clean: Float[Tensor, "B C H W"], parameters: Float[Tensor, "B P"], rng: Generator
    ) -> Float[Tensor, "B C H W"]:
        """Add white Gaussian noise."""
        noise = torch.randn(clean.shape, generator=rng, device=clean.device, dtype=clean.dtype)
        return clean + per_sample(parameters, 0) / 255 * noise

    def severity(self, parameters: Float[Tensor, "B P"]) -> Float[Tensor, " B"]:
        """σ on the 0–255 scale."""
        return parameters[:, 0]


@dataclass(frozen=True)
class Grain(GaussianNoise):
    """y = clip(x + σ·(n * g(r)) / ‖g(r)‖, 0, 1), n ~ N(0, 1): noise whose neighbours resemble each other.

    Film, demosaicing and every resize correlate noise; g(r) is a Gaussian of r pixels, and σ on the 0–255 scale is what
    is left after it. Source: Newson, Delon, Galerne, "A stochastic film grain model for resolution-independent
    rendering", CGF 2017, of which this keeps the correlation alone.
    """

    sigma_255: Range = (5.0, 30.0)
    grain_px: Range = (0.3, 1.2)
    parameters: ClassVar[tuple[str, ...]] = ("sigma_255", "grain_px")

    def unclipped(
        self, clean: Float[Tensor, "B C H W"], parameters: Float[Tensor, "B P"], rng: Generator
    ) -> Float[Tensor, "B C H W"]:
        """Add white Gaussian noise that was smoothed."""
        radius = math.ceil(TRUNCATE_SIGMAS * self.grain_px[1])
        height, width = clean.shape[2:]
        size = (*clean.shape[:2], height + 2 * radius, width + 2 * radius)
        white = torch.randn(size, generator=rng, device=clean.device, dtype=clean.dtype)
        kernels = gaussian_kernels(parameters[:, 1], radius)
        kernels = kernels / kernels.norm(dim=1, keepdim=True)  # so that the noise keeps its variance
        return clean + per_sample(parameters, 0) / 255 * convolve_separably(white, kernels)


@dataclass(frozen=True)
class PoissonGaussianNoise(ClippedNoise):
    """y = clip(a·Poisson(x / a) + b·n, 0, 1): shot noise of variance a·x, and read noise b.

    Source: Foi, Trimeche, Katkovnik, Egiazarian, "Practical Poissonian–Gaussian noise modeling and fitting for
    single-image raw-data", IEEE TIP 2008, eq. 1–3. `shot` is a (variance per unit of signal in [0, 1]);
    `read_sigma_255` is b on the 0–255 scale.
    """

    shot: Range = (0.0005, 0.02)
    read_sigma_255: Range = (1.0, 15.0)
    parameters: ClassVar[tuple[str, ...]] = ("shot", "read_sigma_255")

    def unclipped(
        self, clean: Float[Tensor, "B C H W"], parameters: Float[Tensor, "B P"], rng: Generator
    ) -> Float[Tensor, "B C H W"]:
        """Count photons, add read noise."""
        shot = per_sample(parameters, 0).clamp_min(1e-6)  # below this the counts pass what a float holds exactly
        # Before the photons, whose number decides how much chance they use up.
        noise = torch.randn(clean.shape, generator=rng, device=clean.device, dtype=clean.dtype)
        photons = torch.poisson(clean.clamp(0, 1) / shot, generator=rng) * shot
        return photons + per_sample(parameters, 1) / 255 * noise

    def severity(self, parameters: Float[Tensor, "B P"]) -> Float[Tensor, " B"]:
        """σ on the 0–255 scale at mid-grey: 255·√(a/2 + b²)."""
        shot, read = parameters[:, 0], parameters[:, 1] / 255
        return 255 * (shot / 2 + read**2).sqrt()


#: σ: standard deviation on the 0–255 scale.
NOISE = Kind(
    "noise",
    {"noise": GaussianNoise, "poisson-noise": PoissonGaussianNoise, "grain": Grain},
    symbol="σ",
    also_called=("noisy", "grainy"),
    concern="photo",
    stage="sensor",
    steps="darnet.imaging.noises:NOISE",
    local=True,
    severities={
        "noise": tuple(GaussianNoise((sigma, sigma)) for sigma in (15.0, 25.0, 50.0)),
        "poisson-noise": tuple(
            PoissonGaussianNoise((a, a), (b, b)) for a, b in ((0.002, 2.0), (0.01, 5.0), (0.02, 10.0))
        ),
        "grain": tuple(Grain((sigma, sigma), (px, px)) for sigma, px in ((8.0, 0.5), (15.0, 0.7), (25.0, 0.9))),
    },
)
