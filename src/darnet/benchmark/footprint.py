"""What a network takes: parameters, multiply–accumulates and memory at fixed sizes; for experts and routers alike.

Shapes: H × W pixels, sRGB in [0, 1].
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from math import ceil
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from darnet import registry
from darnet.benchmark.run import peak_mb
from darnet.benchmark.suites.tasks import kinds
from darnet.engines.devices import Precision
from darnet.engines.pytorch import TorchBackend
from darnet.errors import ResourceError, UsageError
from darnet.images import scratch
from darnet.images.regions import Planes, everything
from darnet.models import cards
from darnet.models.abilities import Watched
from darnet.models.base import Model
from darnet.restore.experts import NetworkExpert, Tiles
from darnet.restore.experts.base import TiledExpert
from darnet.restore.routers import NetworkRouter
from darnet.systems.loading import load_expert

SIZES_PX = (256, 512)
#: Sides of tiles whose memory is measured, and by how much more than was measured is said.
TILES_PX, MARGIN = (256, 512, 1152), 1.1
PROC = Path("/proc/self")
#: A network that must be told its kinds of damage is measured with these.
KINDS = kinds("5-task")
#: What the paper of a network says of its size, as far as its text is at hand.
PAPERS: Mapping[str, str] = {
    "daair": "DaAIR: 6 M parameters for three kinds and for five (Tables 1 and 2), where PromptIR has 36 M; fewer "
    "multiply–accumulates and less memory than PromptIR (Table 5, whose figures are not at hand)",
    "slerir": "SLER-IR prints no size; one path of its blocks at Restormer's width is 26 M parameters, and two CLIP "
    "towers come on top",
}

#: A folder of weights; or the name of a registered network, which is then untrained and has its default arguments.
Source = Path | str


@dataclass(frozen=True)
class AtSize:
    """10⁹ multiply–accumulates on one picture, and the peak of a whole process on the CPU in 10⁶ bytes."""

    size_px: int
    gmacs: float
    peak_mb: float


@dataclass(frozen=True)
class Footprint:
    """All that a network takes, and what its paper says."""

    parameters: int
    active: int  # of these, what works on one picture: of experts side by side the largest
    sizes: tuple[AtSize, ...]
    paper: str | None

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self)


def footprint(source: Source, sizes_px: Sequence[int] = SIZES_PX) -> Footprint:
    """Measure a network. Raises what `build` raises, and ResourceError where a process is killed."""
    model = build(source)
    kind = cards.read_card(source).kind if isinstance(source, Path) else source
    sizes = tuple(_alone(source, size_px) for size_px in sizes_px)
    return Footprint(_count(model), _count(model) - idle(model), sizes, PAPERS.get(kind))


def tile_memory(folder: Path, backend: str, precision: Precision) -> tuple[int, int]:
    """What a tile of an expert takes on a CPU, at most: bytes however small it is, and for each of its pixels (`Cost`).

    It is the peak of a process over what it held before, with tiles of TILES_PX, on Linux; a tenth more is said.
    Raises what `load_expert` raises.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
        peaks = alone.submit(_peaks, folder, backend, precision).result()
    (small, low), (large, high) = peaks[-2:]
    pixel = (high - low) / (large**2 - small**2)
    fixed = max(0.0, *(peak - pixel * side**2 for side, peak in peaks))
    return ceil(MARGIN * fixed / 1e6) * 10**6, ceil(MARGIN * pixel)


def _peaks(folder: Path, backend: str, precision: Precision) -> list[tuple[int, int]]:
    torch.set_num_threads(1)
    expert = load_expert(folder, "cpu", precision, Tiles(0), backend)
    if not isinstance(expert, TiledExpert):
        raise UsageError(f"{folder}: not asked by tiles")
    peaks = []
    for side in (TILES_PX[0], *TILES_PX):  # the first time what stays is made, too
        picture = Planes(torch.rand(3, side, side, generator=torch.Generator().manual_seed(0)))
        repair = expert.look(picture)
        scratch.trim()
        before = resident_bytes()
        forget_peak()
        repair(picture.pixels[None], everything(picture))
        peaks.append((side, peak_bytes() - before + picture.pixels.nbytes))
    return peaks[1:]


def resident_bytes(line: str = "VmRSS") -> int:
    """What the process holds in memory, on Linux."""
    lines = (PROC / "status").read_text(encoding="ascii").splitlines()
    return next(int(one.split()[1]) for one in lines if one.startswith(line)) * 1024


def peak_bytes() -> int:
    """The most that it held since `forget_peak`."""
    return resident_bytes("VmHWM")


def forget_peak() -> None:
    """Begin to look for the most that it holds anew."""
    (PROC / "clear_refs").write_text("5", encoding="ascii")


def idle(model: Model) -> int:
    """Parameters that rest while one picture is repaired: experts that were not chosen (`Watched.parts`)."""
    stages = model.parts() if isinstance(model, Watched) else {}
    groups = [part for parts in stages.values() for part in parts.values() if isinstance(part, nn.ModuleList)]
    counts = [[_count(expert) for expert in group] for group in groups]
    return sum(sum(group) - max(group) for group in counts)


def _count(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


def build(source: Source) -> Model:
    """The network itself. Raises WeightsError for a folder, and what `arguments` raises for a name."""
    if isinstance(source, Path):
        return cards.load(source)[0]
    model: Model = registry.find("model", source)(**arguments(source))
    return model.eval().requires_grad_(False)


def arguments(name: str) -> dict[str, Any]:
    """What a registered network must be given beside its defaults: its kinds.

    Raises UnknownNameError, or UsageError for a network that needs more than that.
    """
    parameters = inspect.signature(registry.find("model", name)).parameters.values()
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [one.name for one in parameters if one.default is one.empty and one.kind not in variable]
    if unknown := [argument for argument in needed if argument != "kinds"]:
        raise UsageError(f"{name}: no default for {', '.join(unknown)}, so nobody knows how large it is")
    return {"kinds": list(KINDS)} if needed else {}


def _alone(source: Source, size_px: int) -> AtSize:
    """In a process of its own, so that the memory is its own as well."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
        try:
            return alone.submit(_measure, source, size_px).result()
        except BrokenProcessPool as error:
            raise ResourceError(f"{source}: the process was killed at {size_px}×{size_px}") from error


def _measure(source: Source, size_px: int) -> AtSize:
    run = _runner(build(source))
    picture = torch.rand(3, size_px, size_px, generator=torch.Generator().manual_seed(0))
    run(picture)
    peak = peak_mb()  # before anything is counted, which takes memory too
    with FlopCounterMode(display=False) as counter:
        run(picture)
    return AtSize(size_px, round(counter.get_total_flops() / 2e9, 3), round(peak))


def _runner(model: Model) -> Callable[..., object]:
    """How a picture passes through: whole through an expert, by crops through a router."""
    backend = TorchBackend(model, "cpu")
    side = 8 * model.multiple_of
    makes_pictures = backend(torch.zeros(1, 3, side, side)).image is not None
    return NetworkExpert(backend, Tiles(0)) if makes_pictures else NetworkRouter(backend)
