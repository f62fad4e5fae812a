"""Pixels that nobody sees, made up from those around them, so that nothing is judged or repaired by what hides there.

Shapes: C channels, H × W pixels.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from darnet.images.formats import JPEG_UNIT_PX

#: Detail is what differs from means over so much. It is borrowed by units of a JPEG file, which keep their phase.
SMOOTH_PX = 4


def fill(pixels: Float[Tensor, "C H W"], known: Bool[Tensor, "H W"]) -> Float[Tensor, "C H W"]:
    """Keep known pixels and continue them into the others; a picture without known pixels stays as it is.

    Colours go on smoothly, by push and pull: known pixels are averaged over blocks of 2, 4, 8, ... until every block
    knows something, and each level is filled from the coarser one. Source: Gortler, Grzeszczuk, Szeliski and Cohen,
    "The Lumigraph", SIGGRAPH 1996, §3.4. The finest detail is that of the nearest block of known pixels: what is noisy
    goes on as noisy, and neither a router nor an expert meets a smooth surface where the picture ends.
    """
    if bool(known.all()) or not bool(known.any()):
        return pixels
    weight = known[None, None].to(pixels)
    smooth = _pull(pixels[None] * weight, weight)
    return torch.where(known, pixels, (smooth[0] + _borrowed_detail(smooth, known)).clamp(0, 1))


def _borrowed_detail(picture: Float[Tensor, "1 C H W"], known: Bool[Tensor, "H W"]) -> Float[Tensor, "C H W"]:
    """What differs from a smooth picture, in each block that of the nearest block which is known as a whole."""
    (height, width), unit = known.shape, JPEG_UNIT_PX
    padding = (0, -width % unit, 0, -height % unit)
    padded = functional.pad(picture, padding, "replicate")
    means = functional.avg_pool2d(padded, SMOOTH_PX)
    detail = padded[0] - functional.interpolate(means, scale_factor=SMOOTH_PX, mode="bilinear", align_corners=False)[0]
    unknown = functional.pad((~known)[None, None].to(picture), padding, value=1.0)
    whole = functional.max_pool2d(unknown, unit)[0, 0] == 0
    if not bool(whole.any()):
        return torch.zeros_like(picture[0])
    rows, columns = whole.shape
    lender = _nearest(whole).flatten()
    blocks = detail.reshape(-1, rows, unit, columns, unit).permute(1, 3, 0, 2, 4).flatten(0, 1)[lender]
    borrowed = blocks.reshape(rows, columns, -1, unit, unit).permute(2, 0, 3, 1, 4).reshape(detail.shape)
    return borrowed[:, :height, :width]


def _nearest(whole: Bool[Tensor, "R K"]) -> Int[Tensor, "R K"]:
    """The number of the nearest block that is whole, counted row by row, for each block; by steps to four sides."""
    lender = torch.where(whole, torch.arange(whole.numel(), device=whole.device).reshape(whole.shape), -1)
    while bool((lender < 0).any()):
        around = functional.pad(lender, (1, 1, 1, 1), value=-1)
        for side in (around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:]):
            lender = torch.where(lender < 0, side, lender)
    return lender


def _pull(values: Tensor, weight: Tensor) -> Tensor:
    """Means of what is known, "1 C h w", each weighted by its share, with the gaps filled from half the resolution."""
    known = values / weight.clamp_min(torch.finfo(weight.dtype).tiny)
    if bool((weight > 0).all()):
        return known
    height, width = values.shape[-2:]
    padding = (0, width % 2, 0, height % 2)
    halved = [functional.avg_pool2d(functional.pad(part, padding), 2) for part in (values, weight)]
    coarse = _pull(halved[0], halved[1])
    smooth = functional.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
    return torch.where(weight > 0, known, smooth[..., :height, :width])
