"""Which backend is the fastest here, of those whose answers are right: tried out once, and remembered.

Shapes: B batch, H × W pixels. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Final

import torch
from torch import Tensor

from darnet import registry
from darnet.engines.backend import Backend, GraphBackend
from darnet.engines.devices import Precision, pick_device, pick_dtype
from darnet.engines.pytorch import TorchBackend
from darnet.errors import UnknownNameError, UsageError
from darnet.files import unfinished
from darnet.models.abilities import Classifier, Measuring
from darnet.models.base import Model
from darnet.version import __version__

#: What is chosen, and the backend that is always there and knows every network and device.
AUTO: Final = "auto"
TORCH: Final = "torch"
#: Variables of the environment: what `auto` is on this machine; and where what was tried is kept.
STATED, CACHE = "DARNET_BACKEND", "DARNET_CACHE"
#: A precision by which no figure gets worse by more than so many dB is taken where nobody states one.
MOST_LOST_DB = 0.05
#: What is tried: tiles of these sides, of which the first is timed, or so many crops of this side; so often, after once
#: that does not count.
TILES_PX, CROPS, CROP_PX, TRIES = ((256, 256), (96, 320)), 16, 128, 3
#: How far from torch's float32 an answer may be: anywhere, in float32; as root mean square, in any other precision.
EXACT, CLOSE = 0.25 / 255, 0.75 / 255
#: Packages on whose versions an answer depends; runtimes of other packages are of their own.
PACKAGES = ("torch", "onnxruntime", "openvino")


@dataclass(frozen=True)
class Choice:
    """A backend and a precision; and what each that answered rightly took, in milliseconds."""

    backend: str
    precision: str
    milliseconds: Mapping[str, float]


@dataclass(frozen=True)
class Part:
    """A network and what is known of it.

    `graph`: that of a tile, if there is one; `losses`: dB that "backend precision" lose; `sha256`: of its weights.
    """

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
    and for a network without a graph, it is torch.
    Raises UnknownNameError for no backend, UsageError for a device, a precision or a network that it cannot, and
    MissingPackageError without its package.
    """
    asked, where = stated(backend), pick_device(device)
    pick_dtype(precision, where)  # refused here, whoever would compute in it
    possible = where.type == "cpu" and part.has_graph
    if asked == TORCH or (backend == AUTO and not possible):
        return TorchBackend(part.model, device, precision)
    if not possible:
        why = f"there is no graph of this {type(part.model).__name__}"
        raise UsageError(f"`backend={asked!r}`: {why if where.type == 'cpu' else 'it runs on the CPU'}")
    if asked != AUTO:
        return _prepared(part, asked, "fp32" if precision == AUTO else precision)
    choice = _remembered(part, precision)
    try:
        return _prepared(part, choice.backend, choice.precision)
    except Exception:  # no longer what it was when it was tried
        return TorchBackend(part.model, device, precision)


def stated(backend: str) -> str:
    """A backend by its name; for `auto`, what `DARNET_BACKEND` says. Raises UnknownNameError for no backend."""
    asked = (os.environ.get(STATED) or AUTO) if backend == AUTO else backend
    if asked not in (AUTO, *backends()):
        where = f"`backend={backend!r}`" if backend != AUTO else f"the variable {STATED}"
        raise UnknownNameError("backend", asked, [AUTO, *backends()], where=where)
    return asked


def candidates(backend: str, precision: Precision, losses: Mapping[str, float] | None) -> list[tuple[str, str]]:
    """Backends and precisions that may compute a network on this CPU. Raises UnknownNameError."""
    asked = stated(backend)
    if asked != AUTO:
        return [(asked, "fp32" if precision == AUTO else precision)]
    here = [name for name in backends() if _is_here(name)]
    if precision != AUTO:
        return [(name, precision) for name in here]
    harmless = [tuple(name.split()) for name, lost in (losses or {}).items() if lost <= MOST_LOST_DB]
    return [(name, "fp32") for name in here] + [(name, one) for name, one in harmless if name in here]


def backends() -> list[str]:
    """The names of all that are known, installed or not."""
    return [TORCH, *registry.names("runtime")]


def _is_here(backend: str) -> bool:
    return backend not in PACKAGES or find_spec(backend) is not None


def _prepared(part: Part, backend: str, precision: str) -> Backend:
    network = TorchBackend(part.model, "cpu", "bf16" if (backend, precision) == (TORCH, "bf16") else "fp32")
    return network if backend == TORCH or part.graph is None else GraphBackend(network, part.graph, backend, precision)


def _remembered(part: Part, precision: Precision) -> Choice:
    """What was found out before, or else now: by one process after the other, which then agree."""
    allowed = candidates(AUTO, precision, part.losses)
    path = _file(_key(part.graph, part.sha256, allowed))
    if (choice := _read(path)) is not None:
        return choice
    with _alone(path):
        if (choice := _read(path)) is None:
            choice = probe(part, allowed)
            with suppress(OSError), unfinished(path) as temporary:  # else it is tried again the next time
                temporary.write_text(json.dumps(asdict(choice), indent=1), encoding="utf-8")
    return choice


def known(graph: Path, sha256: str, losses: Mapping[str, float] | None) -> Choice | None:
    """What `auto` has found out of weights on this machine, in as many threads as torch takes now; None: nothing yet.

    `graph`: that lies beside them; `losses`: as the card says. Raises UnknownNameError for a `DARNET_BACKEND` that is
    none.
    """
    return _read(_file(_key(graph, sha256, candidates(AUTO, AUTO, losses))))


def _file(key: str) -> Path:
    """Where a choice is kept: in `DARNET_CACHE`, or a folder of the user's caches, if there is a user."""
    caches = os.environ.get(CACHE) or os.environ.get("XDG_CACHE_HOME")
    if caches is None:
        with suppress(RuntimeError):  # of whom nobody knows a home
            caches = str(Path.home() / ".cache")
    folder = Path(caches or os.devnull)
    return (folder if os.environ.get(CACHE) else folder / "darnet") / f"backend-{key[:32]}.json"


def _read(path: Path) -> Choice | None:
    """What is kept in a file; nothing where there is none, or none that can be read."""
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        found = json.loads(path.read_text(encoding="utf-8"))
        milliseconds = {str(name): float(took) for name, took in found["milliseconds"].items()}
        return Choice(str(found["backend"]), str(found["precision"]), milliseconds)
    return None


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """While no other process of this machine finds out the same, where that can be seen to."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl

        lock = path.with_suffix(".lock").open("w")
    except (ImportError, OSError):
        yield
        return
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _key(graph: Path | None, sha256: str, allowed: Sequence[tuple[str, str]]) -> str:
    """Of the machine, of all that computes, and of what is computed."""
    versions = [f"{package} {_version(package)}" for package in PACKAGES]
    machine = [platform.machine(), _processor(), torch.backends.cpu.get_cpu_capability(), torch.get_num_threads()]
    told = [__version__, *versions, *machine, *allowed, sha256]
    with suppress(OSError):
        told.append(hashlib.sha256(b"" if graph is None else graph.read_bytes()).hexdigest())
    return hashlib.sha256("\n".join(map(str, told)).encode()).hexdigest()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith(("model name", "CPU part")):
                return line
    return platform.processor()


def probe(part: Part, allowed: Sequence[tuple[str, str]]) -> Choice:
    """Try backends and precisions, and take the fastest that answers rightly; torch's float32 is right.

    Where none does, it is torch, in the precision that comes first.
    """
    samples = _samples(part.model)
    exact = TorchBackend(part.model, "cpu", "fp32")
    right = [_answer(exact, sample) for sample in samples]
    milliseconds = dict[str, float]()
    for backend, precision in allowed:
        with suppress(Exception):  # not installed, or whatever somebody else's runtime brings
            tried = _prepared(part, backend, precision)
            answers = (_answer(tried, sample) for sample in samples)
            if all(_is_right(answer, wanted, precision) for answer, wanted in zip(answers, right, strict=True)):
                milliseconds[f"{backend} {precision}"] = _time(partial(_answer, tried, samples[0]))
    if not milliseconds:
        return Choice(TORCH, allowed[0][1], {})
    backend, precision = min(milliseconds, key=milliseconds.__getitem__).split()
    return Choice(backend, precision, milliseconds)


def _samples(model: Model) -> list[Tensor]:
    """What a network is tried with, always the same: slopes with some grain, as tiles, or as crops of one picture."""
    rng = torch.Generator().manual_seed(0)
    pictures = []
    for sides in TILES_PX:
        coarse = torch.rand(1, 3, 9, 9, generator=rng)
        smooth = torch.nn.functional.interpolate(coarse, sides, mode="bilinear")
        pictures.append((smooth + 0.05 * torch.randn(smooth.shape, generator=rng)).clamp(0, 1))
    if not isinstance(model, Classifier):
        return pictures
    places = torch.randint(0, TILES_PX[0][0] - CROP_PX + 1, (CROPS, 2), generator=rng).tolist()
    return [torch.cat([pictures[0][:, :, top : top + CROP_PX, left : left + CROP_PX] for top, left in places])]


def _answer(backend: Backend, shown: Tensor) -> Tensor:
    """What a backend makes of a sample, as numbers of which 1 / 255 is little."""
    model, box = backend.model, torch.tensor([[0.0, 0.0, 1.0, 1.0]])
    context = backend.encode(shown[:1]).expand(len(shown))
    output = backend(shown, context, box if model.placed else None)
    if output.image is not None or not isinstance(model, Classifier):
        return torch.zeros(0) if output.image is None else output.image
    said = [model.verdict(output, len(shown)), model.verdict(output, 1)]
    levels = [] if output.severities is None else [output.severities.log()]
    return torch.cat([*said, *levels]).sigmoid()


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
