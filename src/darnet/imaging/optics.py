"""Optics: what a lens out of focus, or a camera that moves, does to light.

Shapes: B batch, H × W pixels, K side of a kernel (odd). Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from darnet.degradations.convolution import convolve
from darnet.images.geometry import mirror_pad, mirrored
from darnet.imaging.light import to_linear, to_srgb

#: How a picture goes on beyond its edge: mirrored without the edge itself, the edge repeated, mirrored with it.
BORDERS = ("mirror", "repeat", "symmetric")


def gaussian_kernels(
    sigma_px: Float[Tensor, " B"], ratio: Float[Tensor, " B"], angle: Float[Tensor, " B"], reach: int
) -> Float[Tensor, "B K K"]:
    """Gaussians of sum 1 and K = 2·reach + 1: σ along `angle` (radians), ratio·σ across; σ in pixels."""
    down, right = _plane(sigma_px, reach)
    sine, cosine = angle.sin()[:, None, None], angle.cos()[:, None, None]
    along = (right * cosine + down * sine) / sigma_px[:, None, None].clamp_min(1e-2)
    across = (down * cosine - right * sine) / (sigma_px * ratio)[:, None, None].clamp_min(1e-2)
    kernels = torch.exp(-0.5 * (along.square() + across.square()))
    return kernels / kernels.sum(dim=(1, 2), keepdim=True)


def disk_kernels(radius_px: Float[Tensor, " B"], reach: int) -> Float[Tensor, "B K K"]:
    """Disks of sum 1: the image of a point out of focus (geometrical optics); the edge is smooth over one pixel."""
    down, right = _plane(radius_px, reach)
    distance = (down.square() + right.square()).sqrt()
    kernels = (radius_px[:, None, None] + 0.5 - distance).clamp(0, 1)
    return kernels / kernels.sum(dim=(1, 2), keepdim=True)


def blur(
    pictures: Float[Tensor, "B 3 H W"],
    kernels: Float[Tensor, "B K K"],
    linear: Bool[Tensor, " B"] | None = None,
    border: Int[Tensor, " B"] | None = None,
) -> Float[Tensor, "B 3 H W"]:
    """Each picture convolved with its own kernel; in linear light where `linear` says so, as a lens does.

    Papers convolve sRGB values, of mirrored pictures: the default. `border`: one of BORDERS for each.
    """
    reach = kernels.shape[-1] // 2
    if linear is None:
        return convolve(extended(pictures, reach, border), kernels).clamp(0, 1)
    rows = linear[:, None, None, None]
    light = torch.where(rows, to_linear(pictures), pictures)
    blurred = convolve(extended(light, reach, border), kernels).clamp(0, 1)
    return torch.where(rows, to_srgb(blurred), blurred)


def extended(
    pictures: Float[Tensor, "B C H W"], reach: int, border: Int[Tensor, " B"] | None = None
) -> Float[Tensor, "B C H2 W2"]:
    """Grown by `reach` px on all sides, each picture in its own way of BORDERS; mirrored where none is given."""
    if border is None:
        return mirror_pad(pictures, (reach, reach), (reach, reach))
    for dim in (2, 3):
        length = pictures.shape[dim]
        place = torch.arange(-reach, length + reach, device=pictures.device)
        twice = place.remainder(2 * length)
        symmetric = torch.minimum(twice, 2 * length - 1 - twice)
        ways = torch.stack([mirrored(place, length), place.clamp(0, length - 1), symmetric])
        index = ways[border.to(ways.device)][:, None]  # (B, 1, H2)
        index = index[..., None] if dim == 2 else index[:, :, None]
        shape = list(pictures.shape)
        shape[dim] = len(place)
        pictures = pictures.gather(dim, index.expand(shape))
    return pictures


def _plane(like: Float[Tensor, " B"], reach: int) -> tuple[Tensor, Tensor]:
    offsets = torch.arange(-reach, reach + 1, device=like.device, dtype=like.dtype)
    return offsets[:, None], offsets[None, :]
