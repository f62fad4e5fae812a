"""Blur of a lens out of focus, as a Gaussian.

Shapes: B batch, P parameters, H × W pixels, K taps of a kernel. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from torch.nn import functional as F

from darnet.degradations.base import Degradation, Range
from darnet.degradations.kind import Kind
from darnet.images.geometry import mirror_pad

#: A kernel is cut where the Gaussian has fallen below e^-8 of its peak.
TRUNCATE_SIGMAS = 4.0


@dataclass(frozen=True)
class GaussianBlur(Degradation):
    """y = x * g(σ), g(σ)[u, v] ∝ exp(−(u² + v²) / 2σ²), σ in pixels; mirrored at the border (DaR-Net §IV-A)."""

    sigma_px: Range = (0.5, 3.0)
    kind: ClassVar[str] = "blur"
    parameters: ClassVar[tuple[str, ...]] = ("sigma_px",)

    @property
    def margin_px(self) -> int:
        """Radius of the widest kernel."""
        return _radius(self.sigma_px[1])

    def apply(
        self, clean: Float[Tensor, "B C H W"], parameters: Float[Tensor, "B P"], rng: Generator
    ) -> Float[Tensor, "B C H W"]:
        """Convolve rows, then columns (the Gaussian is separable), each sample with its own kernel."""
        # The radius of the range, not of the values: asking for those would wait for the device.
        radius = self.margin_px
        padded = mirror_pad(clean, (radius, radius), (radius, radius))
        return convolve_separably(padded, gaussian_kernels(parameters[:, 0], radius)).clamp(0, 1)

    def severity(self, parameters: Float[Tensor, "B P"]) -> Float[Tensor, " B"]:
        """σ in pixels."""
        return parameters[:, 0]


#: σ: standard deviation of the Gaussian, in pixels.
BLUR = Kind(
    "blur",
    {"blur": GaussianBlur},
    symbol="σ",
    digits=1,
    also_called=("blurred", "blurry", "defocus"),
    concern="photo",
    stage="optics",
    steps="darnet.imaging.steps:BLUR",
    severities={"blur": tuple(GaussianBlur((sigma, sigma)) for sigma in (1.0, 1.5, 2.5))},
)


def convolve_separably(pictures: Float[Tensor, "B C H W"], kernels: Float[Tensor, "B K"]) -> Float[Tensor, "B C H2 W2"]:
    """Along rows, then columns, each sample with its own kernel: H2 = H − K + 1, W2 = W − K + 1."""
    planes = pictures.flatten(0, 1)[None]
    kernels = kernels.repeat_interleave(pictures.shape[1], dim=0)[:, None]  # (B·C, 1, K)
    planes = F.conv2d(planes, kernels[:, :, None, :], groups=len(kernels))
    planes = F.conv2d(planes, kernels[:, :, :, None], groups=len(kernels))
    return planes.reshape(*pictures.shape[:2], *planes.shape[2:])


def gaussian_kernels(sigma_px: Float[Tensor, " B"], radius: int) -> Float[Tensor, "B K"]:
    """Normalised 1-D Gaussians of K = 2·radius + 1 taps; σ = 0 is the identity."""
    offsets = torch.arange(-radius, radius + 1, device=sigma_px.device, dtype=sigma_px.dtype)
    kernels = torch.exp(-0.5 * (offsets / sigma_px[:, None].clamp_min(1e-3)) ** 2)
    return kernels / kernels.sum(dim=1, keepdim=True)


def _radius(sigma_px: float) -> int:
    return max(1, math.ceil(TRUNCATE_SIGMAS * sigma_px))
