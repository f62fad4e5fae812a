"""What every trainable network is, and what it returns.

Shapes: B batch, D embedding, E experts, P pictures that B crops are of, T side of a thumbnail, C × S × T the views of a
picture, H × W pixels. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TypeVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from darnet.images.geometry import area_means
from darnet.registry import CLEAN
from darnet.routing import Routing

#: In `Model.parts`: maps of the whole picture, by its context, and of what `forward` is given to repair.
WHOLE, TILE = "whole", "tile"

#: An expert for haze or low light weighs light and air as far around a pixel as it sees, 112 px. With haze it is off by
#: up to 29 levels at 56 px from a tile's edge, by 9 at 88 px, by 3 at 96 px. Others are within 1 level at 56 px.
FAR_OVERLAP_PX = 224

AnyModule = TypeVar("AnyModule", bound=nn.Module)


@dataclass(frozen=True)
class Output:
    """All that a forward pass has to say; nothing stays behind on the modules."""

    image: Float[Tensor, "B 3 H W"] | None = None
    routings: tuple[Routing, ...] = ()
    levels: Float[Tensor, "B E"] | None = None  # estimated level of each kind, in the kind's own unit
    kinds: Float[Tensor, "B E"] | None = None  # logits of each kind, where it is no routing that names them
    clean: int | None = None  # which of the kinds means that none is there: presence is measured from its logit


@dataclass(frozen=True)
class Context:
    """What a network knows of whole pictures, beside the tiles that it repairs. Made once a picture (`Model.encode`).

    `encoded`: tensors by name, a row for each picture; which ones is the network's own business. `statistics`: of one
    picture, what layers would else measure over each tile (`Model.measure`).
    """

    encoded: Mapping[str, Tensor] = field(default_factory=dict)
    statistics: tuple[Tensor, ...] = ()

    def expand(self, count: int) -> Context:
        """That of one picture, for so many tiles of it."""
        return replace(
            self, encoded={name: value.expand(count, *value.shape[1:]) for name, value in self.encoded.items()}
        )


class Model(nn.Module, ABC):
    """A plain function of (tile, context of the whole picture). Every subclass is final.

    Constructors take plain JSON values, which is what a card stores, and run on the meta device.
    """

    multiple_of: int = 1  #: H and W must divide by this; `darnet.images.tiles.pad_to` sees to it
    #: How much its tiles must share to agree with the whole picture, where that is more than others need.
    overlap_px: int = 0
    placed: bool = False  #: whether `forward` looks at the box of a tile
    kinds: tuple[str, ...] = ()  #: the E kinds that a classifier tells apart; an expert has none
    ranges: Mapping[str, tuple[float, float]] = MappingProxyType({})  #: levels of each kind that a classifier knows
    gates: tuple[str, ...] = ()  #: ways to choose its experts, of which a stage of training names one; mostly none
    gate: str = ""  #: the one that is used; the class's own is that of weights which ship
    #: Whole pictures (B, 3, H, W) -> what `encode` looks at, (B, C, S, T), of fixed size; None: nothing.
    views: Callable[[Tensor], Tensor] | None = None
    places: tuple[str, ...] = ()  #: where each entry of `Output.routings` is decided, in their order

    @abstractmethod
    def forward(
        self,
        degraded: Float[Tensor, "B 3 H W"],
        context: Context | None = None,
        box: Float[Tensor, "B 4"] | None = None,
    ) -> Output:
        """Look at, or repair, a batch of pictures or tiles.

        `box` says where each lies: top, left, bottom and right as shares of its picture
        (`darnet.images.tiles.Region.box`). Without a context, or without a box, it is taken for a whole picture.
        """

    def encode(self, views: Float[Tensor, "B C S T"]) -> Context:
        """What `forward` wants to know of whole pictures, from their `views`. Default: those, by that name."""
        return Context({"views": views})

    def look(self, pictures: Float[Tensor, "B 3 H W"]) -> Context:
        """`encode` of the views of whole pictures; empty where the network asks for none."""
        return Context() if self.views is None else self.encode(self.views(pictures))

    def measure(self, sample: Float[Tensor, "1 3 H W"], context: Context) -> Context:
        """The context of one picture, with the statistics that layers take of a sample of it (or of all of it).

        Default: as it is, since most networks measure nothing over a picture.
        """
        return context

    def told(self, kind: str) -> Model:
        """The network for pictures that are known to have one kind of damage, sharing these weights.

        Default: itself, since most networks ask no such thing, or know only one kind.
        """
        return self

    @property
    def several(self) -> bool:
        """Whether several kinds may be present at once. Default: a classifier names one."""
        return False

    def adopt(self, other: Model) -> None:
        """Take over the weights of another network. Raises RuntimeError or ValueError where it is of another shape."""
        self.load_state_dict(other.state_dict())

    def verdict(self, output: Output, crops: int) -> Float[Tensor, "P E"]:
        """Logits of P whole pictures, from the output for `crops` crops of each, in a row. Default: their means."""
        return by_picture(output.routings[-1].logits.float(), crops).mean(dim=1)

    def presence(self, logits: Float[Tensor, "P E"], absent: Bool[Tensor, " E"] | None = None) -> Float[Tensor, "P E"]:
        """How certain each kind is by itself, in [0, 1], from the logits of a verdict; 0 for those that are `absent`.

        The sigmoid of how far a logit lies above that of clean. Where kinds exclude each other (not `several`), above
        every other: one kind is then present at most. Clean is what the most certain kind leaves.
        """
        clean = self.kinds.index(CLEAN) if CLEAN in self.kinds else None
        if self.several and clean is not None:
            found = (logits - logits[:, clean, None]).sigmoid()
        elif logits.shape[1] > 1:
            best = logits.topk(2, dim=1).values
            found = (logits - torch.where(logits == best[:, :1], best[:, 1:], best[:, :1])).sigmoid()
        else:
            found = torch.ones_like(logits)
        if absent is not None:
            found = found.masked_fill(absent, 0)
        if clean is not None:
            found[:, clean] = 0
            found[:, clean] = 1 - found.amax(dim=1)
        return found

    def parts(self) -> Mapping[str, Mapping[str, nn.Module]]:
        """What works side by side at each place, by name, for whoever watches it run (`darnet.analysis.features`).

        A ModuleList holds the experts that the place's routing chooses from. Parts at WHOLE and at TILE, where no
        block is, make maps of the picture that guide blocks. Default: there is nothing to watch.
        """
        return {}

    def after_step(self, embeddings: Sequence[Float[Tensor, "B D"]] = ()) -> None:
        """Run once after every optimiser step, for updates that are not gradients. Default: nothing.

        `embeddings`: those of the step's routings that were read off a sphere, of all processes.
        """


def channels_last(model: AnyModule) -> AnyModule:
    """The same network with its convolution weights in channels_last memory, which convolutions are fastest in."""
    for weight in model.parameters():
        if weight.ndim == 4:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    return model


def by_picture(values: Float[Tensor, "B ..."], crops: int) -> Float[Tensor, "P crops ..."]:
    """Values of crops, of which `crops` in a row are of one picture, picture by picture."""
    return values.reshape(-1, crops, *values.shape[1:])


def make_thumbnail(pictures: Float[Tensor, "B 3 H W"], side_px: int) -> Float[Tensor, "B 3 T T"]:
    """The whole picture at a glance: area means on a side_px × side_px grid, whatever the aspect."""
    return area_means(pictures, side_px)
