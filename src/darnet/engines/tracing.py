"""A network as plain functions of tensors that can be traced: what it does to a tile, and how it looks at a picture.

Shapes: E kinds, H × W pixels, N crops of one picture. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.export import Dim

from darnet.errors import UsageError
from darnet.models.abilities import Classifier
from darnet.models.base import Context, Model

#: Sides of the picture that a tile is traced with, and the longest that it takes, in `multiple_of`. Small ones would
#: leave one pixel at the coarsest level, and tracing takes a length of 1 for a constant.
TRACED, LONGEST = (10, 13), 2**12
#: The same in pixels for a whole picture, which may have any sides.
TRACED_PICTURE_PX, LONGEST_PX = (70, 83), 2**16
#: Crops that a router is traced with, and the most that it takes.
TRACED_CROPS, MOST_CROPS = 2, 2**10
#: Names of inputs: the tile or crops, where a tile lies, a whole picture.
DEGRADED, BOX, PICTURE = "degraded", "box", "picture"
#: Names of outputs: of an expert; of a router, the verdict on the picture and on each crop, and what it follows from.
RESTORED, VERDICT, LOGITS, LEVELS = "restored", "verdict", "logits", "levels"
#: What is known of a whole picture: one argument of several tensors.
KNOWS = "knows"


@dataclass(frozen=True)
class Function:
    """A function that can be traced: with which arguments, which of their axes are free, and what it answers.

    `arguments`: by their names; `knows` holds several tensors by theirs. `free`: axes of the first of them.
    """

    module: nn.Module
    arguments: Mapping[str, Any]
    free: Mapping[int, Any]
    answers: tuple[str, ...]

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of all tensors that go in, in their order."""
        return tuple(
            name for key, value in self.arguments.items() for name in (value if isinstance(value, dict) else [key])
        )

    @property
    def shapes(self) -> dict[str, Any]:
        """Which axes are free, as torch takes it."""
        first, *others = self.arguments.items()
        fixed = {key: dict.fromkeys(value) if isinstance(value, dict) else None for key, value in others}
        return {first[0]: dict(self.free), **fixed}


def functions(model: Model) -> tuple[Function, Function | None]:
    """What a network does to a tile, and what it makes of a whole picture before, where it looks at one.

    Of an expert: `degraded` (1, 3, H, W), then what the second answers, by its names, then `box` where the expert asks
    where a tile lies: top, left, bottom and right as shares of the picture (1, 4) -> `restored`. Of a router, for N
    crops of one picture, N free: `degraded` (N, 3, H, W) and what the second answers -> `verdict` (1 + N, E), on the
    picture and on each crop (`Classifier.presence` makes certainties of them), which follows from the `logits` (N, E)
    and `levels` (N, E), the severities, of the crops. H and W are free multiples of `Model.multiple_of`.

    The second: `picture` (1, 3, H, W), of any sides -> what the network knows of it, of fixed size.

    What layers measure over a whole picture (`Measuring.measure`) is no argument: they measure over the tile. So a
    picture that is one tile is repaired as by the network, and tiles of a larger one agree less than the network's.
    Experts inside a network all run, and those that are not chosen count for nothing (`darnet.routing.dispatch`). One
    path of SLER-IR's (`SLERIR.along`) runs alone.

    Raises UsageError for a network that makes no image and names nothing.
    """
    model, knows, rng = model.eval(), dict[str, Tensor](), torch.Generator().manual_seed(0)
    sides = [count * model.multiple_of for count in TRACED]
    with torch.no_grad():  # not inference mode: tracing takes no tensors of that
        if model.views is not None:
            knows = dict(model.look(torch.rand(1, 3, *TRACED_PICTURE_PX, generator=rng)).encoded)
        output = model(torch.rand(1, 3, *sides, generator=rng))
    free = {2 + axis: model.multiple_of * Dim(name, max=LONGEST) for axis, name in enumerate(("rows", "columns"))}
    if output.image is not None:
        box = {BOX: torch.tensor([[0.0, 0.0, 1.0, 1.0]])} if model.placed else {}
        arguments = {DEGRADED: torch.rand(1, 3, *sides, generator=rng), KNOWS: knows, **box}
        tile = Function(_Repair(model), arguments, free, (RESTORED,))
    elif isinstance(model, Classifier):
        arguments = {DEGRADED: torch.rand(TRACED_CROPS, 3, *sides, generator=rng), KNOWS: knows}
        answers = (VERDICT, LOGITS) if output.severities is None else (VERDICT, LOGITS, LEVELS)
        tile = Function(_Judge(model), arguments, {0: Dim("crops", max=MOST_CROPS), **free}, answers)
    else:
        raise UsageError(f"{type(model).__name__} makes no image and names nothing: it cannot be exported")
    return tile, None if model.views is None else _encoder(model, tuple(knows))


def _encoder(model: Model, names: tuple[str, ...]) -> Function:
    free = {2 + axis: Dim(name, max=LONGEST_PX) for axis, name in enumerate(("rows", "columns"))}
    return Function(_Encode(model), {PICTURE: torch.zeros(1, 3, *TRACED_PICTURE_PX)}, free, names)


class _Repair(nn.Module):
    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, degraded: Float[Tensor, "1 3 H W"], knows: dict[str, Tensor], box: Float[Tensor, "1 4"] | None = None
    ) -> Float[Tensor, "1 3 H W"]:
        image: Tensor = self.model(degraded, Context(knows), box).image
        return image.clamp(0, 1)


class _Judge(nn.Module):
    def __init__(self, model: Classifier) -> None:
        super().__init__()
        self.model = model

    def forward(self, degraded: Float[Tensor, "N 3 H W"], knows: dict[str, Tensor]) -> tuple[Tensor, ...]:
        crops = degraded.shape[0]  # len() would be that of the crops that are traced
        output = self.model(degraded, Context(knows).expand(crops))
        verdict = torch.cat([self.model.verdict(output, crops), self.model.verdict(output, 1)])
        answers = (verdict, output.routings[-1].logits)
        return answers if output.severities is None else (*answers, output.severities)


class _Encode(nn.Module):
    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, picture: Float[Tensor, "1 3 H W"]) -> tuple[Tensor, ...]:
        return tuple(self.model.look(picture).encoded.values())
