"""Smooth random fields: how far away a scene is, or how much light falls on it.

Shapes: B batch, H × W pixels.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from torch.nn import functional as F

#: Points a side of the grids that a relief is drawn on: the large shapes, and the small ones.
RELIEF_GRIDS = (4, 9)


def smooth_depth(batch: int, height: int, width: int, rng: Generator) -> Float[Tensor, "B 1 H W"]:
    """Depths of scenes from 0 (nearest) to 1: ground that recedes upwards, with relief; on the device of `rng`."""
    ramp = torch.linspace(1, 0, height, device=rng.device)[:, None].expand(batch, 1, height, width)
    weight = torch.rand(batch, 1, 1, 1, generator=rng, device=rng.device)
    return _scaled(weight * ramp + _relief(batch, height, width, rng))


def smooth_light(batch: int, height: int, width: int, rng: Generator) -> Float[Tensor, "B 1 H W"]:
    """Light that falls on scenes, from 0 (in the darkest place) to 1; on the device of `rng`."""
    return _scaled(_relief(batch, height, width, rng))


def _relief(batch: int, height: int, width: int, rng: Generator) -> Float[Tensor, "B 1 H W"]:
    """Random grids, enlarged bicubically and added with random weights, finer ones with less."""
    total = torch.zeros(batch, 1, height, width, device=rng.device)
    for index, side in enumerate(RELIEF_GRIDS):
        weight = torch.rand(batch, 1, 1, 1, generator=rng, device=rng.device) / (index + 1)
        relief = torch.rand(batch, 1, side, side, generator=rng, device=rng.device)
        total = total + weight * F.interpolate(relief, (height, width), mode="bicubic", align_corners=True)
    return total


def _scaled(field: Float[Tensor, "B 1 H W"]) -> Float[Tensor, "B 1 H W"]:
    low, high = (edge(dim=(2, 3), keepdim=True) for edge in (field.amin, field.amax))
    return (field - low) / (high - low).clamp_min(1e-6)
