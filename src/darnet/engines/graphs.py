"""A network as graphs that need neither darnet nor torch: ONNX.

A graph takes a tile, and beside it what the network knows of the whole picture, and where the tile lies. Where a
network looks at the whole picture, what it knows is made by another graph, once a picture (`darnet.engines.tracing`).
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import torch

from darnet import registry
from darnet.engines.tracing import Function, functions
from darnet.files import unfinished
from darnet.models.base import Model

#: The name of the graph that lies beside the weights of a part.
GRAPH = "tile.onnx"
#: Entries of a graph's metadata: the number that H and W must divide by; what tiles must share, in pixels; the name of
#: the graph beside it that looks at the whole picture; the card of the weights, as JSON; and the sha256 of the file of
#: weights that it reads its own from.
MULTIPLE_OF, OVERLAP_PX, ENCODE = "darnet.multiple_of", "darnet.overlap_px", "darnet.encode"
CARD, WEIGHTS = "darnet.card", "darnet.weights"
#: What tracing puts before the name of a weight, and number types of safetensors by their names in ONNX.
TRACED_PREFIX, STORED = "model.", {"F16": "FLOAT16", "F32": "FLOAT"}


class Graphs(NamedTuple):
    """What a network does to a tile, and how it looks at a picture, where it does: ONNX models (onnx_ir)."""

    tile: Any
    encode: Any | None


def graphs(model: Model) -> Graphs:
    """The graphs of a network: of an expert, or of a router (`darnet.engines.tracing.functions`).

    Raises UsageError for a network that makes no image and names nothing, and MissingPackageError without the extra
    `onnx`.
    """
    registry.optional("onnxscript", "onnx")
    tile, encode = functions(model)
    made = Graphs(_graph(tile), None if encode is None else _graph(encode))
    made.tile.metadata_props.update({MULTIPLE_OF: str(model.multiple_of), OVERLAP_PX: str(model.overlap_px)})
    return made


def _graph(function: Function) -> Any:
    program: Any = torch.onnx.export(
        function.module.eval(),
        kwargs=dict(function.arguments),  # by name: not every network that asks for a box asks for what is known
        input_names=function.inputs,
        output_names=function.answers,
        dynamic_shapes=function.shapes,
        dynamo=True,
        verbose=False,
        optimize=False,  # whoever runs it does that when it is loaded; onnxscript's takes minutes for many blocks
    )
    return program.model


def write(graph: Any, path: Path) -> None:
    """Write a graph as one file that holds its weights."""
    ir = registry.optional("onnx_ir", "onnx")
    for node in ir.traversal.RecursiveGraphIterator(graph.graph):
        node.metadata_props.clear()  # where in the program of the network it comes from
    with unfinished(path) as temporary:
        ir.save(graph, temporary)


def refer(graph: Any, weights: Path, sha256: str) -> None:
    """Let a graph read its weights from the safetensors file that will lie beside it, of that hash; in place.

    So a graph is some ten kB, and the weights are there once. What is stored in half precision is widened by the graph.
    Weights that the file has not, such as constants that tracing made, stay in the graph.
    """
    ir = registry.optional("onnx_ir", "onnx")
    with weights.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        stored = json.loads(file.read(length))
    for name, value in list(graph.graph.initializers.items()):
        entry = stored.get(name.removeprefix(TRACED_PREFIX))
        if entry is None or entry["dtype"] not in STORED:
            continue
        begin, end = entry["data_offsets"]
        number_type = ir.DataType[STORED[entry["dtype"]]]
        shape = ir.Shape(entry["shape"])
        tensor = ir.ExternalTensor(
            weights.name, 8 + length + begin, end - begin, number_type, shape=shape, name=f"{name}.stored"
        )
        initializer = ir.Value(name=tensor.name, shape=shape, type=ir.TensorType(number_type), const_value=tensor)
        widen = ir.node("Cast", [initializer], {"to": ir.DataType.FLOAT})
        widen.outputs[0].name = f"{name}.wide"
        ir.convenience.replace_all_uses_with(value, widen.outputs[0])
        del graph.graph.initializers[name]
        graph.graph.register_initializer(initializer)
        graph.graph.insert_before(graph.graph[0], widen)
    graph.metadata_props[WEIGHTS] = sha256


def is_of(path: Path, sha256: str) -> bool:
    """Whether a graph is there that reads the file of weights with this hash: of others it would make nonsense.

    The name of the entry and the hash are looked for as they stand in the file, which no package is needed for.
    """
    with suppress(OSError):
        data = path.read_bytes()
        return WEIGHTS.encode() in data and sha256.encode() in data
    return False
