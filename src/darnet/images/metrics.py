"""How close a restored picture is to the clean one: PSNR, SSIM and MS-SSIM, as pure and differentiable functions.

Shape letters: B pictures, C channels (1 or 3), H rows, W columns, K taps of a window.

Two figures compare only when they were taken the same way, so the window is an argument and nothing is rounded, cropped
or turned to grey here: that is the business of whoever states the protocol.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

Pictures = Float[Tensor, "B C H W"]
Window = Literal["gaussian", "uniform", "valid"]

GAUSSIAN_TAPS = 11
GAUSSIAN_SIGMA_PX = 1.5
UNIFORM_TAPS = 7

# Wang et al. 2004: C1 = (K1·L)² and C2 = (K2·L)² with K1 = 0.01, K2 = 0.03 and L = 1, the range of the pixels.
LUMINANCE_CONSTANT = 0.01**2
CONTRAST_CONSTANT = 0.03**2

#: Weights of the five scales, finest first (Wang, Simoncelli, Bovik 2003, §3.2).
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def psnr(restored: Pictures, clean: Pictures) -> Float[Tensor, " B"]:
    """Peak signal-to-noise ratio of each picture, 10·log₁₀(1 / mean squared error).

    Args:
        restored: "B C H W", floating point, [0, 1].
        clean: "B C H W", the same shape and range.

    Returns:
        "B", in dB; infinite where a picture equals its clean one. The squared error is averaged within each picture,
        over channels as well, and never over the batch: the papers average decibels, not errors.

    Raises:
        ValueError: The shapes differ or are not "B C H W".

    Example:
        >>> clean = torch.full((1, 3, 32, 32), 0.5)
        >>> round(psnr(clean + 0.1, clean).item(), 2)  # an error of 0.1: -20 · log₁₀ 0.1
        20.0
    """
    _check(restored, clean)
    squared_error = (_at_least_float32(restored) - _at_least_float32(clean)).square()
    return -10.0 * squared_error.mean(dim=(1, 2, 3)).log10()


def ssim(restored: Pictures, clean: Pictures, window: Window = "gaussian") -> Float[Tensor, " B"]:
    """Structural similarity of each picture (Wang et al. 2004), averaged over channels.

    Args:
        restored: "B C H W", floating point, [0, 1].
        clean: "B C H W", the same shape and range.
        window: `valid` is 11×11, σ 1.5, population covariance, counted only where the window lies wholly inside the
            picture, as the authors' MATLAB script does; scikit-image's `gaussian_weights=True, sigma=1.5,
            use_sample_covariance=False` is the same. `gaussian` is that window at every pixel of the picture, which is
            mirrored at its border; torchmetrics' default is the same. `uniform` is 7×7 with sample
            covariance, where it fits: scikit-image's default.

    Returns:
        "B", at most 1 (identical pictures). Differentiable: it is also the structural term of DaR-Net's eq. 1.

    Raises:
        ValueError: The shapes differ, are not "B C H W", or a side is shorter than the window.

    Example:
        >>> clean = torch.linspace(0, 1, 32).expand(1, 3, 32, 32)
        >>> ssim(clean, clean)
        tensor([1.])
    """
    _check(restored, clean)
    taps = _window(window, like=_at_least_float32(clean))
    _check_size(clean, len(taps), f"ssim with its {window} window")
    # scikit-image's default estimates covariance from a sample of K·K pixels: n / (n - 1).
    correction = len(taps) ** 2 / (len(taps) ** 2 - 1) if window == "uniform" else 1.0
    # Variances are small differences of large numbers: in bfloat16 nothing would be left of them.
    with torch.autocast(clean.device.type, enabled=False):
        x, y = _at_least_float32(restored), _at_least_float32(clean)
        if window == "gaussian":
            x, y = (functional.pad(pixels, (len(taps) // 2,) * 4, mode="reflect") for pixels in (x, y))
        return _similarity(x, y, taps, correction)[0].mean(dim=1)


def ms_ssim(restored: Pictures, clean: Pictures) -> Float[Tensor, " B"]:
    """Multi-scale structural similarity of each picture (Wang, Simoncelli, Bovik 2003, eq. 7), averaged over channels.

    Contrast and structure at five scales, each half the size of the one before (2×2 mean; an odd side is first padded
    by zeros on both ends, which count), luminance at the coarsest. The window is `valid`; a negative term counts as
    zero. pytorch-msssim computes the same.

    Args:
        restored: "B C H W", floating point, [0, 1].
        clean: "B C H W", the same shape and range.

    Returns:
        "B", in [0, 1].

    Raises:
        ValueError: The shapes differ, are not "B C H W", or a side is at most 160 pixels: too short for five scales.
    """
    _check(restored, clean)
    taps = _window("valid", like=_at_least_float32(clean))
    _check_size(clean, (len(taps) - 1) * 2 ** (len(SCALE_WEIGHTS) - 1) + 1, "ms_ssim")
    with torch.autocast(clean.device.type, enabled=False):
        x, y = _at_least_float32(restored), _at_least_float32(clean)
        product = torch.ones_like(x[:, :, 0, 0])
        for scale, weight in enumerate(SCALE_WEIGHTS, start=1):
            whole, contrast = _similarity(x, y, taps, 1.0)
            product = product * (contrast if scale < len(SCALE_WEIGHTS) else whole).clamp_min(0) ** weight
            odd = [side % 2 for side in x.shape[-2:]]
            x, y = (functional.avg_pool2d(pixels, 2, padding=odd) for pixels in (x, y))
        return product.mean(dim=1)


def _similarity(x: Tensor, y: Tensor, taps: Tensor, correction: float) -> tuple[Tensor, Tensor]:
    """Means of the SSIM map and of its contrast-structure part. x, y: "B C H W"; taps: "K", summing to 1. Both "B C".

    Legend (Wang et al. 2004): μ local mean, σ² local variance, σ_xy local covariance.
    """
    moments = torch.stack([x, y, x * x, y * y, x * y])  # "5 B C H W"
    mean_x, mean_y, mean_xx, mean_yy, mean_xy = _filtered(moments, taps).unbind()
    variance_sum = correction * (mean_xx - mean_x.square() + mean_yy - mean_y.square())  # σ_x² + σ_y²
    covariance = correction * (mean_xy - mean_x * mean_y)  # σ_xy
    luminance = (2 * mean_x * mean_y + LUMINANCE_CONSTANT) / (mean_x.square() + mean_y.square() + LUMINANCE_CONSTANT)
    structure = (2 * covariance + CONTRAST_CONSTANT) / (variance_sum + CONTRAST_CONSTANT)
    return (luminance * structure).mean(dim=(2, 3)), structure.mean(dim=(2, 3))


def _filtered(maps: Tensor, taps: Tensor) -> Tensor:
    """Weighted local means where the whole window fits: "… H W" and "K" to "… H-K+1 W-K+1"."""
    single = maps.reshape(-1, 1, *maps.shape[-2:])
    rows = functional.conv2d(single, taps.view(1, 1, -1, 1))  # both windows are separable
    both = functional.conv2d(rows, taps.view(1, 1, 1, -1))
    return both.reshape(*maps.shape[:-2], *both.shape[-2:])


def _window(window: Window, like: Tensor) -> Tensor:
    """Weights of one axis of the window, "K", summing to 1, in the dtype and on the device of `like`."""
    if window == "uniform":
        return like.new_full((UNIFORM_TAPS,), 1 / UNIFORM_TAPS)
    if window not in ("gaussian", "valid"):
        raise ValueError(f"no SSIM window called {window!r} (there are: gaussian, uniform, valid)")
    offsets = torch.arange(GAUSSIAN_TAPS, dtype=like.dtype, device=like.device) - GAUSSIAN_TAPS // 2
    weights = torch.exp(-0.5 * (offsets / GAUSSIAN_SIGMA_PX).square())
    return weights / weights.sum()


def _at_least_float32(pixels: Tensor) -> Tensor:
    """Half precision becomes float32; float32 and float64 stay as they are."""
    return pixels.to(torch.promote_types(pixels.dtype, torch.float32))


def _check(restored: Tensor, clean: Tensor) -> None:
    """Refuse what broadcasting would silently accept."""
    if restored.shape != clean.shape:
        raise ValueError(f"the pictures differ in shape: {tuple(restored.shape)} and {tuple(clean.shape)}")
    if clean.ndim != 4:
        raise ValueError(f"expected pictures of shape (B, C, H, W), got {tuple(clean.shape)}")


def _check_size(clean: Tensor, least_px: int, what: str) -> None:
    """Refuse pictures in which the window does not fit."""
    height, width = clean.shape[-2:]
    if min(height, width) < least_px:
        raise ValueError(f"{what} needs at least {least_px} pixels a side, got {height}×{width}")
