"""The four-level encoder–decoder of the all-in-one networks (Restormer, PromptIR, DaAIR §3, SLER-IR §3).

Eight expert stages, always in this order. DaAIR fills each with blocks that hold experts, SLER-IR with several experts.

Shapes: B batch, F features, H × W pixels. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

STAGES = ("encoder1", "encoder2", "encoder3", "latent", "decoder3", "decoder2", "decoder1", "refinement")
#: Resolution of each stage: that of the picture, halved so many times.
LEVELS = (0, 1, 2, 3, 2, 1, 0, 0)
ENCODERS, DECODERS = slice(0, 3), slice(4, 7)


class Backbone(nn.Module):
    """x ↦ x + tail(stages(head(x))); H and W divide by 8 · `patch`.

    Args:
        width: Features at the first level, doubled per level.
        make_stage: (stage, features, level) -> what fills a stage; called as `stage(features, trace)`. The frame hands
            `trace` down without looking at it.
        patch: Side of the pixels that are folded into channels in front, without loss: 1 is the papers', 2 costs a
            quarter.
        lean: Whether the resolution changes by 2×2 convolutions of stride 2, and what skips a level is added, as in
            small U-Nets; else by 3×3 ones and folded pixels, and it is concatenated, as in the papers (docs/adr/0022).
    """

    def __init__(
        self, width: int, make_stage: Callable[[str, int, int], nn.Module], patch: int = 1, *, lean: bool = False
    ) -> None:
        super().__init__()
        self.patch, self.multiple_of = patch, 8 * patch
        self.head = nn.Conv2d(3 * patch**2, width, 3, padding=1)
        self.stages = nn.ModuleList(
            make_stage(stage, width * 2**level, level) for stage, level in zip(STAGES, LEVELS, strict=True)
        )
        self.down = nn.ModuleList(_down(width * 2**level, lean) for level in range(3))
        self.up = nn.ModuleList(_up(width * 2**level, lean) for level in (3, 2, 1))
        self.fuse = nn.ModuleList(Sum() if lean else Concatenation(width * 2**level) for level in (2, 1, 0))
        self.tail = nn.Conv2d(width, 3 * patch**2, 3, padding=1)
        keep_variance(self)
        for weight in self.tail.parameters():
            nn.init.zeros_(weight)  # an untrained network returns its input

    def forward(self, degraded: Float[Tensor, "B 3 H W"], trace: object) -> Float[Tensor, "B 3 H W"]:
        """Repair."""
        latent, refinement = self.stages[3], self.stages[7]
        features, skips = self.head(F.pixel_unshuffle(degraded, self.patch)), []
        for stage, down in zip(self.stages[ENCODERS], self.down, strict=True):
            features = stage(features, trace)
            skips.append(features)
            features = down(features)
        features = latent(features, trace)
        for stage, up, fuse in zip(self.stages[DECODERS], self.up, self.fuse, strict=True):
            features = stage(fuse(up(features), skips.pop()), trace)
        return degraded + F.pixel_shuffle(self.tail(refinement(features, trace)), self.patch)


class Concatenation(nn.Module):
    """What comes up and what skipped the level, concatenated, then half as many features (Restormer Fig. 2)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(2 * features, features, 1)

    def forward(self, features: Float[Tensor, "B F H W"], skip: Float[Tensor, "B F H W"]) -> Float[Tensor, "B F H W"]:
        """Both as one."""
        reduced: Tensor = self.reduce(torch.cat([features, skip], dim=1))
        return reduced


class Sum(nn.Module):
    """What comes up, and what skipped the level, added."""

    def forward(self, features: Float[Tensor, "B F H W"], skip: Float[Tensor, "B F H W"]) -> Float[Tensor, "B F H W"]:
        """Both as one."""
        return features + skip


def check_blocks(blocks: Sequence[int]) -> None:
    """Raise ValueError where it is not said how many blocks fill each stage."""
    if len(blocks) != len(STAGES) or min(blocks) < 1:
        raise ValueError(f"blocks: {list(blocks)}, expected how many for each of {len(STAGES)} stages")


def keep_variance(network: nn.Module) -> None:
    """Begin with convolutions that answer with the variance of what they see: 1 / fan-in (LeCun et al. 1998, §4.6).

    Biases begin at 0, and what was silenced stays so. torch's own choice takes two thirds of the variance away at each
    layer, which products of features cannot bear.
    """
    for layer in network.modules():
        if not isinstance(layer, nn.Conv2d) or layer.weight.is_meta or not bool(layer.weight.any()):
            continue
        nn.init.normal_(layer.weight, std=layer.weight[0].numel() ** -0.5)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def _down(features: int, lean: bool) -> nn.Module:
    if lean:
        return nn.Conv2d(features, 2 * features, 2, stride=2)
    return nn.Sequential(nn.Conv2d(features, features // 2, 3, padding=1, bias=False), nn.PixelUnshuffle(2))


def _up(features: int, lean: bool) -> nn.Module:
    if lean:
        return nn.ConvTranspose2d(features, features // 2, 2, stride=2)
    return nn.Sequential(nn.Conv2d(features, 2 * features, 3, padding=1, bias=False), nn.PixelShuffle(2))
