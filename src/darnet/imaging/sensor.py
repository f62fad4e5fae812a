"""What a sensor does to light: photons and electrons, one colour a pixel, broken pixels.

Shapes: B batch, H × W pixels. Linear light in [0, 1], 1 where the sensor saturates.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from torch.nn import functional as F

#: Bounds of the shot noise of cameras at the ISO they are used at, and the line and spread of the logarithm of the read
#: noise's variance over that of the shot noise (Brooks et al., "Unprocessing images for learned raw denoising", CVPR
#: 2019, §3.1 and supplement).
SHOT = (1e-4, 1.2e-2)
READ_SLOPE, READ_OFFSET, READ_SPREAD = 2.18, 1.20, 0.26

#: Bilinear weights of a colour that one pixel in four, or in two, holds.
_QUARTER = ((0.25, 0.5, 0.25), (0.5, 1.0, 0.5), (0.25, 0.5, 0.25))
_HALF = ((0.0, 0.25, 0.0), (0.25, 1.0, 0.25), (0.0, 0.25, 0.0))


def draw_shot_read(count: int, rng: Generator, shot: tuple[float, float] = SHOT) -> tuple[Tensor, Tensor]:
    """(λ_shot, σ²_read) of `count` exposures: λ log-uniform in `shot`; log σ²_read = 2.18·log λ + 1.20 ± 0.26.

    Variances for light in [0, 1], on the device of `rng`. Source: Brooks et al. 2019, §3.1.
    """
    low, high = (math.log(end) for end in shot)
    logarithm = low + torch.rand(count, generator=rng, device=rng.device) * (high - low)
    spread = READ_SPREAD * torch.randn(count, generator=rng, device=rng.device)
    return logarithm.exp(), (READ_SLOPE * logarithm + READ_OFFSET + spread).exp()


def shot_read_noise(
    linear: Float[Tensor, "B C H W"], shot: Float[Tensor, " B"], read: Float[Tensor, " B"], rng: Generator
) -> Float[Tensor, "B C H W"]:
    """X + √(λ·x + σ²)·n: shot noise of variance λ·x (1 / λ electrons at saturation) and read noise of variance σ².

    Normal approximation (Foi et al., IEEE TIP 2008, eq. 10). Not clipped: a sensor's black lies above its zero.
    """
    noise = torch.randn(linear.shape, generator=rng, device=linear.device, dtype=linear.dtype)
    variance = shot[:, None, None, None] * linear.clamp_min(0) + read[:, None, None, None]
    return linear + variance.sqrt() * noise


def mosaic(linear: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 1 H W"]:
    """One colour a pixel, as filters before a sensor let through (Bayer 1976): R G in even rows, G B in odd ones."""
    red, green, blue = linear.unbind(dim=1)
    raw = green.clone()
    raw[:, 0::2, 0::2] = red[:, 0::2, 0::2]
    raw[:, 1::2, 1::2] = blue[:, 1::2, 1::2]
    return raw[:, None]


def demosaic_bilinear(raw: Float[Tensor, "B 1 H W"]) -> Float[Tensor, "B 3 H W"]:
    """Three colours a pixel, each the mean of its nearest measured ones; colours that were measured stay."""
    masks = _masks(raw)
    measured = raw * masks
    weights = raw.new_tensor([_QUARTER, _HALF, _QUARTER])[:, None]
    filled = F.conv2d(F.pad(measured, (1, 1, 1, 1)), weights, groups=3)
    found: Tensor = filled / F.conv2d(F.pad(masks, (1, 1, 1, 1)), weights, groups=3)
    return found


def demosaic_gradient(raw: Float[Tensor, "B 1 H W"]) -> Float[Tensor, "B 3 H W"]:
    """Bilinear, corrected by the gradient of the colour that was measured there: sharper, with finer noise.

    Source: Malvar, He and Cutler, "High-quality linear interpolation for demosaicing of Bayer-patterned color images",
    ICASSP 2004, in its idea: the Laplacian of the measured colour is added at half its weight. Not clipped.
    """
    bilinear = demosaic_bilinear(raw)
    masks = _masks(raw)
    laplacian = raw.new_tensor(
        [[0, 0, -0.25, 0, 0], [0, 0, 0, 0, 0], [-0.25, 0, 1, 0, -0.25], [0, 0, 0, 0, 0], [0, 0, -0.25, 0, 0]]
    )
    detail = F.conv2d(F.pad(raw, (2, 2, 2, 2), mode="reflect"), laplacian[None, None])
    return bilinear + 0.5 * detail * (1 - masks)


def hot_pixels(
    linear: Float[Tensor, "B C H W"], share: Float[Tensor, " B"], rng: Generator
) -> Float[Tensor, "B C H W"]:
    """A share of the pixels adds light of its own, up to saturation, whatever falls on it."""
    chance = torch.rand(linear.shape, generator=rng, device=linear.device, dtype=linear.dtype)
    share = share[:, None, None, None]
    return torch.where(chance < share, linear + chance / share.clamp_min(1e-9), linear)


def _masks(raw: Float[Tensor, "B 1 H W"]) -> Float[Tensor, "1 3 H W"]:
    """Where each colour was measured."""
    masks = raw.new_zeros(1, 3, *raw.shape[2:])
    masks[:, 0, 0::2, 0::2] = 1
    masks[:, 1, 0::2, 1::2] = 1
    masks[:, 1, 1::2, 0::2] = 1
    masks[:, 2, 1::2, 1::2] = 1
    return masks
