"""DaR-Net's router (§III-B): a lightweight CNN that names the degradation by argmax.

The text gives no layers; from its 14 minutes of training it is well under 1 M parameters. The estimated severity of
each kind is ours: it tells a reader how bad the damage is, and costs one linear layer.

Shapes: B batch, E kinds, F features, P pictures that B crops are of, T tone features or side
of a thumbnail, H × W pixels. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from darnet.models.abilities import Adopting, Calibrated, FeatureExtractor
from darnet.models.base import Context, Model, Output, by_picture
from darnet.models.compact import ResidualBlock
from darnet.models.views import Thumbnail
from darnet.registry import CLEAN, kinds_of
from darnet.routing import Routing

#: First level of each bin of the 8-bit range: black, steps of 8 levels, and white (255) for itself.
BIN_STARTS = (0, 1, *range(8, 249, 8), 250, 255)
#: What a verdict weighs of each kind: the mean of the crops' logits, how far the highest and the lowest lie from it,
#: and the mean logarithm of the severity.
EVIDENCE = 4
#: Features of `tone_histogram`: mean and largest share over the colours in each bin; 1, 2 and 3 colours clipped.
TONES = 2 * len(BIN_STARTS) + 3


def tone_histogram(pictures: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B T"]:
    """Square roots of shares of pixels by level, scaled to a variance near 1: how bright, and how hard it is clipped.

    Levels are those of an 8-bit file. Square roots make small shares count (Hellinger).
    """
    levels = (pictures.detach() * 255).round().clamp(0, 255).long().flatten(2)  # (B, 3, H·W)
    counts = levels.new_zeros(*levels.shape[:2], 256).scatter_add_(2, levels, torch.ones_like(levels))
    below = F.pad(counts.cumsum(dim=2), (1, 0))  # how many pixels lie below each level
    edges = torch.tensor([*BIN_STARTS, 256], device=levels.device)
    shares = below[..., edges].diff(dim=2) / levels.shape[2]  # (B, 3, bins)
    clipped = (levels == 255).sum(dim=1)  # how many colours of each pixel
    together = torch.stack([(clipped == colours).float().mean(dim=1) for colours in (1, 2, 3)], dim=1)
    features = torch.cat([shares.mean(dim=1), shares.amax(dim=1), together], dim=1).sqrt()
    scaled: Tensor = (features * (TONES / 3) ** 0.5).to(pictures.dtype)
    return scaled


@final
class DegradationClassifier(Calibrated, FeatureExtractor, Adopting):
    """(B, 3, H, W) -> a hard routing over `kinds`, and a severity per kind.

    Half resolution without loss (pixel-unshuffle 2), then strided 3×3 convolutions; mean and maximum over the crop,
    since noise shows in the mean and the sharpest edge shows blur. Beside them the tones: overexposure is a pile of
    clipped pixels at the top of the histogram, which convolutions learn from many photos only. And, where
    `thumbnail_px` > 0, the whole picture: haze thickens with distance, which no crop of the foreground shows. In
    training a share `dropout` of what names the kind is left out, so that no photo is known by one feature. `blocks`
    residual blocks stand behind each convolution from the second on (1/8 and 1/16 of the side).

    Trained by cross-entropy it names one kind, the highest logit. Trained by loss `presence` it says of every kind by
    itself whether it is there: the sigmoid of its logit less that of clean, which is 0 from then on (`several`).
    Without `tones` and thumbnail it is the plain CNN of the paper.
    `ranges`: severities of a kind that it was trained on.
    """

    multiple_of = 2
    stages = ("classify",)

    def __init__(  # noqa: PLR0913, PLR0917  what it looks at is a knob each
        self,
        kinds: Sequence[str],
        width: int = 32,
        thumbnail_px: int = 0,
        dropout: float = 0.0,
        blocks: int = 0,
        ranges: Mapping[str, Sequence[float]] | None = None,
        tones: bool = True,
    ) -> None:
        super().__init__()
        self.kinds = kinds_of(kinds)
        self.clean = self.kinds.index(CLEAN) if CLEAN in self.kinds else None
        self.ranges = {
            kind: _checked(kind, severities) for kind, severities in (ranges or {}).items() if kind in self.kinds
        }
        widths = [width, 2 * width, 3 * width, 4 * width]
        self.head = nn.Conv2d(12, width, 3, padding=1)
        self.features = nn.ModuleList(nn.Conv2d(i, o, 3, stride=2, padding=1) for i, o in pairwise(widths))
        self.blocks = nn.ModuleList(
            nn.Sequential(*(ResidualBlock(c) for _ in range(blocks if level else 0)))
            for level, c in enumerate(widths[1:])
        )
        self.tones = nn.Linear(TONES, width) if tones else None
        self.overview = nn.ModuleList()
        summary = 2 * widths[-1] + (width if tones else 0)
        if thumbnail_px:
            self.views = Thumbnail(thumbnail_px)
            self.overview.extend(nn.Conv2d(i, o, 3, stride=2, padding=1) for i, o in pairwise([3, *widths[:3]]))
            summary += 2 * widths[2]
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Linear(summary, len(self.kinds))
        self.estimate = nn.Linear(summary, len(self.kinds))
        for layer in filter(None, (self.head, *self.features, self.tones, *self.overview)):
            # He et al. 2015: torch's default shrinks the signal layer by layer, and noise is a weak one to begin with.
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        for block in self.blocks.modules():
            if isinstance(block, ResidualBlock):
                nn.init.kaiming_normal_(block.first.weight, nonlinearity="relu")
                for weight in block.second.parameters():
                    nn.init.zeros_(weight)  # it begins as the identity
        nn.init.zeros_(self.estimate.weight)  # severities start at 1, whatever the features
        # Fitted after training (`darnet.training.calibration`), so no parameters; until then, the mean logits.
        self.register_buffer("weighing", torch.zeros(len(self.kinds), EVIDENCE * len(self.kinds)).fill_diagonal_(1))
        self.register_buffer("bias", torch.zeros(len(self.kinds)))

    def encode(self, views: Float[Tensor, "B 3 T T"]) -> Context:
        """What thumbnails show of whole pictures."""
        seen = views - 0.5
        for convolution in self.overview:
            seen = F.relu(convolution(seen))
        return Context({"overview": torch.cat(_pooled(seen), dim=1)})

    def forward(
        self,
        degraded: Float[Tensor, "B 3 H W"],
        context: Context | None = None,
        box: Float[Tensor, "B 4"] | None = None,
    ) -> Output:
        """Name the degradation of each crop. Without a context the crop is taken for the whole picture."""
        summary = self.summarise(degraded, context)
        # Severities are positive and span a decade, so their logarithm is what is regressed.
        named = Routing.hard(self.classify(self.dropout(summary)))
        return Output(routings=(named,), severities=self.estimate(summary).exp(), clean=self.clean)

    def summarise(self, degraded: Float[Tensor, "B 3 H W"], context: Context | None = None) -> Float[Tensor, "B F"]:
        """What the two heads read of each crop and its picture: the features by which exemplars are chosen, too."""
        features = F.relu(self.head(F.pixel_unshuffle(degraded - 0.5, 2)))
        for convolution, blocks in zip(self.features, self.blocks, strict=True):
            features = blocks(F.relu(convolution(features)))
        parts = _pooled(features)
        if self.tones is not None:
            parts.append(F.relu(self.tones(tone_histogram(degraded))))
        if self.views is not None:
            parts.append((self.look(degraded) if context is None else context).encoded["overview"])
        return torch.cat(parts, dim=1)

    def verdict(self, output: Output, crops: int) -> Float[Tensor, "P E"]:
        """Logits of whole pictures: what their crops say of all kinds, weighed together."""
        logits: Tensor = F.linear(self.evidence(output, crops), self.weighing, self.bias)
        return logits

    def evidence(self, output: Output, crops: int) -> Float[Tensor, "P F"]:
        """What a verdict is made of, with EVIDENCE features of each kind. Raises ValueError without severities."""
        if output.severities is None:
            raise ValueError("no severities to judge by")
        named, severities = (
            by_picture(values.float(), crops) for values in (output.routings[-1].logits, output.severities)
        )
        mean = named.mean(dim=1)
        parts = [mean, named.amax(dim=1) - mean, named.amin(dim=1) - mean, severities.log().mean(dim=1)]
        return torch.cat(parts, dim=1)

    @property
    def several(self) -> bool:
        """Whether presence is measured from clean; whoever trains by cross-entropy again moves that away from 0."""
        return self.clean is not None and not any(bool(w[self.clean].any()) for w in self.classify.parameters())

    @torch.no_grad()
    def measure_from_clean(self) -> None:
        """Make the logit of clean 0, whatever is seen: no difference changes, and evidence is then of presence."""
        if self.clean is not None:
            for weights in self.classify.parameters():
                weights.sub_(weights[self.clean].clone())

    def adopt(self, other: Model) -> None:
        """Take over all weights that the other has; of heads and verdict, what concerns kinds that both know."""
        known = [kind for kind in self.kinds if kind in other.kinds]
        rows, theirs = (
            torch.tensor([kinds.index(kind) for kind in known], dtype=torch.long) for kinds in (self.kinds, other.kinds)
        )
        weights = other.state_dict()
        for name, own in self.state_dict().items():
            if name not in weights:
                if name.startswith("blocks."):
                    weights[name] = own  # blocks that the other does not have begin as the identity
                continue  # what else is missing `load_state_dict` complains of
            if name == "weighing":
                widened = own.unflatten(1, (EVIDENCE, -1)).clone()
                widened[rows[:, None], :, rows] = weights[name].unflatten(1, (EVIDENCE, -1))[theirs[:, None], :, theirs]
                weights[name] = widened.flatten(1)
            elif name == "bias" or name.startswith(("classify.", "estimate.")):
                widened = own.clone()
                widened[rows] = weights[name][theirs]
                weights[name] = widened
        self.load_state_dict(weights)


def _checked(kind: str, severities: Sequence[float]) -> tuple[float, float]:
    """A range. Raises ValueError for one that is none."""
    low, high = severities
    if not 0 < low <= high:
        raise ValueError(f"ranges: {kind}: expected [low, high] with 0 < low <= high")
    return low, high


def _pooled(features: Float[Tensor, "B F h w"]) -> list[Float[Tensor, "B F"]]:
    return [features.mean(dim=(2, 3)), features.amax(dim=(2, 3))]
