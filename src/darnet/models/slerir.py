"""SLER-IR: every stage of the backbone is several experts, and a router on a sphere picks one for each (§3).

The token of a degradation encoder, looking at crops of the whole picture, becomes a unit vector a stage; its cosines
with the experts' centres choose (§3.2). Content and degradation are fused into a map that guides the backbone (§3.4).
What the paper leaves out is in docs/papers/slerir.md.

Shapes: B batch, C experts of a stage, D features of the prior, F features, G² crops of S pixels a side, P × Q patches,
H × W pixels. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from darnet import registry
from darnet.images.formats import JPEG_UNIT_PX
from darnet.models.abilities import TILE, WHOLE, Adopting, Gated, Measuring, SelfUpdating, Watched
from darnet.models.base import Context, Model, Output
from darnet.models.layers.backbone import STAGES, Backbone, check_blocks, upcycled
from darnet.models.layers.encoders import Encoder
from darnet.models.layers.fusion import Fusion, Glance, Guidance, unfold_crops
from darnet.models.layers.spherical import GATES, SOFT, ClassifierRouter, LayerRouter, SphericalRouter
from darnet.models.layers.statistics import Statistics
from darnet.models.layers.transformer import TransformerBlock
from darnet.registry import kinds_of
from darnet.routing import Routing, dispatch

#: Side of what a degradation encoder takes in one look, in pixels of a crop.
DEGRADATION_PATCH_PX = 16
#: Of an expert that is not the best: a softmax of small temperature ends in 0, and `dispatch` wants somebody to serve.
LEAST_WEIGHT = 1e-30
SELECTIONS = ("spherical", "classifier")


@dataclass(frozen=True)
class Trace:
    """What the stages are told: who serves whom, whether the others learn, statistics, and the prior map."""

    routings: tuple[Routing, ...]
    masked: bool
    statistics: Statistics
    prior: Float[Tensor, "B D P Q"] | None


@final
class SLERIR(Adopting, Gated, Measuring, SelfUpdating, Watched):
    """(tile, glance of the whole picture) -> repaired, and the routing of every stage.

    Args:
        experts: C, of each stage. 1 is a plain backbone.
        width: Features at the first level.
        blocks: How many fill each of the eight stages; an expert has all of them.
        heads: Of the attention, at each of the four levels.
        expansion: Of the gated feed-forward; 0 takes dense convolutions in its place (docs/adr/0021).
        patch: Side of the pixels folded into channels in front; 1 is the paper's.
        lean: Whether levels are joined as in small U-Nets, see `Backbone`; the paper's are not.
        dimension: d, of the routing vectors.
        temperature: Divides the cosines; 1 is the paper's.
        masked: Under the soft gate, whether only the best expert of a sample learns from it (§4.1), or all (§3.2).
        momentum: How much of themselves the centres keep in a step.
        crop_px: S, side of a crop of the glance.
        encoder: Name of an encoder in the registry.
        degradation: Options of the one that looks for damage.
        content: Options of the one that looks for content.
        fusion: Features D of the prior map; 0 leaves GLGF out, as the paper's Table 4 does.
        guided: Stages that are guided by the prior.
        positions: Whether a patch finds damage by where it lies, too (§3.4); weights from before this was an option
            do not.
        wide: Whether the last two stages have twice the features, see `Backbone`; the paper's have, after PromptIR.
        selection: How experts are chosen: "spherical", or by a "classifier" of the same size (the paper's Table 3).
        kinds: What the token of damage is to tell apart beside; a head for the loss `classification`, mostly none.

    Raises ValueError for arguments that make no network.
    """

    gates = GATES
    stages = STAGES

    def __init__(  # noqa: PLR0913, PLR0917  every gap of the paper is a knob
        self,
        experts: int = 3,
        width: int = 48,
        blocks: Sequence[int] = (4, 6, 6, 8, 6, 6, 4, 4),
        heads: Sequence[int] = (1, 2, 4, 8),
        expansion: float = 2.66,
        patch: int = 1,
        lean: bool = False,
        dimension: int = 128,
        temperature: float = 1.0,
        masked: bool = True,
        momentum: float = 0.99,
        crop_px: int = 64,
        encoder: str = "convolutional",
        degradation: Mapping[str, Any] | None = None,
        content: Mapping[str, Any] | None = None,
        fusion: int = 96,
        guided: Sequence[str] = ("latent", "decoder3", "decoder2", "decoder1"),
        selection: str = "spherical",
        kinds: Sequence[str] = (),
        positions: bool = False,
        wide: bool = False,
    ) -> None:
        super().__init__()
        check_blocks(blocks)
        _check(crop_px, guided, fusion, selection, positions=positions)
        self.masked, self.placed = masked, positions
        self.views: Callable[[Tensor], Tensor] = Glance(crop_px)
        make_encoder = registry.find("encoder", encoder)
        self.degradation: Encoder = make_encoder(DEGRADATION_PATCH_PX, **(degradation or {}))
        choice = (self.degradation.features, len(STAGES), experts, dimension, temperature)
        self.router: LayerRouter | None = (
            SphericalRouter(*choice, momentum) if selection == "spherical" else ClassifierRouter(*choice)
        )
        self.content: Encoder | None = None
        self.fusion: Fusion | None = None
        # A patch of the prior is two pixels a side where the backbone is coarsest, so that there is something to ask.
        patch_px = 16 * patch
        if fusion:
            self.content = make_encoder(patch_px, **(content or {}))
            self.fusion = Fusion(
                self.content.features, self.degradation.features, fusion, heads[-1], positions=positions
            )

        def fill(stage: str, features: int, level: int) -> nn.Module:
            index = STAGES.index(stage)
            guidance = Guidance(fusion, features, heads[level]) if fusion and stage in guided else None
            return ExpertStage(
                index,
                (
                    Blocks(TransformerBlock(features, heads[level], expansion) for _ in range(blocks[index]))
                    for _ in range(experts)
                ),
                guidance,
            )

        self.net = Backbone(width, fill, patch, lean=lean, wide=wide)
        self.multiple_of = patch_px if fusion else self.net.multiple_of
        self.kinds = kinds_of(kinds)
        features = self.degradation.features
        self.naming = nn.Sequential(nn.LayerNorm(features), nn.Linear(features, len(self.kinds))) if kinds else None

    def encode(self, views: Float[Tensor, "B 6 T T"]) -> Context:
        """The tokens of damage of the crops of whole pictures, (B, G², F), and those of their content, from glances."""
        mosaic, thumbnail = views[:, :3], views[:, 3:]
        encoded = {"damage": self.degradation(unfold_crops(mosaic))[0].unflatten(0, (len(views), -1))}
        if self.content is not None:
            encoded["content"] = self.content(thumbnail)[0]
        return Context(encoded)

    def forward(
        self,
        degraded: Float[Tensor, "B 3 H W"],
        context: Context | None = None,
        box: Float[Tensor, "B 4"] | None = None,
        gate: str | None = None,
    ) -> Output:
        """Repair. Without a context the tile is taken for the whole picture."""
        return self._repair(degraded, context, Statistics(() if context is None else context.statistics), box, gate)

    def measure(self, sample: Float[Tensor, "1 3 H W"], context: Context) -> Context:
        """Attention across channels, of the experts that the context chooses."""
        statistics = Statistics()
        self._repair(sample, context, statistics)
        return replace(context, statistics=tuple(statistics.taken))

    def adopt(self, other: Model) -> None:
        """Take over the weights of another one, a plain network or a `CompactUNet`: experts begin as their stage."""
        weights, own = other.state_dict(), self.state_dict()
        self.load_state_dict(weights if own.keys() == weights.keys() else upcycled(own, weights))

    def _repair(
        self,
        degraded: Float[Tensor, "B 3 H W"],
        context: Context | None,
        statistics: Statistics,
        box: Float[Tensor, "B 4"] | None = None,
        gate: str | None = None,
    ) -> Output:
        known = (self.look(degraded) if context is None else context).encoded
        token, prior = known["damage"].mean(dim=1), None
        named = None if self.naming is None else self.naming(token)
        if self.router is None:  # one path
            routings = (Routing.hard(token.new_zeros(len(token), 1)),) * len(STAGES)
        else:
            routings = self.router(token, gate or GATES[0])
        if self.fusion is not None and self.content is not None:
            prior = self.fusion(known["content"], self.content(degraded)[1], known["damage"], box)
        return Output(self.net(degraded, Trace(routings, self.masked, statistics, prior)), routings, kinds=named)

    def along(self, path: Sequence[int]) -> SLERIR:
        """The plain backbone that a path is: of each stage the chosen expert, and no router. Raises ValueError."""
        fixed = deepcopy(self)
        stages = [stage for stage in fixed.net.stages if isinstance(stage, ExpertStage)]
        if len(path) != len(stages) or not all(0 <= chosen < len(stages[0].experts) for chosen in path):
            most = len(stages[0].experts) - 1
            raise ValueError(
                f"path {list(path)}: expected one of the experts 0 to {most} for each of {len(stages)} stages"
            )
        for stage, chosen in zip(stages, path, strict=True):
            stage.experts = nn.ModuleList([stage.experts[chosen]])
        fixed.router, fixed.naming, fixed.kinds = None, None, ()
        return fixed

    def parts(self) -> dict[str, dict[str, nn.Module]]:
        """What makes the maps, the experts of each stage, and what guides it."""
        maps: dict[str, dict[str, nn.Module]] = {}
        if self.fusion is not None:
            # Their answers are the maps of §3.4: CSP ends in a norm, DSP in an enlargement.
            maps = {WHOLE: {"DSP": self.fusion.enlarge}, TILE: {"CSP": self.fusion.norm, "prior": self.fusion}}
        return maps | {
            name: stage.parts()
            for name, stage in zip(STAGES, self.net.stages, strict=True)
            if isinstance(stage, ExpertStage)
        }

    def after_step(self, embeddings: Sequence[Float[Tensor, "B D"]] = (), gate: str | None = None) -> None:
        """While the router learns, which it does by the soft gate, the centres move towards what was embedded."""
        if gate == SOFT and embeddings and self.router is not None:
            self.router.refresh(torch.stack(list(embeddings)))


class Blocks(nn.ModuleList):
    """One expert: blocks, one after the other."""

    def forward(self, features: Float[Tensor, "B F H W"], statistics: Statistics) -> Float[Tensor, "B F H W"]:
        """Same shape out."""
        for block in self:
            features = block(features, statistics)
        return features


class ExpertStage(nn.Module):
    """Experts, of which one (or, under the soft gate, each by its weight) works on a sample; guided where wanted."""

    def __init__(self, index: int, experts: Iterable[nn.Module], guidance: Guidance | None) -> None:
        super().__init__()
        self.index, self.experts, self.guidance = index, nn.ModuleList(experts), guidance

    def forward(self, features: Float[Tensor, "B F H W"], trace: Trace) -> Float[Tensor, "B F H W"]:
        """Same shape out."""
        if self.guidance is not None and trace.prior is not None:
            features = self.guidance(features, trace.prior)
        routing = trace.routings[self.index]
        experts = [partial(expert, statistics=trace.statistics) for expert in self.experts]
        if not trace.masked or not routing.weights.requires_grad or len(self.experts) == 1:
            return dispatch(experts, routing, features)
        best = F.one_hot(routing.weights.argmax(dim=1), len(self.experts)).to(routing.weights)
        share = (routing.weights * best).sum(dim=1).view(-1, 1, 1, 1)
        served = dispatch(experts, replace(routing, weights=best), features) * share
        with torch.no_grad():
            others = routing.weights.clamp_min(LEAST_WEIGHT) * (1 - best)
            rest = dispatch(experts, replace(routing, weights=others), features)
        return served + rest

    def parts(self) -> dict[str, nn.Module]:
        """What works here."""
        return {"experts": self.experts} | ({} if self.guidance is None else {"guidance": self.guidance})


def _check(crop_px: int, guided: Sequence[str], fusion: int, selection: str, *, positions: bool) -> None:
    """Raise ValueError for arguments that make no network."""
    if crop_px < JPEG_UNIT_PX or crop_px % JPEG_UNIT_PX:
        raise ValueError(f"crop_px {crop_px} is no multiple of {JPEG_UNIT_PX}")
    if unknown := sorted({*guided} - {*STAGES}):
        raise ValueError(f"guided: there is no stage {unknown[0]!r} (there are: {', '.join(STAGES)})")
    if fusion and not guided:
        raise ValueError(f"fusion {fusion}: the prior map guides no stage")
    if positions and not fusion:
        raise ValueError("positions: there is no prior map without fusion")
    if selection not in SELECTIONS:
        raise ValueError(f"selection {selection!r}: expected {' or '.join(SELECTIONS)}")
