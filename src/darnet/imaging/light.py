"""Light: what sRGB values stand for, and what more or less of it does to a picture.

Shapes: B batch, H × W pixels. sRGB and linear values lie in [0, 1].
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

#: Ends of the straight pieces of the transfer functions (IEC 61966-2-1).
SRGB_KNEE, LINEAR_KNEE = 0.04045, 0.0031308


def to_linear(srgb: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    """Light of sRGB values, 1 at white (IEC 61966-2-1): v / 12.92 up to 0.04045, else ((v + 0.055) / 1.055)^2.4.

    Example:
        >>> round(float(to_linear(torch.tensor(0.5))), 4)
        0.214
    """
    values = srgb.clamp(0, 1)
    return torch.where(values <= SRGB_KNEE, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def to_srgb(linear: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    """SRGB values of light, clipped to [0, 1]: the inverse of `to_linear`."""
    values = linear.clamp(0, 1)
    curve = 1.055 * values.clamp_min(LINEAR_KNEE) ** (1 / 2.4) - 0.055
    return torch.where(values <= LINEAR_KNEE, 12.92 * values, curve)


def expose(
    srgb: Float[Tensor, "B 3 H W"], stops: Float[Tensor, " B"], shoulder: Float[Tensor, " B"] | None = None
) -> Float[Tensor, "B 3 H W"]:
    """More or less light by `stops` (EV): linear light times 2^EV, then clipped as a sensor does, or by a shoulder.

    Above s, the shoulder's beginning in linear light, y = 1 − (1 − s)·exp(−(x − s) / (1 − s)), as film saturates: it
    leaves s with slope 1 and never reaches white. s = 1 is the sensor's hard clip.
    """
    light = to_linear(srgb) * torch.exp2(stops)[:, None, None, None]
    if shoulder is not None:
        begin = shoulder[:, None, None, None]
        rest = (1 - begin).clamp_min(1e-3)
        soft = 1 - rest * torch.exp(-(light - begin).clamp_min(0) / rest)
        light = torch.where(light > begin, soft, light)
    return to_srgb(light)
