"""What a camera does between sensor and file: colours, its own denoising, and sharpening.

Shapes: B batch, H × W pixels. Pictures are sRGB in [0, 1]; linear light likewise.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from darnet.degradations.blur import convolve_separably
from darnet.degradations.blur import gaussian_kernels as gaussian_rows
from darnet.images.geometry import mirror_pad
from darnet.imaging.light import to_linear, to_srgb

#: Gains of red and blue over green by daylight to lamp light (Brooks et al. 2019, §3.2).
RED_GAIN, BLUE_GAIN = (1.9, 2.4), (1.5, 1.9)
#: How far the rows of a colour matrix reach into the other colours: −x, as cameras of Brooks et al. 2019 have it.
CROSSTALK = (0.1, 0.45)
#: Reach of the filters here, in px.
REACH = 5


@dataclass(frozen=True)
class Development:
    """White balance and colour matrix of a batch of cameras: raw light -> linear sRGB."""

    gains: Float[Tensor, "B 3"]
    matrix: Float[Tensor, "B 3 3"]

    @classmethod
    def draw(cls, count: int, rng: Generator) -> Development:
        """Cameras and lights at random, on the device of `rng`. Source: Brooks et al. 2019, §3.2 and §3.3."""
        chance = torch.rand(count, 8, generator=rng, device=rng.device)
        red, blue = (low + chance[:, i] * (high - low) for i, (low, high) in enumerate((RED_GAIN, BLUE_GAIN)))
        low, high = CROSSTALK
        leak = -(low + chance[:, 2:8] * (high - low)) / 2
        matrix = torch.zeros(count, 3, 3, device=rng.device)
        matrix[:, 0, 1], matrix[:, 0, 2], matrix[:, 1, 0] = leak[:, 0], leak[:, 1], leak[:, 2]
        matrix[:, 1, 2], matrix[:, 2, 0], matrix[:, 2, 1] = leak[:, 3], leak[:, 4], leak[:, 5]
        matrix += torch.diag_embed(1 - matrix.sum(dim=2))  # grey stays grey
        return cls(torch.stack([red, torch.ones_like(red), blue], dim=1), matrix)

    def raw(self, srgb: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
        """What the sensor saw where the developed picture is to be this one; 1 is white in green."""
        inverse = torch.linalg.inv_ex(self.matrix).inverse
        light = torch.einsum("bij,bjhw->bihw", inverse, to_linear(srgb))
        return light.clamp_min(0) / self.gains[:, :, None, None]

    def developed(self, raw: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
        """The picture of raw light."""
        balanced = (raw * self.gains[:, :, None, None]).clamp(0, 1)
        return to_srgb(torch.einsum("bij,bjhw->bihw", self.matrix, balanced))


def smoothed(pictures: Float[Tensor, "B C H W"], sigma_px: Float[Tensor, " B"]) -> Float[Tensor, "B C H W"]:
    """A Gaussian of σ px over each plane, mirrored at the border; σ at most 1.5 keeps its shape."""
    padded = mirror_pad(pictures, (REACH, REACH), (REACH, REACH))
    return convolve_separably(padded, gaussian_rows(sigma_px, REACH))


def denoised(
    pictures: Float[Tensor, "B 3 H W"], strength: Float[Tensor, " B"], sigma_px: Float[Tensor, " B"]
) -> Float[Tensor, "B 3 H W"]:
    """As a camera denoises: colour smoothed, and brightness where it differs little from its surroundings.

    `strength` in [0, 1] is the share of the small differences in brightness that is removed; colour by a Gaussian of σ
    px, brightness of 1 px.
    """
    grey = pictures.mean(dim=1, keepdim=True)
    colour = smoothed(pictures - grey, sigma_px)
    around = smoothed(grey, torch.ones_like(sigma_px))
    difference = grey - around
    # Differences of about the strength of noise (5 % of the range) count as noise, larger ones as detail.
    kept = 1 - strength[:, None, None, None] * torch.exp(-0.5 * (difference / 0.05).square())
    return (around + kept * difference + colour).clamp(0, 1)


def sharpened(
    pictures: Float[Tensor, "B 3 H W"], amount: Float[Tensor, " B"], sigma_px: Float[Tensor, " B"]
) -> Float[Tensor, "B 3 H W"]:
    """Unsharp mask: x + a·(x − x * g(σ)) of brightness."""
    grey = pictures.mean(dim=1, keepdim=True)
    return (pictures + amount[:, None, None, None] * (grey - smoothed(grey, sigma_px))).clamp(0, 1)
