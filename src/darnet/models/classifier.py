"""DaR-Net's router (§III-B): a lightweight CNN that names the degradation by argmax.

The text gives no layers; from its 14 minutes of training it is well under 1 M parameters. The estimated level of each
kind is ours: it tells a reader how bad the damage is, and costs one linear layer.

Shapes: B batch, E kinds, H × W pixels. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from darnet.models.base import Model, Output
from darnet.routing import Routing


class DegradationClassifier(Model):
    """(B, 3, H, W) -> a hard routing over `kinds`, and a level per kind.

    Half resolution without loss (pixel-unshuffle 2), then strided 3×3 convolutions; mean and maximum over the crop,
    since noise shows in the mean and the sharpest edge shows blur.
    """

    multiple_of = 2

    def __init__(self, kinds: Sequence[str], width: int = 32) -> None:
        super().__init__()
        self.kinds = tuple(kinds)
        widths = [width, 2 * width, 3 * width, 4 * width]
        self.head = nn.Conv2d(12, width, 3, padding=1)
        self.features = nn.ModuleList(nn.Conv2d(i, o, 3, stride=2, padding=1) for i, o in pairwise(widths))
        self.classify = nn.Linear(2 * widths[-1], len(self.kinds))
        self.estimate = nn.Linear(2 * widths[-1], len(self.kinds))
        for convolution in (self.head, *self.features):
            # He et al. 2015: torch's default shrinks the signal layer by layer, and noise is a weak one to begin with.
            nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
        nn.init.zeros_(self.estimate.weight)  # levels start at 1, whatever the features

    def forward(self, degraded: Float[Tensor, "B 3 H W"], thumbnail: Float[Tensor, "B 3 T T"] | None = None) -> Output:
        """Name the degradation of each crop; the thumbnail is not looked at."""
        features = F.relu(self.head(F.pixel_unshuffle(degraded - 0.5, 2)))
        for convolution in self.features:
            features = F.relu(convolution(features))
        summary = torch.cat([features.mean(dim=(2, 3)), features.amax(dim=(2, 3))], dim=1)
        # Levels are positive and span a decade, so their logarithm is what is regressed.
        return Output(routings=(Routing.hard(self.classify(summary)),), levels=self.estimate(summary).exp())
