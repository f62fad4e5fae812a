"""DaAIR: one network for all damages, with experts inside every block (arXiv 2405.15475).

A degradation-aware learner (DaLe, §3.1) stands before the attention of each block: a router, one low-rank expert a kind
of damage, and an agnostic one. In the decoder a controller (§3.2) gives the keys of a cross-attention; it follows the
agnostic expert of the encoder by a moving average. What the paper leaves out is in docs/papers/daair.md.

Shapes: B batch, D embedding, E experts, F features, R = F / rank_divisor of them in a low rank, C × S × T views, H × W
pixels. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from itertools import chain
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from darnet.degradations.kind import find_kind
from darnet.models.abilities import Adopting, Conditional, Measuring, SelfUpdating, Watched
from darnet.models.base import FAR_OVERLAP_PX, Context, Model, Output
from darnet.models.layers.backbone import DECODERS, ENCODERS, STAGES, Backbone, check_blocks, upcycled
from darnet.models.layers.dale import Design, Learner, LowRank, Trace
from darnet.models.layers.statistics import Statistics
from darnet.models.layers.transformer import BaseBlock
from darnet.registry import kinds_of


@final
class DaAIR(Adopting, Conditional, Measuring, SelfUpdating, Watched):
    """(B, 3, H, W) -> repaired, and the routing of every block that has a router, in the order in which they run.

    Args:
        kinds: The E kinds of damage, an expert each in every block.
        width: Features at the first level.
        blocks: How many blocks fill each of the eight stages.
        heads: Of the attention, at each of the four levels.
        expansion: Of the gated feed-forward; 0 takes dense convolutions in its place (docs/adr/0021).
        rank_divisor: F / R.
        kernel: Side of the experts' large kernel, odd.
        momentum: Of the controllers: how much of themselves they keep in a step (§3.2).
        patch: Side of the pixels folded into channels in front; 1 is the paper's.
        lean: Whether levels are joined as in small U-Nets, see `Backbone`; the paper's are not.
        specialised: Whether there are experts for the kinds, and a router; the paper's Table 4 goes without.
        agnostic: Whether there is an expert for all of them. Without either, blocks are Restormer's.
        controller: Whether decoders attend to a controller.
        residual: Where the global residual joins, see `Backbone`; the paper's joins "features" (§3).
        weighted: Whether what an expert says counts by its router's probability, as in Switch Transformers (Fedus et
            al. 2022, eq. 2), so that routers learn from the repair, too; else from being told the kind alone.
        whole: Whether experts have Conv2Former's norm before its modulation, and its projection after it, as well.

    Raises ValueError for arguments that make no network.
    """

    def __init__(  # noqa: PLR0913, PLR0917  every gap of the paper is a knob
        self,
        kinds: Sequence[str],
        width: int = 24,
        blocks: Sequence[int] = (3, 5, 5, 7, 5, 5, 3, 4),
        heads: Sequence[int] = (1, 2, 4, 8),
        expansion: float = 2.66,
        rank_divisor: int = 8,
        kernel: int = 11,
        momentum: float = 0.999,
        patch: int = 1,
        lean: bool = False,
        specialised: bool = True,
        agnostic: bool = True,
        controller: bool = True,
        residual: str = "pixels",
        weighted: bool = False,
        whole: bool = False,
    ) -> None:
        super().__init__()
        check_blocks(blocks)
        self.kinds, self.momentum = kinds_of(kinds), momentum
        if not self.kinds or len(set(self.kinds)) != len(self.kinds):
            raise ValueError(f"kinds: {list(self.kinds)}, expected each kind of damage once")
        if width % rank_divisor or kernel % 2 == 0:
            raise ValueError(f"rank_divisor {rank_divisor} must divide width {width}, and kernel {kernel} must be odd")
        if controller and not agnostic:
            raise ValueError("a controller follows the agnostic experts, and there are none")
        if not 0 <= momentum <= 1:
            raise ValueError(f"momentum {momentum}: expected 0 to 1")
        experts = len(self.kinds) if specialised else 0
        design = Design(rank_divisor, kernel, experts, agnostic, weighted, whole)

        def fill(stage: str, features: int, level: int) -> nn.Module:
            controlled = controller and stage in STAGES[DECODERS]
            count = blocks[STAGES.index(stage)]
            return Stage(Block(features, heads[level], expansion, design, controlled=controlled) for _ in range(count))

        self.net = Backbone(width, fill, patch, lean=lean, residual=residual)
        self.multiple_of = self.net.multiple_of
        self._follow(0.0)  # controllers begin as what they follow
        self.stages = tuple(self._blocks()) if specialised else ()  # each block decides by itself

    def forward(
        self,
        degraded: Float[Tensor, "B 3 H W"],
        context: Context | None = None,
        box: Float[Tensor, "B 4"] | None = None,
    ) -> Output:
        """Repair; of the context the statistics are looked at."""
        trace = Trace(Statistics(() if context is None else context.statistics))
        return Output(self.net(degraded, trace), tuple(trace.routings))

    def encode(self, views: Float[Tensor, "B C S T"]) -> Context:
        """Nothing: it has no views."""
        return Context()

    def measure(self, sample: Float[Tensor, "1 3 H W"], context: Context) -> Context:
        """Attention across channels, and the means by which blocks route."""
        trace = Trace(Statistics())
        self.net(sample, trace)
        return replace(context, statistics=tuple(trace.statistics.taken))

    def told(self, kind: str) -> DaAIR:
        """Without routers: every block has the expert for `kind` alone (docs/adr/0023). Itself if there are no such."""
        if kind not in self.kinds or not self.stages:
            return self
        weights = {id(weight): weight for weight in chain(self.parameters(), self.buffers())}
        told = deepcopy(self, weights)  # all but the weights
        for block in told._blocks().values():
            if block.learner is not None:
                block.learner.route = None
                block.learner.specialised = nn.ModuleList([block.learner.specialised[self.kinds.index(kind)]])
        told.kinds, told.stages = (), ()
        if (known := find_kind(kind)) is not None and known.looks_far:
            told.overlap_px = FAR_OVERLAP_PX
        return told

    def adopt(self, other: Model) -> None:
        """Take over the weights of another one, of a plain network, which knows no degradation, or of a `CompactUNet`.

        Attention, which sees what a learner makes of the features, then begins by changing nothing.
        """
        weights, own = other.state_dict(), self.state_dict()
        begun = (".attention.project.",) if any(block.learner is not None for block in self._blocks().values()) else ()
        self.load_state_dict(weights if own.keys() == weights.keys() else upcycled(own, weights, begun))

    def parts(self) -> dict[str, dict[str, nn.Module]]:
        """What works in each block: agnostic, specialised (by kind) and controller, as far as they are there."""
        return {stage: block.parts() for stage, block in self._blocks().items()}

    def after_step(self, embeddings: Sequence[Float[Tensor, "B D"]] = (), gate: str | None = None) -> None:
        """Controllers move towards the agnostic experts of the encoder, at the same level (§3.2)."""
        self._follow(self.momentum)

    def _blocks(self) -> dict[str, Block]:
        """`encoder1.0` and so on, in the order in which they run."""
        return {f"{stage}.{index}": block for stage in STAGES for index, block in enumerate(self._blocks_of(stage))}

    def _blocks_of(self, stage: str) -> list[Block]:
        return [block for block in self.net.stages[STAGES.index(stage)].children() if isinstance(block, Block)]

    @torch.no_grad()
    def _follow(self, momentum: float) -> None:
        for encoder, decoder in zip(STAGES[ENCODERS], reversed(STAGES[DECODERS]), strict=True):
            leaders = self._blocks_of(encoder)
            for index, block in enumerate(self._blocks_of(decoder)):
                leader = leaders[min(index, len(leaders) - 1)].learner
                if block.controller is None or leader is None or leader.agnostic is None:
                    continue
                for follower, weight in zip(block.controller.buffers(), leader.agnostic.parameters(), strict=True):
                    follower.lerp_(weight.detach(), 1 - momentum)


class Stage(nn.ModuleList):
    """Blocks, one after the other."""

    def forward(self, features: Float[Tensor, "B F H W"], trace: Trace) -> Float[Tensor, "B F H W"]:
        """Same shape out; `trace` gets what each block decides."""
        for block in self:
            features = block(features, trace)
        return features


class Block(BaseBlock):
    """Restormer's block with a DaLe before the attention; `controlled`: keys come from a controller (§3.2)."""

    def __init__(self, features: int, heads: int, expansion: float, design: Design, *, controlled: bool) -> None:
        super().__init__(features, heads, expansion)
        self.learner = Learner(features, design) if design.experts or design.agnostic else None
        self.controller = _follower(LowRank(features, design)) if controlled else None

    def forward(self, features: Float[Tensor, "B F H W"], trace: Trace) -> Float[Tensor, "B F H W"]:
        """Same shape out."""
        normalised = self.before_attention(features)
        aware = normalised if self.learner is None else self.learner(normalised, trace)

        def weigh() -> Tensor:
            if self.controller is None or self.learner is None:
                return self.attention.weigh(aware)
            return self.attention.weigh(aware, self.learner.expand(self.controller(normalised)))

        return self.feed(features + self.attention.mix(aware, trace.statistics(weigh)))

    def parts(self) -> dict[str, nn.Module]:
        """What is made of the same features, side by side."""
        if self.learner is None:
            return {}
        agnostic, specialised = self.learner.agnostic, self.learner.specialised
        named = {"agnostic": agnostic, "specialised": specialised, "controller": self.controller}
        return {name: part for name, part in named.items() if part}


def _follower(module: nn.Module) -> nn.Module:
    """The same with buffers in place of parameters: no optimiser and no gradient moves them, and a card keeps them."""
    for layer in module.modules():
        for name, weight in list(layer.named_parameters(recurse=False)):
            delattr(layer, name)
            layer.register_buffer(name, weight.detach())
    return module
