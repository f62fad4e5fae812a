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

from darnet.degradations.base import Degradation, Range, mirror_pad

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
        batch, channels, height, width = clean.shape
        # The radius of the range, not of the values: asking for those would wait for the device.
        kernels = gaussian_kernels(parameters[:, 0], self.margin_px).repeat_interleave(channels, dim=0)  # (B·C, K)
        radius = kernels.shape[1] // 2
        planes = mirror_pad(clean, (radius, radius), (radius, radius)).reshape(
            1, batch * channels, height + 2 * radius, width + 2 * radius
        )
        planes = F.conv2d(planes, kernels[:, None, None, :], groups=batch * channels)
        planes = F.conv2d(planes, kernels[:, None, :, None], groups=batch * channels)
        return planes.reshape(clean.shape).clamp(0, 1)

    def level(self, parameters: Float[Tensor, "B P"]) -> Float[Tensor, " B"]:
        """σ in pixels."""
        return parameters[:, 0]


def gaussian_kernels(sigma_px: Float[Tensor, " B"], radius: int) -> Float[Tensor, "B K"]:
    """Normalised 1-D Gaussians of K = 2·radius + 1 taps; σ = 0 is the identity."""
    offsets = torch.arange(-radius, radius + 1, device=sigma_px.device, dtype=sigma_px.dtype)
    kernels = torch.exp(-0.5 * (offsets / sigma_px[:, None].clamp_min(1e-3)) ** 2)
    return kernels / kernels.sum(dim=1, keepdim=True)


def _radius(sigma_px: float) -> int:
    return max(1, math.ceil(TRUNCATE_SIGMAS * sigma_px))
