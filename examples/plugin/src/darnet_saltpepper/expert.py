"""An expert is any function of pixels: (3, H, W) in, the same shape and range out. This one has no weights.

Shapes: H × W pixels, sRGB in [0, 1]; N neighbours of a pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional as F

from darnet.restore.experts import Pixels


@dataclass(frozen=True)
class SwitchingMedian:
    """Pixels that are black or white in all channels become the median of their sound neighbours; others stay.

    Source: Sun and Neuvo, "Detail-preserving median based filters in image processing", 1994 (the switch). Windows of
    3, 5, … `largest_px` are tried in turn; a pixel without a sound neighbour in the largest stays as it is.
    """

    largest_px: int = 7

    def __call__(self, pixels: Pixels) -> Pixels:
        """Repair one picture."""
        broken = (pixels == 0).all(dim=0) | (pixels == 1).all(dim=0)
        repaired = pixels.clone()
        for side in range(3, self.largest_px + 1, 2):
            if not bool(broken.any()):
                break
            sound = torch.where(broken, torch.nan, repaired)
            medians = torch.nanmedian(_neighbours(sound, side), dim=0).values
            found = broken & medians.isfinite().all(dim=0)
            repaired = torch.where(found, medians, repaired)
            broken = broken & ~found
        return repaired


def _neighbours(pixels: Pixels, side: int) -> torch.Tensor:
    """(N, 3, H, W): each pixel's window; outside the picture is nobody."""
    half = side // 2
    padded = F.pad(pixels, (half, half, half, half), value=torch.nan)
    height, width = pixels.shape[1:]
    windows = [padded[:, y : y + height, x : x + width] for y in range(side) for x in range(side)]
    return torch.stack(windows)
