"""Graphs whose convolutions compute in 8 bits, made from a network and pictures that it is shown.

Shapes: H × W pixels, of multiples of `Model.multiple_of`. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from darnet import registry
from darnet.engines.graphs import graphs
from darnet.engines.tracing import DEGRADED
from darnet.errors import DarnetError, UsageError, one_line
from darnet.images.tiles import pad_to
from darnet.models.base import Model

#: The name of such a graph, beside that in float (`darnet.engines.graphs.GRAPH`).
QUANTISED = "tile.int8.onnx"
CONVOLUTION, DOUBLING, SUM = "Conv", "ConvTranspose", "Add"


def quantised(model: Model, pictures: Sequence[Float[Tensor, "3 H W"]]) -> Any:
    """The graph of an expert's tile in 8 bits (onnx_ir), its ranges chosen on some damaged pictures.

    Post-training quantisation by NNCF: weights by channel, activations with an offset, biases corrected. What carries
    the picture stays in float: sums, of which 8 bits hold the change alone; and convolutions before the first that
    halves the resolution, and after the last that doubles it. All in 8 bits loses 1 dB of noise's 33 dB; so, 0.02.

    Raises UsageError without a picture, or for a network that answers nothing; DarnetError for one that NNCF cannot
    take; and MissingPackageError without the extra `int8`.
    """
    if not pictures:
        raise UsageError("no picture to choose the ranges of 8 bits by")
    nncf, onnx = registry.optional("nncf", "int8"), registry.optional("onnx", "int8")
    ir = registry.optional("onnx_ir", "int8")
    graph = graphs(model).tile
    exact = ir.to_proto(graph)
    nncf.set_log_level(logging.ERROR)
    how = {"preset": nncf.QuantizationPreset.MIXED, "subset_size": len(pictures)}
    scope = nncf.IgnoredScope(types=[SUM], names=_carrying(exact))
    try:
        shown = nncf.Dataset([_given(model, picture) for picture in pictures])
        with _in_silence():
            made = nncf.quantize(exact, shown, ignored_scope=scope, **how)
        onnx.checker.check_model(made)
    except Exception as error:  # it does not know every operator
        raise DarnetError(f"NNCF makes no 8 bits of {type(model).__name__}: {one_line(error)}") from error
    found = ir.from_proto(made)
    found.metadata_props.update(graph.metadata_props)
    return found


@contextmanager
def _in_silence() -> Iterator[None]:
    """While NNCF, which draws bars on whatever stdout is, works: by rich's console for all, which nobody here uses."""
    from rich import get_console

    console = get_console()
    before, console.quiet = console.quiet, True
    try:
        yield
    finally:
        console.quiet = before


def _given(model: Model, picture: Float[Tensor, "3 H W"]) -> dict[str, Any]:
    """What the graph takes of a picture that is one tile."""
    shown = pad_to(picture[None], model.multiple_of)
    with torch.inference_mode():
        knows = model.look(shown).encoded
    return {name: tensor.numpy() for name, tensor in {DEGRADED: shown, **knows}.items()}


def _carrying(graph: Any) -> list[str]:
    """The names of the convolutions whose answers are the picture more than a change of it."""
    found = [node for node in graph.graph.node if node.op_type in (CONVOLUTION, DOUBLING)]
    scaling = [
        index
        for index, node in enumerate(found)
        if node.op_type == DOUBLING or any(one.name == "strides" and max(one.ints) > 1 for one in node.attribute)
    ]
    finest = (*found[: scaling[0]], *found[scaling[-1] + 1 :]) if scaling else found
    return [node.name for node in finest]
