"""How else the same clean photo might have been taken: from further away, brighter or darker, in other colours.

A router must tell damage from a motif. With a few hundred photos it can learn by heart how bright each of them is,
which a new photo does not forgive; so some of them are varied before they are damaged. A varied photo is as clean as
its original: it is only made smaller (never larger, which would blur it), and its tones move by powers (never by gains,
which would clip).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Generator, Tensor
from torch.nn import functional as F

SMALLEST_SCALE = 0.3
LOG_GAMMA = 0.2  # tones are raised to exp(±this)
LOG_TINT = 0.06  # and each channel further to exp(±this)
LEAST_COLOUR = 0.5  # saturation is multiplied by this to 1


@dataclass(frozen=True)
class Augmentation:
    """Varies a `share` of photos; none becomes smaller than `smallest_px` a side."""

    share: float = 0.0
    smallest_px: int = 1

    def __call__(self, photo: UInt8[Tensor, "3 _H _W"], picks: Generator) -> UInt8[Tensor, "3 _H _W"]:
        """The photo, or a variant of it; what follows from `picks`, a generator of the CPU."""
        if not self.share:  # and no chance is used up
            return photo
        varied, size, gamma, *tint, colour = torch.rand(7, generator=picks).tolist()
        if varied >= self.share:
            return photo
        pixels = smaller(photo[None].float() / 255, size, self.smallest_px)
        exponents = [math.exp(LOG_GAMMA * (2 * gamma - 1) + LOG_TINT * (2 * channel - 1)) for channel in tint]
        pixels = pixels.clamp(0, 1) ** torch.tensor(exponents, device=photo.device)[:, None, None]
        grey = pixels.mean(dim=1, keepdim=True)
        pixels = grey + (LEAST_COLOUR + (1 - LEAST_COLOUR) * colour) * (pixels - grey)
        levels: Tensor = (pixels[0] * 255).round()
        return levels.to(torch.uint8)


def smaller(pixels: Float[Tensor, "B 3 _H _W"], chance: float, smallest_px: int) -> Float[Tensor, "B 3 _h _w"]:
    """Pictures at a scale between the smallest (`chance` 1) and 1 (0), all powers of ten as likely."""
    least = max(SMALLEST_SCALE, smallest_px / min(pixels.shape[2:]))
    if least >= 1:
        return pixels
    scale = least**chance
    size = [max(smallest_px, round(extent * scale)) for extent in pixels.shape[2:]]
    made: Tensor = F.interpolate(pixels, size=size, mode="bilinear", antialias=True, align_corners=False)
    return made


UNCHANGED = Augmentation()
