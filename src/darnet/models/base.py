"""What every trainable network is, and what it returns.

Shapes: B batch, D embedding, E experts, P pictures that B crops are of, T side of a thumbnail, C × S × T the views of a
picture, H × W pixels. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from darnet.routing import Routing

#: An expert for haze or low light weighs light and air as far around a pixel as it sees, 112 px. With haze it is off by
#: up to 29 levels at 56 px from a tile's edge, by 9 at 88 px, by 3 at 96 px. Others are within 1 level at 56 px. Told
#: its kind, `daair` is 14 and 29 levels off in haze and low light where tiles share 128 px, for other kinds at most 4.
FAR_OVERLAP_PX = 224

AnyModule = TypeVar("AnyModule", bound=nn.Module)


@dataclass(frozen=True)
class Output:
    """All that a forward pass has to say; nothing stays behind on the modules."""

    image: Float[Tensor, "B 3 H W"] | None = None
    routings: tuple[Routing, ...] = ()
    severities: Float[Tensor, "B E"] | None = None  # estimated severity of each kind, in the kind's own unit
    kinds: Float[Tensor, "B E"] | None = None  # logits of each kind, where it is no routing that names them
    clean: int | None = None  # which of the kinds means that none is there: presence is measured from its logit


@dataclass(frozen=True)
class Context:
    """What a network knows of whole pictures, beside the tiles that it repairs. Made once a picture (`Model.encode`).

    `encoded`: tensors by name, a row for each picture; which ones is the network's own business. `statistics`: of one
    picture, what layers would else measure over each tile (`Measuring.measure`).
    """

    encoded: Mapping[str, Tensor] = field(default_factory=dict)
    statistics: tuple[Tensor, ...] = ()

    def expand(self, count: int) -> Context:
        """That of one picture, for so many tiles of it."""
        return replace(
            self, encoded={name: value.expand(count, *value.shape[1:]) for name, value in self.encoded.items()}
        )


class Model(nn.Module, ABC):
    """A plain function of (tile, context of the whole picture): two methods, and data about both ends of them.

    What some networks can do besides is in `darnet.models.abilities`. Abstract or final: a class has abstract methods,
    or nobody derives from it; a method that has a body is overridden by nobody. `forward` changes nothing on a module.

    Constructors take plain JSON values, which is what a card stores, and run on the meta device.
    """

    # What goes in: how a picture is cut for it.
    multiple_of: int = 1  #: H and W must divide by this; `darnet.images.tiles.pad_to` sees to it
    #: How much its tiles must share to agree with the whole picture, where that is more than others need.
    overlap_px: int = 0
    placed: bool = False  #: whether `forward` looks at the box of a tile
    #: Whole pictures (B, 3, H, W) -> what `encode` looks at, (B, C, S, T), of fixed size; nothing, where it is None.
    views: Callable[[Tensor], Tensor] | None = None
    # What comes out: the names of the columns and of the entries of an `Output`.
    kinds: tuple[str, ...] = ()  #: the E kinds that it tells apart, in their order; mostly none
    stages: tuple[str, ...] = ()  #: where each entry of `Output.routings` is decided, by expert stages

    @abstractmethod
    def forward(
        self,
        degraded: Float[Tensor, "B 3 H W"],
        context: Context | None = None,
        box: Float[Tensor, "B 4"] | None = None,
    ) -> Output:
        """Look at, or repair, a batch of pictures or tiles.

        `box` says where each lies: top, left, bottom and right as shares of its picture
        (`darnet.images.regions.Region.box`). Without a context, or without a box, it is taken for a whole picture.
        """

    @abstractmethod
    def encode(self, views: Float[Tensor, "B C S T"]) -> Context:
        """What `forward` wants to know of whole pictures, from their `views`; asked only of a network that has some."""

    @final
    def look(self, pictures: Float[Tensor, "B 3 H W"]) -> Context:
        """`encode` of the views of whole pictures; empty where the network asks for none."""
        return Context() if self.views is None else self.encode(self.views(pictures))


def channels_last(model: AnyModule) -> AnyModule:
    """The same network with its convolution weights in channels_last memory, which convolutions are fastest in."""
    for weight in model.parameters():
        if weight.ndim == 4:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    return model


def without_autocast(features: Tensor) -> torch.autocast:
    """Where `features` are, a context in which layers keep to their own precision.

    bfloat16 has 256 steps from 1/2 to 1, which shows where a layer answers with a whole picture of 16 bits.
    """
    return torch.autocast("cpu" if features.is_meta else features.device.type, enabled=False)  # meta knows none


def by_picture(values: Float[Tensor, "B ..."], crops: int) -> Float[Tensor, "P crops ..."]:
    """Values of crops, of which `crops` in a row are of one picture, picture by picture."""
    return values.reshape(-1, crops, *values.shape[1:])
