"""DaR-Net's expert (§III-C): a U-Net with skips between encoder and decoder and a sigmoid output.

The text leaves out width and depth; 64 channels and four halvings give the 31.0 M parameters that fit its "25–36 M"
comparison. Batch normalisation after each convolution is ours (not stated), as in most U-Nets since 2016.

Shapes: B batch, F features, C × S × T views, H × W pixels. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from darnet.models.base import Context, Model, Output, without_autocast


@final
class UNet(Model):
    """(B, 3, H, W) -> (B, 3, H, W) in (0, 1); H and W divide by 2**depth."""

    def __init__(self, width: int = 64, depth: int = 4) -> None:
        super().__init__()
        self.multiple_of = 2**depth
        widths = [width * 2**level for level in range(depth + 1)]
        self.encoder = nn.ModuleList(_double_convolution(i, o) for i, o in zip([3, *widths], widths, strict=False))
        self.down = nn.MaxPool2d(2)
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * c, c, 2, stride=2) for c in reversed(widths[:-1]))
        self.decoder = nn.ModuleList(_double_convolution(2 * c, c) for c in reversed(widths[:-1]))
        self.output = nn.Conv2d(width, 3, 1)

    def forward(
        self,
        degraded: Float[Tensor, "B 3 H W"],
        context: Context | None = None,
        box: Float[Tensor, "B 4"] | None = None,
    ) -> Output:
        """Repair; context and box are not looked at."""
        *levels, bottom = self.encoder
        features, skips = degraded, []
        for level in levels:
            features = level(features)
            skips.append(features)
            features = self.down(features)
        features = bottom(features)
        for up, level in zip(self.up, self.decoder, strict=True):
            features = level(torch.cat([up(features), skips.pop()], dim=1))
        return Output(self._finished(features))

    def encode(self, views: Float[Tensor, "B C S T"]) -> Context:
        """Nothing: it has no views."""
        return Context()

    def _finished(self, features: Float[Tensor, "B F H W"]) -> Float[Tensor, "B 3 H W"]:
        """In float32 under any autocast."""
        with without_autocast(features):
            return torch.sigmoid(self.output(features.float()))


def _double_convolution(inputs: int, outputs: int) -> nn.Module:
    layers: list[nn.Module] = []
    for source in (inputs, outputs):
        layers += [nn.Conv2d(source, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers)
