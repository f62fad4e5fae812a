"""What sums up a picture as tokens: one for all of it, and one for each of its patches.

SLER-IR takes them from two CLIP towers, one for content and one for degradation. The convolutional one here learns with
the system that it belongs to; others are known by name, see `darnet.registry`.

Shapes: B batch, F features, P × Q patches, H × W pixels. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

#: Convolutions of stride 2 after the first layer.
HALVINGS = 3


class Encoder(nn.Module, ABC):
    """Pictures -> (token, patches). Constructed with the side of a patch in pixels, and options of its own."""

    features: int  #: F

    @abstractmethod
    def forward(self, pictures: Float[Tensor, "B 3 H W"]) -> tuple[Float[Tensor, "B F"], Float[Tensor, "B F P Q"]]:
        """Encode pictures whose sides are multiples of 16."""


class ConvolutionalEncoder(Encoder):
    """Pixels folded into channels without loss, then strided 3×3 convolutions; the token is read off mean and maximum.

    The mean shows noise and tones, the maximum the sharpest edge. Patches know no more than their neighbourhood.

    Args:
        patch_px: A multiple of 8.
        width: Features of the first layer; F is four times as many.
    """

    def __init__(self, patch_px: int, width: int = 32) -> None:
        super().__init__()
        if patch_px % 2**HALVINGS:
            raise ValueError(f"patch_px {patch_px} is no multiple of {2**HALVINGS}")
        self.fold, self.features = patch_px // 2**HALVINGS, 4 * width
        self.head = nn.Conv2d(3 * self.fold**2, width, 3, padding=1)
        widths = [width, 2 * width, 3 * width, self.features]
        self.down = nn.ModuleList(nn.Conv2d(i, o, 3, stride=2, padding=1) for i, o in pairwise(widths))
        self.token = nn.Linear(2 * self.features, self.features)
        for layer in (self.head, *self.down):
            # He et al. 2015: torch's default shrinks the signal layer by layer, and noise is a weak one to begin with.
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def forward(self, pictures: Float[Tensor, "B 3 H W"]) -> tuple[Float[Tensor, "B F"], Float[Tensor, "B F P Q"]]:
        """Encode."""
        features = F.relu(self.head(F.pixel_unshuffle(pictures - 0.5, self.fold)))
        for convolution in self.down:
            features = F.relu(convolution(features))
        summary = torch.cat([features.mean(dim=(2, 3)), features.amax(dim=(2, 3))], dim=1)
        return self.token(summary), features
