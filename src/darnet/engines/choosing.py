"""Which backend is the fastest here, of those whose answers are right: tried out once, and remembered.

Shapes: B batch, H × W pixels. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any, Final

import torch
from torch import Tensor

from darnet import registry
from darnet.engines.backend import Backend, GraphBackend
from darnet.engines.devices import Precision, pick_device, pick_dtype
from darnet.engines.pytorch import TorchBackend
from darnet.errors import DarnetError, UnknownNameError, UsageError
from darnet.files import unfinished
from darnet.models.abilities import Classifier, Measuring
from darnet.models.base import Model
from darnet.version import __version__

#: What is chosen, and the backend that is always there and knows every network and device.
AUTO: Final = "auto"
TORCH: Final = "torch"
#: A variable of the environment: what `auto` is on this machine; and where what was tried is kept.
STATED, CACHE = "DARNET_BACKEND", "DARNET_CACHE"
#: Precisions by which no figure gets worse by more than so many dB are taken where nobody states one.
MOST_LOST_DB = 0.05
#: What is tried: a tile of this side, and as many crops of this side; so often, after once that does not count.
TILE_PX, CROPS, CROP_PX, TRIES = 256, 16, 128, 3
#: How far from torch's float32 an answer may be: anywhere, in float32; as root mean square, in any other precision.
EXACT, CLOSE = 0.25 / 255, 0.75 / 255
#: Packages on whose versions an answer depends.
PACKAGES = ("torch", "onnxruntime", "openvino")


@dataclass(frozen=True)
class Choice:
    """A backend and a precision; and what each that answered rightly took, in milliseconds."""

    backend: str
    precision: str
    milliseconds: Mapping[str, float]


@dataclass(frozen=True)
class Part:
    """A network, and what is known of it: its graph, if there is one; dB that precisions lose; what tells it apart."""

    model: Model
    graph: Path | None = None
    losses: Mapping[str, float] | None = None
    sha256: str = ""

    @property
    def has_graph(self) -> bool:
        """Whether graphs answer as it does: layers that measure a whole picture cannot in a graph of a tile."""
        return self.graph is not None and not isinstance(self.model, Measuring)


def prepare(part: Part, device: str = AUTO, precision: Precision = AUTO, backend: str = AUTO) -> Backend:
    """A network, made ready by the backend that is asked for, or by the fastest one here.

    `auto` takes what `DARNET_BACKEND` says, else the fastest of those that answer as torch in float32 does; on a GPU,
    and for a network without a graph, that is torch.
    Raises UnknownNameError for no backend, UsageError for a device, a precision or a network that it cannot, and
    MissingPackageError without its package.
    """
    asked = stated(backend)
    where = pick_device(device)
    pick_dtype(precision, where)  # refused here, whoever would compute in it
    on_cpu = where.type == "cpu"
    if asked == TORCH or (asked == AUTO and not (on_cpu and part.has_graph)):
        return TorchBackend(part.model, device, precision)
    if asked == AUTO:
        choice = _remembered(part, precision)
        return _prepared(part, choice.backend, choice.precision)
    if not on_cpu:
        raise UsageError(f"`backend={asked!r}`: it runs on the CPU; `device={device!r}`")
    if not part.has_graph:
        if backend == AUTO:  # said of the whole machine, for what can be
            return TorchBackend(part.model, device, precision)
        raise UsageError(f"`backend={asked!r}`: there is no graph of this {type(part.model).__name__}")
    return _prepared(part, asked, "fp32" if precision == AUTO else precision)


def stated(backend: str) -> str:
    """A backend by its name; for `auto`, what `DARNET_BACKEND` says. Raises UnknownNameError for no backend."""
    asked = os.environ.get(STATED, AUTO) if backend == AUTO else backend
    if asked not in (AUTO, *backends()):
        raise UnknownNameError("backend", asked, [AUTO, *backends()])
    return asked


def candidates(backend: str, precision: Precision, losses: Mapping[str, float] | None) -> list[tuple[str, str]]:
    """What may compute a network on a CPU, installed or not: backends and precisions. Raises UnknownNameError."""
    asked = stated(backend)
    if asked != AUTO:
        return [(asked, "fp32" if precision == AUTO else precision)]
    return [(name, one) for name in backends() for one in _allowed(losses, precision)]


def backends() -> list[str]:
    """The names of all that are known, installed or not."""
    return [TORCH, *registry.names("runtime")]


def _prepared(part: Part, backend: str, precision: str) -> Backend:
    if backend == TORCH:
        return TorchBackend(part.model, "cpu", "bf16" if precision == "bf16" else "fp32")
    if part.graph is None:
        raise DarnetError(f"{backend}: no graph")
    return GraphBackend(TorchBackend(part.model, "cpu", "fp32"), part.graph, backend, precision)


def _remembered(part: Part, precision: Precision) -> Choice:
    """What was found out before, or else now."""
    if (choice := known(part.sha256, part.losses, precision)) is not None:
        return choice
    allowed = _allowed(part.losses, precision)
    choice, path = probe(part, allowed), _file()
    with suppress(OSError):  # then it is tried again the next time
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished(path) as temporary:
            found = _read(path) | {_key(part.sha256, allowed): asdict(choice)}
            temporary.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return choice


def known(sha256: str, losses: Mapping[str, float] | None, precision: Precision = AUTO) -> Choice | None:
    """What was found out before of these weights, on this machine and with these packages; None: nothing.

    `losses`: dB that precisions lose, as the card of the weights says.
    """
    found = _read(_file()).get(_key(sha256, _allowed(losses, precision)))
    with suppress(TypeError):  # of another version
        return None if found is None else Choice(**found)
    return None


def _allowed(losses: Mapping[str, float] | None, precision: Precision) -> list[str]:
    """The precision that is stated, or float32 and those that lose next to nothing."""
    harmless = [name for name, lost in (losses or {}).items() if lost <= MOST_LOST_DB]
    return list(dict.fromkeys(["fp32", *harmless])) if precision == AUTO else [precision]


def _file() -> Path:
    """Where what was found out is kept: in `DARNET_CACHE`, or in a folder of the user's caches."""
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get(CACHE) or Path(caches) / "darnet") / "backends.json"


def _read(path: Path) -> dict[str, dict[str, Any]]:
    """What is kept in a file of choices; nothing where there is none, or none that can be read."""
    with suppress(OSError, ValueError):
        found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return {key: value for key, value in found.items() if isinstance(value, dict)}
    return {}


def _key(sha256: str, allowed: list[str]) -> str:
    """Of the machine, of all that computes, and of what is computed."""
    versions = [f"{package} {_version(package)}" for package in PACKAGES]
    machine = [platform.machine(), _processor(), torch.backends.cpu.get_cpu_capability(), torch.get_num_threads()]
    told = [__version__, *versions, *machine, *backends(), *allowed, sha256]
    return hashlib.sha256("\n".join(map(str, told)).encode()).hexdigest()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line
    return platform.processor()


def probe(part: Part, precisions: list[str]) -> Choice:
    """Try every backend and precision, and take the fastest that answers rightly; torch's float32 is right."""
    given = _sample(part.model)
    with torch.random.fork_rng(devices=[]):
        right = _answer(TorchBackend(part.model, "cpu", "fp32"), *given)
        milliseconds = dict[str, float]()
        for name in backends():
            for precision in precisions:
                with suppress(DarnetError):  # not installed, or it does not know the precision
                    backend = _prepared(part, name, precision)
                    if _is_right(_answer(backend, *given), right, precision):
                        milliseconds[f"{name} {precision}"] = _time(lambda ask=backend: _answer(ask, *given))  # type: ignore[misc]
    if not milliseconds:
        raise UsageError(f"`precision={precisions[0]!r}`: no backend here can")
    name, precision = min(milliseconds, key=milliseconds.__getitem__).split()
    return Choice(name, precision, milliseconds)


def _sample(model: Model) -> tuple[Tensor, Tensor]:
    """A picture of slopes with some grain, always the same, and what the network is given of it: a tile, or crops."""
    rng = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 9, 9, generator=rng)
    picture = torch.nn.functional.interpolate(coarse, (TILE_PX, TILE_PX), mode="bilinear")
    picture = (picture + 0.05 * torch.randn(picture.shape, generator=rng)).clamp(0, 1)
    if not isinstance(model, Classifier):
        return picture, picture
    places = torch.randint(0, TILE_PX - CROP_PX + 1, (CROPS, 2), generator=rng).tolist()
    return picture, torch.cat([picture[:, :, top : top + CROP_PX, left : left + CROP_PX] for top, left in places])


def _answer(backend: Backend, picture: Tensor, shown: Tensor) -> Tensor:
    """What a backend makes of the sample."""
    box = torch.tensor([[0.0, 0.0, 1.0, 1.0]])
    output = backend(shown, backend.encode(picture).expand(len(shown)), box if backend.model.placed else None)
    return output.routings[-1].logits.sigmoid() if output.image is None else output.image


def _is_right(answer: Tensor, right: Tensor, precision: str) -> bool:
    if answer.shape != right.shape or not bool(answer.isfinite().all()):
        return False
    off = answer.float().clamp(0, 1) - right.float().clamp(0, 1)
    return float(off.abs().max()) <= EXACT if precision == "fp32" else float(off.square().mean().sqrt()) <= CLOSE


def _time(run: Callable[[], object]) -> float:
    return round(median(_seconds(run)) * 1e3, 2)


def _seconds(run: Callable[[], object]) -> Iterator[float]:
    for _ in range(TRIES):
        begun = time.perf_counter()
        run()
        yield time.perf_counter() - begun
