"""Channel attention and gated feed-forward (Restormer, Zamir et al. 2022, §3.1–3.2).

Shapes: B batch, F features, H × W pixels, P of them; N heads, D = F / N features a head.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from darnet.models.layers.statistics import Statistics


class ChannelAttention(nn.Module):
    """Attention across channels, not pixels: its cost is linear in H·W. Keys may come from elsewhere.

    Restormer §3.1 (MDTA): 1×1 and depthwise 3×3 convolutions make queries, keys and values; unit norm along the pixels;
    one temperature a head.
    """

    def __init__(self, features: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.query, self.key, self.value = (_projection(features, features) for _ in range(3))
        self.project = nn.Conv2d(features, features, 1, bias=False)

    def forward(
        self, features: Float[Tensor, "B F H W"], keys: Float[Tensor, "B F H W"] | None = None
    ) -> Float[Tensor, "B F H W"]:
        """Self-attention, or cross-attention where `keys` are made from other features."""
        return self.mix(features, self.weigh(features, keys))

    def weigh(
        self, features: Float[Tensor, "B F H W"], keys: Float[Tensor, "B F H W"] | None = None
    ) -> Float[Tensor, "B N D D"]:
        """How much each channel takes of each: a statistic of the whole picture."""
        query = F.normalize(self._heads(self.query(features)), dim=-1)
        key = F.normalize(self._heads(self.key(features if keys is None else keys)), dim=-1)
        return (query @ key.transpose(-2, -1) * self.temperature).softmax(dim=-1)

    def mix(self, features: Float[Tensor, "B F H W"], weights: Float[Tensor, "_ N D D"]) -> Float[Tensor, "B F H W"]:
        """Channels mixed by their weights, those of each picture or of one for all."""
        mixed = weights @ self._heads(self.value(features))
        projected: Tensor = self.project(mixed.reshape(features.shape))
        return projected

    def _heads(self, features: Float[Tensor, "B F H W"]) -> Float[Tensor, "B N D P"]:
        batch, count, height, width = features.shape
        return features.reshape(batch, self.heads, count // self.heads, height * width)


class GatedFeedForward(nn.Module):
    """project(gelu(gate) ⊙ value) on `expansion` times as many features (Restormer §3.2, GDFN)."""

    def __init__(self, features: int, expansion: float) -> None:
        super().__init__()
        hidden = int(features * expansion)
        # Two layers, not halves of one: a CPU takes eleven times as long for the GELU of a half.
        self.gate, self.value = (_projection(features, hidden) for _ in range(2))
        self.project = nn.Conv2d(hidden, features, 1, bias=False)

    def forward(self, features: Float[Tensor, "B F H W"]) -> Float[Tensor, "B F H W"]:
        """Same shape out."""
        projected: Tensor = self.project(F.gelu(self.gate(features)) * self.value(features))
        return projected


class DenseFeedForward(nn.Module):
    """project(relu(look)), two dense 3×3 convolutions of as many features, fast on a CPU. Not Restormer's."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.look = nn.Conv2d(features, features, 3, padding=1)
        self.project = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, features: Float[Tensor, "B F H W"]) -> Float[Tensor, "B F H W"]:
        """Same shape out."""
        projected: Tensor = self.project(F.relu(self.look(features)))
        return projected


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the features of each pixel."""

    def forward(self, features: Float[Tensor, "B F H W"]) -> Float[Tensor, "B F H W"]:
        """Same shape out."""
        return super().forward(features.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class BaseBlock(nn.Module):
    """What blocks have in common: channel attention, feed-forward, norms before them; new ones change nothing.

    With `expansion` 0 the feed-forward is dense and no norm precedes it: so several kinds of damage are learnt at once
    in far fewer steps (docs/adr/0021). Raises ValueError for a negative one.
    """

    def __init__(self, features: int, heads: int, expansion: float) -> None:
        super().__init__()
        if expansion < 0:
            raise ValueError(f"expansion {expansion}: expected 0 or more")
        self.before_attention = ChannelNorm(features)
        self.attention = ChannelAttention(features, heads)
        self.before_feed_forward = ChannelNorm(features) if expansion else nn.Identity()
        self.feed_forward = GatedFeedForward(features, expansion) if expansion else DenseFeedForward(features)
        for branch in (self.attention, self.feed_forward):
            for weight in branch.project.parameters():
                nn.init.zeros_(weight)

    def feed(self, attended: Float[Tensor, "B F H W"]) -> Float[Tensor, "B F H W"]:
        """Norm, feed-forward, residual."""
        change: Tensor = self.feed_forward(self.before_feed_forward(attended))
        return attended + change


class TransformerBlock(BaseBlock):
    """Norm, channel attention, residual; norm, feed-forward, residual (Restormer Fig. 2)."""

    def forward(
        self, features: Float[Tensor, "B F H W"], statistics: Statistics | None = None
    ) -> Float[Tensor, "B F H W"]:
        """Same shape out."""
        normalised = self.before_attention(features)
        weights = (statistics or Statistics())(lambda: self.attention.weigh(normalised))
        return self.feed(features + self.attention.mix(normalised, weights))


def _projection(inputs: int, outputs: int) -> nn.Module:
    depthwise = nn.Conv2d(outputs, outputs, 3, padding=1, groups=outputs, bias=False)
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), depthwise)
