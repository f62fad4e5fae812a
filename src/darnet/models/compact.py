"""The expert that ships: a residual U-Net at half resolution, made for a CPU.

Dense 3×3 convolutions are what a CPU runs fastest, and a quarter of the pixels (`patch` 2: pixel-unshuffle in front)
pays for four times the channels. An expert that must know the whole picture (exposure) reads a thumbnail of it once:
that scales the deepest features (FiLM, Perez et al. 2018) and sets one gain and offset per colour, so that all tiles
agree.

Shapes: B batch, D = 3 per picture, T side of the thumbnail, F features, H × W pixels. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import prod
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from darnet.models.abilities import Adopting
from darnet.models.base import FAR_OVERLAP_PX, Context, Model, Output
from darnet.models.views import Thumbnail


@final
class CompactUNet(Adopting):
    """y = gain·x + offset + up(net(down(x))); gain and offset are 1 and 0 without a thumbnail.

    `width` channels at the top level, doubled per level; `blocks` residual blocks at each level, on the way down and
    up; `thumbnail_px` > 0 makes it look at the whole picture. Of several `pictures` of 3 channels each, the first is
    repaired. `patch`: side of the pixels that are folded into channels in front, without loss; the top level has the
    picture's resolution divided by it. Raises ValueError for one below 1.
    """

    def __init__(
        self,
        width: int = 32,
        blocks: Sequence[int] = (2, 2, 2),
        thumbnail_px: int = 0,
        pictures: int = 1,
        patch: int = 2,
    ) -> None:
        super().__init__()
        if patch < 1:
            raise ValueError(f"patch {patch}: expected at least 1")
        if thumbnail_px:
            self.views = Thumbnail(thumbnail_px)
            self.overlap_px = FAR_OVERLAP_PX
        self.patch, self.multiple_of = patch, patch * 2 ** (len(blocks) - 1)
        widths = [width * 2**level for level in range(len(blocks))]
        steps = list(pairwise(widths))
        self.head = nn.Conv2d(3 * patch**2 * pictures, width, 3, padding=1)
        self.encoder = nn.ModuleList(_residual_blocks(c, n) for c, n in zip(widths, blocks, strict=True))
        self.down = nn.ModuleList(nn.Conv2d(fine, coarse, 2, stride=2) for fine, coarse in steps)
        self.up = nn.ModuleList(nn.ConvTranspose2d(coarse, fine, 2, stride=2) for fine, coarse in reversed(steps))
        self.decoder = nn.ModuleList(
            _residual_blocks(c, n) for c, n in reversed(list(zip(widths[:-1], blocks[:-1], strict=True)))
        )
        self.tail = nn.Conv2d(width, 3 * patch**2, 3, padding=1)
        _silence(self.tail)  # an untrained expert returns its input
        self.overview = Overview(widths[-1]) if thumbnail_px else None

    def encode(self, views: Float[Tensor, "B 3 T T"]) -> Context:
        """The light of whole pictures, from their thumbnails."""
        if self.overview is None:
            return Context()
        return Context(dict(zip(("scale", "gain", "offset"), self.overview(views), strict=True)))

    def forward(
        self,
        degraded: Float[Tensor, "B D H W"],
        context: Context | None = None,
        box: Float[Tensor, "B 4"] | None = None,
    ) -> Output:
        """Repair. Without a context the tile is taken for the whole picture."""
        return Output(self.finish(*self.begin(degraded), degraded[:, :3], context))

    def begin(self, *pictures: Float[Tensor, "B _ H W"]) -> tuple[Tensor, list[Tensor]]:
        """The way down: features of the coarsest level, and what each finer one leaves."""
        return descend(self._first(pictures), self.encoder[:-1], self.down)

    def _first(self, pictures: Sequence[Tensor]) -> Float[Tensor, "B F H2 W2"]:
        """Features of the top level, made strip by strip where memory is worth a thought."""
        batch, _, height, width = pictures[0].shape
        side = self.patch
        shape = (batch, self.head.out_channels, height // side, width // side)
        if not _in_strips(shape):
            whole: Tensor = self.head(F.pixel_unshuffle(torch.cat(list(pictures), dim=1), side))
            return whole
        rows, features = _rows(shape), pictures[0].new_empty(0)
        for top in range(0, shape[2], rows):
            above, end = min(top, 1), min(top + rows + 1, shape[2])
            shown = torch.cat([picture[:, :, side * (top - above) : side * end] for picture in pictures], dim=1)
            strip: Tensor = self.head(F.pixel_unshuffle(shown, side))
            if not top:
                features = torch.empty(shape, dtype=strip.dtype, device=strip.device, memory_format=torch.channels_last)
            features[:, :, top : top + rows] = strip[:, :, above : above + rows]
        return features

    def finish(
        self, features: Tensor, skips: list[Tensor], base: Float[Tensor, "B 3 H W"], context: Context | None = None
    ) -> Float[Tensor, "B 3 H W"]:
        """The way up: what is made of `base`. `skips` are taken out of their list as they are used."""
        light = (self.look(base) if context is None else context).encoded if self.overview is not None else {}
        if light:
            features = features * (1 + light["scale"])
        features = self.tail(ascend(self.encoder[-1](features), skips, self.up, self.decoder))
        if light:
            base = base * (1 + light["gain"]) + light["offset"]
        return base + F.pixel_shuffle(features, self.patch)

    def adopt(self, other: Model) -> None:
        """Take over the weights of another one, which may have fewer blocks: new ones begin as the identity."""
        known = other.state_dict()
        own = self.state_dict()
        for name, weight in own.items():
            level, block = name.split(".")[:1], name.split(".")[2:3]
            if name not in known and level in (["encoder"], ["decoder"]) and block:
                known[name] = torch.zeros_like(weight) if ".second." in name else weight
        self.load_state_dict(known)


class Overview(nn.Module):
    """Thumbnail -> (scale of F features, gain and offset per colour), each (B, channels, 1, 1); all zero when new."""

    def __init__(self, features: int, width: int = 24) -> None:
        super().__init__()
        self.features = features
        layers: list[nn.Module] = []
        for inputs, outputs in ((3, width), (width, 2 * width), (2 * width, 3 * width)):
            layers += [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.ReLU()]
        self.look = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Linear(6 * width, 64), nn.ReLU(), nn.Linear(64, features + 6))
        _silence(self.head[-1])

    def forward(self, thumbnail: Float[Tensor, "B 3 T T"]) -> tuple[Tensor, Tensor, Tensor]:
        """Judge the light of the whole picture from the mean and the maximum of its features."""
        seen = self.look(thumbnail)
        summary = torch.cat([seen.mean(dim=(2, 3)), seen.amax(dim=(2, 3))], dim=1)
        scale, gain, offset = self.head(summary)[:, :, None, None].split([self.features, 3, 3], dim=1)
        return scale, gain, offset


#: Values of features that are worked on at once where nothing is learnt (4 MB), and how far a block looks, in pixels.
AT_ONCE, REACH_PX = 2**20, 2


class ResidualBlock(nn.Module):
    """x + conv(relu(conv(x)))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, features: Float[Tensor, "B F H W"]) -> Float[Tensor, "B F H W"]:
        """Same shape out."""
        return features + self._change(features)

    def replace(self, features: Float[Tensor, "B F H W"]) -> Float[Tensor, "B F H W"]:
        """The same in the memory of what is given, strip by strip: no second map is needed."""
        height, rows = features.shape[2], max(REACH_PX, _rows(features.shape))
        above = features[:, :, :0]
        for top in range(0, height, rows):
            strip, below = features[:, :, top : top + rows], features[:, :, top + rows : top + rows + REACH_PX]
            shown = torch.cat([above, strip, below], dim=2)
            change = self._change(shown)[:, :, above.shape[2] : above.shape[2] + strip.shape[2]]
            above = strip[:, :, -REACH_PX:].clone()
            strip.add_(change)
        return features

    def _change(self, features: Float[Tensor, "B F H W"]) -> Float[Tensor, "B F H W"]:
        change: Tensor = self.second(F.relu(self.first(features), inplace=True))
        return change


def descend(features: Tensor, levels: Iterable[nn.Module], down: Iterable[nn.Module]) -> tuple[Tensor, list[Tensor]]:
    """The way down a U-Net: features of its coarsest level, and what each finer one leaves for the way up."""
    skips = []
    for level, step in zip(levels, down, strict=True):
        for block in _blocks(level):
            features = _run(block, features)
        skips.append(features)
        features = step(features)
    return features, skips


def ascend(features: Tensor, skips: list[Tensor], up: Iterable[nn.Module], levels: Iterable[nn.Module]) -> Tensor:
    """The way up, with additive skips, which are taken out of their list."""
    for step, level in zip(up, levels, strict=True):
        features = _add_up(skips.pop(), features, step)
        for block in _blocks(level):
            features = _run(block, features)
    return features


def _blocks(level: nn.Module) -> Iterable[nn.Module]:
    """What a level consists of. Run one by one, each block's input is free once it is done with."""
    return level if isinstance(level, nn.Sequential) else [level]


def _run(block: nn.Module, features: Float[Tensor, "B F H W"]) -> Tensor:
    """What a block makes of features that nobody else needs."""
    if isinstance(block, ResidualBlock) and _in_strips(features.shape):
        return block.replace(features)
    answer: Tensor = block(features)
    return answer


def _add_up(skip: Float[Tensor, "B F H W"], coarse: Float[Tensor, "B F2 H2 W2"], step: nn.Module) -> Tensor:
    """What skipped a level, and the coarser features at twice their resolution; nobody else needs the former."""
    if not _in_strips(skip.shape):
        added: Tensor = skip + step(coarse)
        return added
    rows = max(1, _rows(skip.shape) // 2)
    for top in range(0, coarse.shape[2], rows):
        skip[:, :, 2 * top : 2 * (top + rows)].add_(step(coarse[:, :, top : top + rows]))
    return skip


def _in_strips(shape: Sequence[int]) -> bool:
    """Whether memory is worth a thought: maps (B, F, H, W) that are large, and of which no gradient is asked."""
    return torch.is_inference_mode_enabled() and prod(shape) > 2 * AT_ONCE


def _rows(shape: Sequence[int]) -> int:
    """Rows of a strip of maps (B, F, H, W)."""
    return max(1, AT_ONCE * shape[2] // prod(shape))


def _silence(layer: nn.Module) -> None:
    for weight in layer.parameters():
        nn.init.zeros_(weight)


def _residual_blocks(channels: int, count: int) -> nn.Module:
    return nn.Sequential(*(ResidualBlock(channels) for _ in range(count)))
