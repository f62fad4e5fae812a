"""A network as files for other programs: ONNX, OpenVINO's own, or torch's; each asked, before it is believed.

Shapes: N crops of one picture, H × W pixels. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from darnet import registry
from darnet.engines import onnxruntime, openvino
from darnet.engines.backend import Run
from darnet.engines.choosing import MOST_LOST_DB
from darnet.engines.graphs import CARD, ENCODE, graphs, write
from darnet.engines.pytorch import TorchBackend
from darnet.engines.quantisation import quantised
from darnet.engines.tracing import BOX, DEGRADED, PICTURE, RESTORED, Function, functions
from darnet.errors import DarnetError, UsageError
from darnet.images.metrics import psnr
from darnet.images.tiles import pad_to
from darnet.models.base import Model

Target = Literal["onnx", "openvino", "torch-export"]

#: Names of the files of each format, without what `_tile` and `_encode` differ in; the first is what is opened.
SUFFIXES: Mapping[Target, tuple[str, ...]] = {
    "onnx": (".onnx",),
    "openvino": (".xml", ".bin"),
    "torch-export": (".pt2",),
}
TILE, LOOK = "tile", "encode"
#: A damaged picture and the clean one.
Pair: TypeAlias = "tuple[Float[Tensor, '3 H W'], Float[Tensor, '3 H W']]"
#: How far an answer may be from torch's, as a share of its largest value or of 1: a quarter of a level of 8 bits.
EXACT = 1e-3
#: The same of tiles in 8 bits, of noise that no network has seen.
ROUGH = 0.5
#: The longest side of tiles and crops that a file is asked with.
ASKED_PX = 128


def paths(folder: Path, to: Target, encoding: bool) -> tuple[Path, ...]:
    """The files that a network becomes in a folder; `encoding`: whether it looks at whole pictures."""
    names = (TILE, LOOK) if encoding else (TILE,)
    return tuple(folder / f"{name}{suffix}" for name in names for suffix in SUFFIXES[to])


def export(
    model: Model, card: Mapping[str, Any], folder: Path, to: Target, int8: Sequence[Pair] = ()
) -> tuple[Path, ...]:
    """Write a network as `tile`, and as `encode` where it looks at whole pictures; the files, those opened first.

    Both are `darnet.engines.tracing.functions`, for any size. `card`: what is said of it in their metadata. `int8`:
    damaged pictures of its kinds and their clean ones: with every other of them `tile` is made to compute in 8 bits
    (`darnet.engines.quantisation`), and on the rest it may lose MOST_LOST_DB.

    Raises UsageError for a network that makes no image and names nothing, or a format without 8 bits;
    MissingPackageError without the packages of the format; and DarnetError where an answer is not torch's, or 8 bits
    lose too much; then nothing is written.
    """
    if int8 and to == "torch-export":
        raise UsageError("torch's format takes no 8 bits: `onnx` and `openvino` do")
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".darnet-", dir=folder) as scratch:  # on the same disk
        made = Path(scratch)
        _WRITERS[to](model, dict(card), made, [degraded for degraded, _ in int8[::2]])
        _verify(model, made, to, exact=not int8)
        if int8:
            _check_loss(model, made / paths(made, to, encoding=False)[0].name, int8[1::2] or int8)
        written = paths(folder, to, model.views is not None)
        for path in written:
            (made / path.name).replace(path)
    return written


def _onnx(model: Model, card: dict[str, Any], folder: Path, shown: Sequence[Tensor]) -> None:
    made = graphs(model)
    for name, graph in ((TILE, quantised(model, shown) if shown else made.tile), (LOOK, made.encode)):
        if graph is not None:
            graph.metadata_props[CARD] = json.dumps(card)
            if name == TILE and made.encode is not None:
                graph.metadata_props[ENCODE] = f"{LOOK}.onnx"
            write(graph, folder / f"{name}.onnx")


def _openvino(model: Model, card: dict[str, Any], folder: Path, shown: Sequence[Tensor]) -> None:
    package = registry.optional("openvino", "openvino")
    with TemporaryDirectory(prefix="darnet-") as scratch:
        _onnx(model, card, Path(scratch), shown)
        for path in Path(scratch).glob("*.onnx"):
            graph = package.Core().read_model(path)
            graph.set_rt_info(json.dumps(card), ["darnet", "card"])
            graph.set_rt_info(str(model.multiple_of), ["darnet", "multiple_of"])
            graph.set_rt_info(str(model.overlap_px), ["darnet", "overlap_px"])
            package.save_model(graph, folder / f"{path.stem}.xml", compress_to_fp16=False)


def _torch_export(model: Model, card: dict[str, Any], folder: Path, shown: Sequence[Tensor]) -> None:
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


_WRITERS: Mapping[Target, Callable[[Model, dict[str, Any], Path, Sequence[Tensor]], None]] = {
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


def _check_loss(model: Model, path: Path, pairs: Sequence[Pair]) -> None:
    """Raise DarnetError where a graph in 8 bits repairs pictures worse than the network does, by MOST_LOST_DB."""
    tile, _ = functions(model)
    ask, exact = _open(path, tile), TorchBackend(model, "cpu", "fp32")
    found = list[tuple[float, float]]()
    for degraded, clean in pairs:
        shown, (height, width) = pad_to(degraded[None], model.multiple_of), clean.shape[1:]
        knows = exact.encode(shown)
        box = {BOX: torch.tensor([[0.0, 0.0, 1.0, 1.0]])} if BOX in tile.arguments else {}
        answers = (ask({DEGRADED: shown, **knows.encoded, **box})[RESTORED], exact(shown, knows, box.get(BOX)).image)
        pictures = (answer[:, :, :height, :width].clamp(0, 1) for answer in answers if answer is not None)
        eight, whole = (float(psnr(picture, clean[None])) for picture in pictures)
        found.append((eight, whole))
    eight, whole = (sum(column) / len(found) for column in zip(*found, strict=True))
    if not whole - eight <= MOST_LOST_DB:
        raise DarnetError(
            f"in 8 bits it loses {whole - eight:.2f} dB of {whole:.2f} on {len(found)} pictures that it was not made "
            f"with, of which {MOST_LOST_DB} may be lost; nothing is written"
        )


def _verify(model: Model, folder: Path, to: Target, *, exact: bool) -> None:
    """Raise DarnetError where an answer to random pictures is not torch's; tiles need not be `exact`."""
    tile, encode = functions(model)
    ask = _open(folder / f"{TILE}{SUFFIXES[to][0]}", tile)
    look = None if encode is None else _open(folder / f"{LOOK}{SUFFIXES[to][0]}", encode)
    off = 0.0
    for picture in _random():
        with torch.inference_mode():
            knows = model.look(picture[None])
        if look is not None:
            off = max(off, _off(look({PICTURE: picture[None]}), dict(knows.encoded)))
        given = {**_shown(model, tile, picture), **knows.encoded}
        with torch.inference_mode():
            found = tile.module(**_nested(given, tile))
        answers = (found,) if isinstance(found, Tensor) else found
        apart = _off(ask(given), dict(zip(tile.answers, answers, strict=True)))
        off = max(off, apart if exact or apart > ROUGH else 0.0)
    if not off <= EXACT:  # so that what is no number is too far as well
        raise DarnetError(f"{to}: what it answers is {off:.2g} off what torch answers; nothing is written")


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
