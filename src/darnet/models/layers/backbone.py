"""The four-level encoder–decoder of the all-in-one networks (Restormer, PromptIR, DaAIR §3, SLER-IR §3).

Eight expert stages, always in this order. DaAIR fills each with blocks that hold experts, SLER-IR with several experts.

Shapes: B batch, F features, H × W pixels. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from darnet.models.base import without_autocast

STAGES = ("encoder1", "encoder2", "encoder3", "latent", "decoder3", "decoder2", "decoder1", "refinement")
#: Resolution of each stage: that of the picture, halved so many times.
LEVELS = (0, 1, 2, 3, 2, 1, 0, 0)
ENCODERS, DECODERS = slice(0, 3), slice(4, 7)
#: Where the global residual joins.
RESIDUALS = ("pixels", "features")


class Backbone(nn.Module):
    """x ↦ x + tail(stages(head(x))); H and W divide by 8 · `patch`.

    Args:
        width: Features at the first level, doubled per level.
        make_stage: (stage, features, level) -> what fills a stage; called as `filled(features, trace)`. The frame hands
            `trace` down without looking at it.
        patch: Side of the pixels that are folded into channels in front, without loss: 1 is the papers', 2 costs a
            quarter.
        lean: Whether the resolution changes by 2×2 convolutions of stride 2, and what skips a level is added, as in
            small U-Nets; else by 3×3 ones and folded pixels, and it is concatenated, as in the papers (docs/adr/0022).
        wide: Whether `decoder1` and the refinement have both halves of that concatenation, twice the features of
            `encoder1`, as in Restormer and PromptIR; not with `lean`.
        residual: Where the global residual joins: "pixels", as above, or "features", of the head and of the refinement,
            before the last convolution: x ↦ tail(head(x) + stages(head(x))) (DaAIR §3); not with `wide`.

    Raises ValueError for options that do not go together.
    """

    def __init__(
        self,
        width: int,
        make_stage: Callable[[str, int, int], nn.Module],
        patch: int = 1,
        *,
        lean: bool = False,
        wide: bool = False,
        residual: str = "pixels",
    ) -> None:
        super().__init__()
        if residual not in RESIDUALS:
            raise ValueError(f"residual {residual!r}: expected {' or '.join(RESIDUALS)}")
        if wide and (lean or residual == "features"):
            raise ValueError("wide: what is added must have one width, and lean levels and features are added")
        self.patch, self.multiple_of, self.residual = patch, 8 * patch, residual
        last = 2 * width if wide else width
        counts = [width * 2**level for level in LEVELS[:-2]] + [last, last]
        self.head = nn.Conv2d(3 * patch**2, width, 3, padding=1)
        self.stages = nn.ModuleList(map(make_stage, STAGES, counts, LEVELS))
        self.down = nn.ModuleList(_down(width * 2**level, lean) for level in range(3))
        self.up = nn.ModuleList(_up(width * 2**level, lean) for level in (3, 2, 1))
        self.fuse = nn.ModuleList(Sum() if lean else Concatenation(width * 2**level) for level in (2, 1, 0))
        if wide:
            self.fuse[2] = Both()
        self.tail = nn.Conv2d(last, 3 * patch**2, 3, padding=1)
        keep_variance(self)
        if residual == "pixels":
            for weight in self.tail.parameters():
                nn.init.zeros_(weight)  # an untrained network returns its input

    def forward(self, degraded: Float[Tensor, "B 3 H W"], trace: object) -> Float[Tensor, "B 3 H W"]:
        """Repair."""
        latent, refinement = self.stages[3], self.stages[7]
        shallow = features = self.head(F.pixel_unshuffle(degraded, self.patch))
        skips = []
        for stage, down in zip(self.stages[ENCODERS], self.down, strict=True):
            features = stage(features, trace)
            skips.append(features)
            features = down(features)
        features = latent(features, trace)
        for stage, up, fuse in zip(self.stages[DECODERS], self.up, self.fuse, strict=True):
            features = stage(fuse(up(features), skips.pop()), trace)
        features = refinement(features, trace)
        if self.residual == "features":
            with without_autocast(features):
                return F.pixel_shuffle(self.tail(shallow.float() + features.float()), self.patch)
        return degraded + F.pixel_shuffle(self.tail(features), self.patch)


class Both(nn.Module):
    """What comes up, and what skipped the level, side by side."""

    def forward(self, features: Float[Tensor, "B F H W"], skip: Float[Tensor, "B F H W"]) -> Float[Tensor, "B F2 H W"]:
        """Twice the features."""
        return torch.cat([features, skip], dim=1)


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


def upcycled(own: Mapping[str, Tensor], plain: Mapping[str, Tensor], begun: Collection[str] = ()) -> dict[str, Tensor]:
    """The weights of a network of experts, from those of a plain one: each expert of a stage begins as that stage.

    Sparse upcycling (Komatsuzaki et al. 2022, §2). `own`: the state dict of a network on this backbone; `plain`: that
    of another one, or of a `CompactUNet` of three levels (`unfolded`). What the plain one does not have, and what
    `begun` names (a part of a name), stays as it is.
    Raises ValueError where the plain network has weights that none of these begin with.
    """
    names = {name: _common(name) for name in own}
    if COMPACT in plain:
        plain = unfolded({names[name]: weight for name, weight in own.items()}, plain)
    known = {_common(name): weight for name, weight in plain.items()}
    taken = {name for name, common in names.items() if common in known and not any(part in name for part in begun)}
    if len(known) != len(plain):
        raise ValueError("the other network has several experts a stage: it is not plain")
    if lost := sorted(set(known) - set(names.values())):
        raise ValueError(f"there is no {lost[0]!r} here")
    return {name: known[names[name]] if name in taken else own[name] for name in own}


#: The stage between `encoder3` and `decoder3`, and what only a `CompactUNet` has.
LATENT = STAGES.index("latent")
COMPACT = "encoder.0.0.first.weight"
#: Which stage takes over each of its levels, and which convolution of a dense feed-forward each of a residual block.
LEVELS_OF_COMPACT = {"encoder": (0, 1, 2), "decoder": (5, 6)}
DENSE = {"first": "look", "second": "project"}


def unfolded(own: Mapping[str, Tensor], compact: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a lean backbone with dense feed-forwards that answers as a `CompactUNet` of three levels does.

    Its residual blocks become feed-forwards, and its coarsest level fills `encoder3` and then `decoder3`. Attention,
    the fourth level's way up and the blocks that are left over begin by changing nothing: so the answer is the same,
    and training goes on from it (Net2Net, Chen et al. 2016, §2.3). `own`, with one expert a stage, and `compact`: state
    dicts. Raises ValueError for another number of levels.
    """
    levels = {name.split(".")[1] for name in compact if name.startswith("encoder.")}
    if len(levels) != len(LEVELS_OF_COMPACT["encoder"]):
        raise ValueError(f"the other network has {len(levels)} levels: expected three")
    begun = re.compile(r"net\.(up\.0\.|stages\..*\.project\.(weight|bias)$)")
    weights = {name: torch.zeros_like(weight) for name, weight in own.items() if begun.match(name)}
    room = len({name.split(".")[3] for name in own if name.startswith(f"net.stages.{LATENT - 1}.")})
    for name, weight in compact.items():
        part, index, *rest = name.split(".")
        if part in LEVELS_OF_COMPACT:
            block, layer, value = int(rest[0]), DENSE[rest[1]], rest[2]
            stage = LEVELS_OF_COMPACT[part][int(index)]
            if stage == LATENT - 1 and block >= room:
                stage, block = LATENT + 1, block - room
            weights[f"net.stages.{stage}.{block}.feed_forward.{layer}.{value}"] = weight
        else:
            weights[f"net.up.{int(index) + 1}.{rest[0]}" if part == "up" else f"net.{name}"] = weight
    return weights


def _common(name: str) -> str:
    """The name of a weight whichever expert has it."""
    return re.sub(r"\.experts\.\d+\.", ".", name)
