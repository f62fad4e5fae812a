"""A network as a graph that needs neither darnet nor torch: ONNX.

A graph takes a tile, and beside it the views of the whole picture that the network asks for, and where the tile lies.
What makes the views of a picture is a graph, too, and travels inside the file.

Shapes: C × S × T the views of a picture, E kinds, H × W pixels, N crops of one picture. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.export import Dim

from darnet import registry
from darnet.errors import UsageError
from darnet.files import unfinished
from darnet.models.abilities import Classifier
from darnet.models.base import Model

#: Sides of the picture that a graph is traced with, and the longest that it takes, in `multiple_of`.
TRACED, LONGEST = (2, 3), 2**12
#: The same in pixels for a whole picture, which may have any sides.
TRACED_PICTURE_PX, LONGEST_PX = (70, 83), 2**16
#: Crops that a router's graph is traced with, and the most that it takes.
TRACED_CROPS, MOST_CROPS = 2, 2**10
#: Entries of a file's metadata: the number that H and W must divide by; what tiles must share, in pixels; and the graph
#: `picture` (1, 3, H, W) -> `context`, for any H and W, as base64. `darnet.restore.experts.foreign` reads them.
MULTIPLE_OF, OVERLAP_PX, CONTEXT = "darnet.multiple_of", "darnet.overlap_px", "darnet.context"
#: The input of a graph that asks where a tile lies.
BOX = "box"


class _Repair(nn.Module):
    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        degraded: Float[Tensor, "1 3 H W"],
        context: Float[Tensor, "1 C S T"] | None = None,
        box: Float[Tensor, "1 4"] | None = None,
    ) -> Float[Tensor, "1 3 H W"]:
        image: Tensor = self.model(degraded, None if context is None else self.model.encode(context), box).image
        return image.clamp(0, 1)


class _Diagnose(nn.Module):
    def __init__(self, model: Classifier) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, degraded: Float[Tensor, "N 3 H W"], context: Float[Tensor, "1 C S T"] | None = None
    ) -> tuple[Tensor, ...]:
        crops = degraded.shape[0]  # len() would be that of the crops that are traced
        output = self.model(degraded, None if context is None else self.model.encode(context).expand(crops))
        logits = torch.cat([self.model.verdict(output, crops), self.model.verdict(output, 1)])
        return (logits,) if output.severities is None else (logits, output.severities)


class _Look(nn.Module):
    def __init__(self, views: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.views = views

    def forward(self, picture: Float[Tensor, "1 3 H W"]) -> Float[Tensor, "1 C S T"]:
        return self.views(picture)


def export_onnx(model: Model, path: Path) -> None:
    """Write a network as one file: an expert, or a router.

    An expert's graph is of one picture: `degraded` (1, 3, H, W) -> `restored`, H and W free. A router's is of N crops
    of one picture, N free: `degraded` (N, 3, H, W) -> `logits` (1 + N, E), the verdict on the picture and on each crop
    (`Classifier.presence` makes certainties of them), and `levels` (N, E), their severities. H and W are
    multiples of `model.multiple_of`.

    A network that looks at the whole picture beside a tile has a further input, `context`: what `model.views` makes of
    it, of fixed size. The graph that makes that of a picture of any size is in the file's metadata (CONTEXT). An
    expert that asks where the tile lies has a last one, `box`: top, left, bottom and right as shares of the picture.
    `darnet experts add` takes an expert's file; it runs both graphs.

    What layers measure over a whole picture (`Measuring.measure`) is no input: they measure over the tile. So a picture
    that is one tile is repaired as by the network, and tiles of a larger one agree less than the network's.

    Experts inside a network all run, and those that are not chosen count for nothing (`darnet.routing.dispatch`). One
    path of SLER-IR's (`SLERIR.along`) runs alone.

    Raises UsageError for a network that makes no image and names nothing, and MissingPackageError without the extra
    `onnx`.
    """
    registry.optional("onnxscript", "onnx")
    program = _network(model.eval())
    program.model.metadata_props[MULTIPLE_OF] = str(model.multiple_of)
    program.model.metadata_props[OVERLAP_PX] = str(model.overlap_px)
    if model.views is not None:
        look = _look(model.views).model_proto.SerializeToString()
        program.model.metadata_props[CONTEXT] = b64encode(look).decode()
    with unfinished(path) as temporary:
        program.save(temporary, external_data=False)


def _network(model: Model) -> Any:
    traced = [count * model.multiple_of for count in TRACED]
    inputs = {"degraded": torch.rand(1, 3, *traced)}
    with torch.inference_mode():
        output = model(inputs["degraded"])
    if model.views is not None:
        inputs["context"] = model.views(inputs["degraded"])
    free = {2 + axis: model.multiple_of * Dim(name, max=LONGEST) for axis, name in enumerate(("rows", "columns"))}
    if output.image is not None:
        if model.placed:
            inputs[BOX] = torch.tensor([[0.0, 0.0, 1.0, 1.0]])
        return _export(_Repair(model), inputs, free, ["restored"])
    if not isinstance(model, Classifier):
        raise UsageError(f"{type(model).__name__} makes no image and names nothing: there is no graph of it")
    inputs["degraded"] = torch.rand(TRACED_CROPS, 3, *traced)
    answers = ["logits"] if output.severities is None else ["logits", "levels"]
    return _export(_Diagnose(model), inputs, {0: Dim("crops", max=MOST_CROPS), **free}, answers)


def _look(views: Callable[[Tensor], Tensor]) -> Any:
    free = {2 + axis: Dim(name, max=LONGEST_PX) for axis, name in enumerate(("rows", "columns"))}
    return _export(_Look(views), {"picture": torch.rand(1, 3, *TRACED_PICTURE_PX)}, free, ["context"])


def _export(module: nn.Module, inputs: Mapping[str, Tensor], free: Mapping[int, Any], answers: list[str]) -> Any:
    """The program of a module, the first of whose inputs has axes of free size."""
    first = next(iter(inputs))
    return torch.onnx.export(
        module.eval(),
        kwargs=dict(inputs),  # by name: not every network that asks for a box asks for views
        input_names=list(inputs),
        output_names=answers,
        dynamic_shapes={name: dict(free) if name == first else None for name in inputs},
        dynamo=True,
        verbose=False,
        optimize=False,  # onnxruntime does that when it loads; onnxscript's takes minutes for many blocks
    )
