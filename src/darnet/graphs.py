"""A network as a graph that needs neither darnet nor torch: ONNX.

Shapes: C × S × T the views of a picture, H × W pixels. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.export import Dim

from darnet import registry
from darnet.errors import UsageError
from darnet.models.base import Model

#: Sides of the picture that a graph is traced with, and the longest that it takes, in `multiple_of`.
TRACED, LONGEST = (2, 3), 2**12


class _Graph(nn.Module):
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


def export_onnx(model: Model, path: Path) -> None:
    """Write an expert as a graph of one picture: `degraded` (1, 3, H, W) -> `restored`, H and W free.

    Both are multiples of `model.multiple_of`. A network that looks at the whole picture beside a tile has a second
    input, `context`: what `model.views` makes of a picture, of fixed size; one that asks where the
    tile lies a third, `box`: top, left, bottom and right as shares of the picture. A graph of one input is what
    `darnet experts add` takes as an `.onnx` file.

    Experts inside a network all run, and those that are not chosen count for nothing (`darnet.routing.dispatch`). One
    path of SLER-IR's (`SLERIR.along`) runs alone.

    Raises UsageError for a network that makes no image, and MissingPackageError without the extra `onnx`.
    """
    registry.optional("onnxscript", "onnx")
    picture = torch.rand(1, 3, *(count * model.multiple_of for count in TRACED))
    inputs = {"degraded": picture}
    with torch.inference_mode():
        if model(picture).image is None:
            raise UsageError(f"{type(model).__name__} makes no image: there is no graph of it")
    if model.views is not None:
        inputs["context"] = model.views(picture)
    if model.placed:
        inputs["box"] = torch.tensor([[0.0, 0.0, 1.0, 1.0]])
    sides = {2 + axis: model.multiple_of * Dim(name, max=LONGEST) for axis, name in enumerate(("rows", "columns"))}
    unfinished = path.with_name(f".{path.name}.partial")
    try:
        torch.onnx.export(
            _Graph(model).eval(),
            tuple(inputs.values()),
            str(unfinished),
            input_names=list(inputs),
            output_names=["restored"],
            dynamic_shapes={name: sides if name == "degraded" else None for name in inputs},
            dynamo=True,
            external_data=False,
            optimize=False,  # onnxruntime does that when it loads; onnxscript's takes minutes for many blocks
            verbose=False,
        )
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
