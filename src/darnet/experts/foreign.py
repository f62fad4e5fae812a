"""Other people's networks as experts: checkpoints known by their weights (spandrel), and ONNX files.

A checkpoint is read as tensors, never as code. Memory is bounded as for darnet's own networks: by tiles.

Shapes: H × W pixels, sRGB in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from darnet import registry
from darnet.backends import pick_device
from darnet.errors import DarnetError, WeightsError
from darnet.experts.base import TILES, Pixels, Tiles
from darnet.tiling import pad_to

CHANNELS = 3
#: Sides that a graph of free size is given: most networks halve their input, at most four times.
MULTIPLE_PX = 16


@dataclass(frozen=True)
class ForeignExpert:
    """A function of "1 3 h w" pictures of any size, asked tile by tile."""

    name: str
    function: Callable[[Tensor], Tensor]
    tiles: Tiles = TILES
    network: nn.Module | None = None  # where it is one of torch's

    def __call__(self, pixels: Pixels) -> Pixels:
        """Repair. Raises DarnetError where it changes the size of a tile."""
        try:
            restored: Pixels = self.tiles.plan(*pixels.shape[1:]).apply(
                lambda tile, _: self.function(tile).to(tile), pixels
            )
        except ValueError as error:
            raise DarnetError(f"{self.name}: {error}") from error
        return restored


def load_spandrel(path: Path, device: str = "auto", tiles: Tiles = TILES) -> ForeignExpert:
    """A checkpoint of an architecture that spandrel knows: `.pth`, `.pt`, `.ckpt` (tensors only) or `.safetensors`.

    Raises MissingPackageError without the extra, WeightsError naming the file and what is wrong with it.
    """
    if not path.is_file():
        raise WeightsError(path, "no such file")
    spandrel = registry.optional("spandrel", "foreign")
    try:
        if path.suffix.lower() == ".safetensors":
            tensors: Any = load_file(path)
        else:
            tensors = torch.load(path, map_location="cpu", weights_only=True)  # noqa: TID251  tensors only
        known = spandrel.canonicalize_state_dict(tensors)
        descriptor = spandrel.ModelLoader(device=pick_device(device)).load_from_state_dict(known)
    except Exception as error:  # whatever a stranger's file brings
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise WeightsError(path, f"no network that is known ({reason})") from error
    name = descriptor.architecture.name
    if descriptor.scale != 1 or descriptor.input_channels != CHANNELS or descriptor.output_channels != CHANNELS:
        raise WeightsError(path, f"{name} does not map a colour picture to one of its size")
    descriptor.model.eval().requires_grad_(False)

    def repair(tile: Tensor) -> Tensor:
        with torch.inference_mode():
            repaired: Tensor = descriptor(tile.to(descriptor.device))
            return repaired

    return ForeignExpert(f"{path.name} ({name})", repair, tiles, network=descriptor.model)


def load_onnx(path: Path, device: str = "auto", tiles: Tiles = TILES) -> ForeignExpert:
    """An ONNX graph with one input and one output, (1, 3, H, W) floats in [0, 1]; H and W free or fixed.

    It runs on the CPU. Where its size is fixed, tiles have that size.
    Raises MissingPackageError without the extra, WeightsError naming the file and what is wrong with it.
    """
    if not path.is_file():
        raise WeightsError(path, "no such file")
    runtime = registry.optional("onnxruntime", "onnx")
    try:
        session = runtime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    except Exception as error:  # whatever a stranger's file brings
        raise WeightsError(path, f"no ONNX graph ({' '.join(str(error).split())[:200]})") from error
    inputs, outputs = session.get_inputs(), session.get_outputs()
    shape = inputs[0].shape if len(inputs) == len(outputs) == 1 else []
    if len(shape) != 4 or shape[1] != CHANNELS or inputs[0].type != "tensor(float)":
        found = ", ".join(f"{item.name} {item.type} {item.shape}" for item in (*inputs, *outputs))
        raise WeightsError(path, f"expected one input and one output of (1, 3, H, W) floats, found {found}")
    fixed = [side for side in shape[2:] if isinstance(side, int)]
    if len(fixed) == 1 or len(set(fixed)) > 1:
        raise WeightsError(path, f"takes pictures of {shape[2]} × {shape[3]} only: neither free nor square")
    if fixed:
        tiles = Tiles(fixed[0], min(tiles.overlap_px, fixed[0] // 4))
    multiple_of = fixed[0] if fixed else MULTIPLE_PX

    def repair(tile: Tensor) -> Tensor:
        padded = pad_to(tile, multiple_of)
        answer = session.run(None, {inputs[0].name: padded.cpu().numpy()})[0]
        if answer.shape != tuple(padded.shape):
            raise ValueError(f"{tuple(padded.shape)} became {answer.shape}")
        return torch.from_numpy(answer)[:, :, : tile.shape[2], : tile.shape[3]]

    return ForeignExpert(path.name, repair, tiles)


#: Who reads a file, by how its name ends.
FILES: Mapping[str, Callable[[Path, str, Tiles], ForeignExpert]] = {
    ".onnx": load_onnx,
    ".pth": load_spandrel,
    ".pt": load_spandrel,
    ".ckpt": load_spandrel,
    ".safetensors": load_spandrel,
}
