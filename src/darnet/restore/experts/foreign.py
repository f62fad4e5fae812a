"""Other people's networks as experts: checkpoints known by their weights (spandrel), and ONNX files.

A checkpoint is read as tensors, never as code. Memory is bounded as for darnet's own networks: by tiles.

Shapes: H × W pixels, sRGB in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from darnet import registry
from darnet.engines.devices import pick_device
from darnet.engines.graphs import ENCODE, MULTIPLE_OF, OVERLAP_PX
from darnet.engines.onnxruntime import session
from darnet.engines.tracing import BOX
from darnet.errors import DarnetError, WeightsError, one_line
from darnet.images.regions import Region, RegionSource, read_all
from darnet.images.tiles import TileFunction, TilePlan, pad_to
from darnet.models import cards
from darnet.restore.experts.base import TILES, TiledExpert, Tiles
from darnet.restore.experts.fitting import Fitting

CHANNELS = 3
#: Sides that a graph of free size is given: most networks halve their input, at most four times.
MULTIPLE_PX = 16
#: More architectures for spandrel: a package of its own, since most of their authors allow no commercial use.
RESTRICTED, RESTRICTED_EXTRA = "spandrel_extra_arches", "foreign-restricted"
MORE = f"; Restormer, MPRNet, MIRNetv2 and more, mostly non-commercial: pip install 'darnet[{RESTRICTED_EXTRA}]'"


@dataclass(frozen=True)
class ForeignExpert(TiledExpert):
    """A function of "1 3 h w" pictures, asked tile by tile.

    And, where it is said so, of what `encode` makes of the whole picture, and of the box of the tile in it. A call
    raises DarnetError where it changes the size of a tile.
    """

    name: str
    function: Callable[..., Tensor]
    tiles: Tiles = TILES
    network: nn.Module | None = None  # where it is one of torch's
    multiple_of: int = 1  # sides of a tile, and where it lies
    encode: Callable[[Tensor], Sequence[Tensor]] | None = None  # whole picture -> further arguments of the function
    placed: bool = False  # whether its last argument is the box (`darnet.images.regions.Region.box`)

    def plan(self, height: int, width: int) -> TilePlan:
        """Tiles of sides that the network takes."""
        return self.tiles.plan(height, width, self.multiple_of)

    def look(self, source: RegionSource) -> TileFunction:
        """The function, told of the whole picture where it asks. Where memory runs short, see `Fitting`."""
        knows = () if self.encode is None else self.encode(read_all(source)[None])

        def repair(tile: Tensor, region: Region) -> Tensor:
            where = (region.box(source.height, source.width),) if self.placed else ()
            try:
                answer = self.function(tile, *knows, *where)
            except ValueError as error:
                raise DarnetError(f"{self.name}: {error}") from error
            if answer.shape != tile.shape:
                raise DarnetError(f"{self.name}: a tile of {tuple(tile.shape)} became {tuple(answer.shape)}")
            return answer.to(tile)

        return Fitting(repair, self.tiles, self.multiple_of)


def load_spandrel(path: Path, device: str = "auto", tiles: Tiles = TILES) -> ForeignExpert:
    """A checkpoint of an architecture that spandrel knows: `.pth`, `.pt`, `.ckpt` (tensors only) or `.safetensors`.

    With the extra `foreign-restricted` it knows Restormer, MPRNet, MIRNetv2 and more; mind the terms of each.
    Raises MissingPackageError without the extra, WeightsError naming the file and what is wrong with it.
    """
    if not path.is_file():
        raise WeightsError(path, "no such file")
    spandrel = registry.optional("spandrel", "foreign")
    restricted = find_spec(RESTRICTED) is not None
    if restricted:
        registry.optional(RESTRICTED, RESTRICTED_EXTRA).install(ignore_duplicates=True)
    try:
        if path.suffix.lower() == ".safetensors":
            tensors: Any = load_file(path)
        else:
            tensors = torch.load(path, map_location="cpu", weights_only=True)  # noqa: TID251  tensors only
        known = spandrel.canonicalize_state_dict(tensors)
        descriptor = spandrel.ModelLoader(device=pick_device(device)).load_from_state_dict(known)
    except Exception as error:  # whatever a stranger's file brings
        raise WeightsError(path, f"no network that is known ({one_line(error)}){'' if restricted else MORE}") from error
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

    Or one that darnet wrote (`darnet.engines.graphs`), which may have more inputs: what the graph that its metadata
    names, and that lies beside it, makes of the whole picture, and the box of the tile. It runs on the CPU. Where its
    size is fixed, tiles have that size.
    Raises MissingPackageError without the extra, WeightsError naming the file and what is wrong with it.
    """
    if not path.is_file():
        raise WeightsError(path, "no such file")
    run = _Graph(path)
    multiple_of, overlap_px, encode = _metadata(path, run.session.get_modelmeta().custom_metadata_map)
    inputs, outputs = run.session.get_inputs(), run.session.get_outputs()
    placed = len(inputs) > 1 and inputs[-1].name == BOX
    wanted = (1 + (0 if encode is None else len(encode.session.get_outputs())) + placed, 1)
    shape = inputs[0].shape if (len(inputs), len(outputs)) == wanted else []
    if len(shape) != 4 or shape[1] != CHANNELS or inputs[0].type != "tensor(float)":
        found = ", ".join(f"{item.name} {item.type} {item.shape}" for item in (*inputs, *outputs))
        raise WeightsError(path, f"expected one input and one output of (1, 3, H, W) floats, found {found}")
    fixed = [side for side in shape[2:] if isinstance(side, int)]
    if len(fixed) == 1 or len(set(fixed)) > 1:
        raise WeightsError(path, f"takes pictures of {shape[2]} × {shape[3]} only: neither free nor square")
    tiles = tiles.sharing(overlap_px)
    if fixed:
        tiles = Tiles(fixed[0], min(tiles.overlap_px, fixed[0] // 4))

    def repair(tile: Tensor, *more: Tensor) -> Tensor:
        padded = pad_to(tile, fixed[0]) if fixed else tile
        (answer,) = run(padded, *more)
        if answer.shape != padded.shape:
            raise ValueError(f"{tuple(padded.shape)} became {tuple(answer.shape)}")
        return answer[:, :, : tile.shape[2], : tile.shape[3]]

    sides = 1 if fixed else multiple_of
    return ForeignExpert(path.name, repair, tiles, multiple_of=sides, encode=encode, placed=placed)


def files(path: Path) -> tuple[Path, ...]:
    """All files that somebody else's network is made of, the one that is opened first. Raises as `FILES` does."""
    if path.suffix.lower() != ".onnx":
        return (path,)
    _, _, encode = _metadata(path, _Graph(path).session.get_modelmeta().custom_metadata_map)
    return (path,) if encode is None else (path, path.parent / encode.name)


class _Graph:
    """A graph as a function of tensors. Raises WeightsError for a file that is none; running it, DarnetError."""

    def __init__(self, path: Path) -> None:
        self.name, self.session = path.name, session(path, torch.get_num_threads(), "no ONNX graph")

    def __call__(self, *given: Tensor) -> tuple[Tensor, ...]:
        names = (item.name for item in self.session.get_inputs())
        try:
            arrays = {name: values.cpu().numpy() for name, values in zip(names, given, strict=True)}
            return tuple(map(torch.from_numpy, self.session.run(None, arrays)))
        except Exception as error:  # whatever a stranger's graph brings
            raise DarnetError(f"{self.name}: {one_line(error)}") from error


def _metadata(path: Path, found: Mapping[str, str]) -> tuple[int, int, _Graph | None]:
    """What sides divide by, what tiles must share, the graph of whole pictures. Raises WeightsError for nonsense."""
    try:
        multiple_of, overlap_px = int(found.get(MULTIPLE_OF, MULTIPLE_PX)), int(found.get(OVERLAP_PX, 0))
    except ValueError as error:
        raise WeightsError(path, f"metadata of darnet's that cannot be read ({one_line(error)})") from error
    if multiple_of < 1:
        raise WeightsError(path, f"{MULTIPLE_OF} is {multiple_of}")
    beside = found.get(ENCODE, "")
    if beside and not (cards.is_name(beside) and (path.parent / beside).is_file()):
        raise WeightsError(path, f"{beside}, the graph of the whole picture, does not lie beside it")
    return multiple_of, overlap_px, _Graph(path.parent / beside) if beside else None


#: Who reads a file, by how its name ends.
FILES: Mapping[str, Callable[[Path, str, Tiles], ForeignExpert]] = {
    ".onnx": load_onnx,
    ".pth": load_spandrel,
    ".pt": load_spandrel,
    ".ckpt": load_spandrel,
    ".safetensors": load_spandrel,
}
