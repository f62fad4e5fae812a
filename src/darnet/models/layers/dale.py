"""The degradation-aware learner of DaAIR, DaLe (arXiv 2405.15475, §3.1): a router, and experts of low rank.

Shapes: B batch, F features, R = F / rank_divisor of them in a low rank, H × W pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from darnet.models.layers.statistics import Statistics
from darnet.models.layers.transformer import ChannelNorm
from darnet.routing import Routing, dispatch


@dataclass(frozen=True)
class Trace:
    """What the blocks say on the way, and what they are told."""

    statistics: Statistics
    routings: list[Routing] = field(default_factory=list)


@dataclass(frozen=True)
class Design:
    """How a learner is made, whatever its features; names as of `DaAIR`."""

    rank_divisor: int
    kernel: int
    experts: int
    agnostic: bool
    weighted: bool
    whole: bool


class Learner(nn.Module):
    """The degradation-aware learner, DaLe (§3.1): y = expand(specialised_k(x) ⊙ agnostic(x)), eq. 1–3; k is routed.

    Where the kind is told there is one specialised expert, and no router.
    """

    def __init__(self, features: int, design: Design) -> None:
        super().__init__()
        self.weighted = design.weighted
        self.route = nn.Linear(features, design.experts) if design.experts else None
        self.specialised = nn.ModuleList(LowRank(features, design) for _ in range(design.experts))
        self.agnostic = LowRank(features, design) if design.agnostic else None
        self.expand = nn.Conv2d(features // design.rank_divisor, features, 1)

    def forward(self, features: Float[Tensor, "B F H W"], trace: Trace) -> Float[Tensor, "B F H W"]:
        """Same shape out; `trace` gets the routing."""
        parts = []
        if self.route is not None:
            mean = trace.statistics(lambda: features.mean(dim=(2, 3)))
            routing = Routing.hard(self.route(mean.expand(len(features), -1)))
            trace.routings.append(routing)
            answer = dispatch(self.specialised, routing, features)  # eq. 1
            if self.weighted:
                answer = answer * routing.logits.softmax(dim=1).amax(dim=1).view(-1, 1, 1, 1)
            parts.append(answer)
        else:
            parts += [expert(features) for expert in self.specialised]
        if self.agnostic is not None:
            parts.append(self.agnostic(features))  # eq. 2
        expanded: Tensor = self.expand(parts[0] * parts[1] if len(parts) > 1 else parts[0])  # eq. 3
        return expanded


class LowRank(nn.Module):
    """F -> R features, then Conv2Former's modulation by a large kernel (Hou et al. 2022, eq. 3–5).

    `whole`: its norm and its projection, too.
    """

    def __init__(self, features: int, design: Design) -> None:
        super().__init__()
        rank = features // design.rank_divisor
        self.reduce = nn.Conv2d(features, rank, 1)
        self.norm = ChannelNorm(rank) if design.whole else nn.Identity()
        self.look = nn.Conv2d(rank, rank, 1)
        self.surroundings = nn.Conv2d(rank, rank, design.kernel, padding=design.kernel // 2, groups=rank)
        self.value = nn.Conv2d(rank, rank, 1)
        self.project = nn.Conv2d(rank, rank, 1) if design.whole else nn.Identity()

    def forward(self, features: Float[Tensor, "B F H W"]) -> Float[Tensor, "B R H W"]:
        """What one expert makes of the features."""
        reduced = self.norm(self.reduce(features))
        modulated: Tensor = self.project(self.surroundings(F.gelu(self.look(reduced))) * self.value(reduced))
        return modulated
