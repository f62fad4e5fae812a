"""A network as files for other programs: ONNX, OpenVINO's own, or torch's; each asked, before it is believed.

Shapes: N crops of one picture, H × W pixels. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from darnet import registry
from darnet.engines import onnxruntime, openvino
from darnet.engines.backend import Run
from darnet.engines.graphs import CARD, ENCODE, graphs, write
from darnet.engines.tracing import BOX, DEGRADED, PICTURE, Function, functions
from darnet.errors import DarnetError
from darnet.models.base import Model

Target = Literal["onnx", "openvino", "torch-export"]

#: Names of the files of each format, without what `_tile` and `_encode` differ in; the first is what is opened.
SUFFIXES: Mapping[Target, tuple[str, ...]] = {
    "onnx": (".onnx",),
    "openvino": (".xml", ".bin"),
    "torch-export": (".pt2",),
}
TILE, LOOK = "tile", "encode"
#: How far an answer may be from torch's, as a share of its largest value or of 1: a quarter of a level of 8 bits.
EXACT = 1e-3
#: The longest side of tiles and crops that a file is asked with.
ASKED_PX = 128


@dataclass(frozen=True)
class Exported:
    """The files, in the order in which they are opened, and how far they are from torch at most (`EXACT`)."""

    paths: tuple[Path, ...]
    off: float


def paths(folder: Path, to: Target, encoding: bool) -> tuple[Path, ...]:
    """The files that a network becomes in a folder; `encoding`: whether it looks at whole pictures."""
    names = (TILE, LOOK) if encoding else (TILE,)
    return tuple(folder / f"{name}{suffix}" for name in names for suffix in SUFFIXES[to])


def export(
    model: Model, card: Mapping[str, Any], folder: Path, to: Target, pictures: Sequence[Float[Tensor, "3 H W"]] = ()
) -> Exported:
    """Write a network as `tile`, and as `encode` where it looks at whole pictures; none that answers otherwise.

    Both are `darnet.engines.tracing.functions`, for any size. `card`: what is said of it in their metadata. `pictures`:
    what they are asked with, beside random ones.

    Raises UsageError for a network that makes no image and names nothing, MissingPackageError without the packages of
    the format, and DarnetError where an answer is not torch's; then nothing is written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".darnet-", dir=folder) as scratch:  # on the same disk
        made = Path(scratch)
        _WRITERS[to](model, dict(card), made)
        off = _verified(model, made, to, [*_random(), *pictures])
        written = paths(folder, to, model.views is not None)
        for path in written:
            (made / path.name).replace(path)
    return Exported(written, off)


def _onnx(model: Model, card: dict[str, Any], folder: Path) -> None:
    made = graphs(model)
    for name, graph in ((TILE, made.tile), (LOOK, made.encode)):
        if graph is not None:
            graph.metadata_props[CARD] = json.dumps(card)
            if name == TILE and made.encode is not None:
                graph.metadata_props[ENCODE] = f"{LOOK}.onnx"
            write(graph, folder / f"{name}.onnx")


def _openvino(model: Model, card: dict[str, Any], folder: Path) -> None:
    package = registry.optional("openvino", "openvino")
    with TemporaryDirectory(prefix="darnet-") as scratch:
        _onnx(model, card, Path(scratch))
        for path in Path(scratch).glob("*.onnx"):
            graph = package.Core().read_model(path)
            graph.set_rt_info(json.dumps(card), ["darnet", "card"])
            graph.set_rt_info(str(model.multiple_of), ["darnet", "multiple_of"])
            graph.set_rt_info(str(model.overlap_px), ["darnet", "overlap_px"])
            package.save_model(graph, folder / f"{path.stem}.xml", compress_to_fp16=False)


def _torch_export(model: Model, card: dict[str, Any], folder: Path) -> None:
    for name, function in zip((TILE, LOOK), functions(model), strict=True):
        if function is not None:
            program = torch.export.export(
                function.module.eval(),
                (),
                dict(function.arguments),
                dynamic_shapes=function.shapes,
                strict=False,
                prefer_deferred_runtime_asserts_over_guards=True,  # else sizes are said to be of few ranges
            )
            sizes = {"multiple_of": model.multiple_of, "overlap_px": model.overlap_px}
            said = {"card.json": json.dumps(card), "tile.json": json.dumps(sizes | {"inputs": function.inputs})}
            torch.export.save(program, folder / f"{name}.pt2", extra_files=said)


_WRITERS: Mapping[Target, Callable[[Model, dict[str, Any], Path], None]] = {
    "onnx": _onnx,
    "openvino": _openvino,
    "torch-export": _torch_export,
}


def _open(path: Path, function: Function) -> Run:
    """A file as a function, by whoever runs its format."""
    if path.suffix == ".onnx":
        return onnxruntime.load(path, "fp32", torch.get_num_threads())
    if path.suffix == ".xml":
        return openvino.load(path, "fp32", torch.get_num_threads())
    module = torch.export.load(path).module()

    def run(given: Mapping[str, Tensor]) -> dict[str, Tensor]:
        found = module(**_nested(given, function))
        answers = (found,) if isinstance(found, Tensor) else found
        return dict(zip(function.answers, answers, strict=True))

    return run


def _nested(given: Mapping[str, Tensor], function: Function) -> dict[str, Any]:
    """Tensors by their names as the arguments of a function."""
    return {
        key: {name: given[name] for name in value} if isinstance(value, dict) else given[key]
        for key, value in function.arguments.items()
    }


def _verified(model: Model, folder: Path, to: Target, pictures: Sequence[Tensor]) -> float:
    """How far files are from torch at most. Raises DarnetError where that is too far."""
    tile, encode = functions(model)
    ask = _open(folder / f"{TILE}{SUFFIXES[to][0]}", tile)
    look = None if encode is None else _open(folder / f"{LOOK}{SUFFIXES[to][0]}", encode)
    off = 0.0
    for picture in pictures:
        with torch.inference_mode():
            knows = model.look(picture[None])
        if look is not None:
            off = max(off, _off(look({PICTURE: picture[None]}), dict(knows.encoded)))
        given = {**_shown(model, tile, picture), **knows.encoded}
        with torch.inference_mode():
            found = tile.module(**_nested(given, tile))
        answers = (found,) if isinstance(found, Tensor) else found
        off = max(off, _off(ask(given), dict(zip(tile.answers, answers, strict=True))))
    if not off <= EXACT:  # so that what is no number is too far as well
        raise DarnetError(f"{to}: what it answers is {off:.2g} off what torch answers; nothing is written")
    return off


def _shown(model: Model, tile: Function, picture: Tensor) -> dict[str, Tensor]:
    """A part of a picture, as a tile or as crops, and where it lies."""
    sides = [max(1, min(extent, ASKED_PX) // model.multiple_of) * model.multiple_of for extent in picture.shape[1:]]
    missing = [max(0, side - extent) for side, extent in zip(sides, picture.shape[1:], strict=True)]
    grown = torch.nn.functional.pad(picture[None], (0, missing[1], 0, missing[0]), mode="replicate")
    shown = grown[:, :, : sides[0], : sides[1]].contiguous()
    if BOX in tile.arguments:
        bottom, right = (extent / whole for extent, whole in zip(shown.shape[2:], grown.shape[2:], strict=True))
        return {DEGRADED: shown, BOX: torch.tensor([[0.0, 0.0, bottom, right]])}
    crops = tile.arguments[DEGRADED].shape[0]
    return {DEGRADED: torch.cat([shown, *(shown.flip(3) for _ in range(crops))]) if crops > 1 else shown}


def _off(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> float:
    """How far answers are from others at most; infinite where they are none of the kind."""
    if set(found) != set(wanted) or any(found[name].shape != value.shape for name, value in wanted.items()):
        return float("inf")
    shares = [(found[name] - value).abs().max() / value.abs().max().clamp(min=1) for name, value in wanted.items()]
    return float(torch.stack(shares).nan_to_num(nan=float("inf")).max())


def _random() -> list[Tensor]:
    rng = torch.Generator().manual_seed(0)
    return [torch.rand(3, height, width, generator=rng) for height, width in ((128, 160), (45, 101))]
