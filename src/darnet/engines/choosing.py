"""Which backend is the fastest here, of those whose answers are right: tried out once, and remembered."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import torch

from darnet import registry
from darnet.engines.backend import Backend, Runtime
from darnet.engines.devices import INT8, Precision, pick_device, pick_dtype
from darnet.engines.probing import Choice, Part, prepared, probe
from darnet.engines.pytorch import TORCH, TorchBackend
from darnet.engines.quantisation import QUANTISED
from darnet.errors import UnknownNameError, UsageError
from darnet.files import unfinished
from darnet.version import __version__

#: What is chosen where nobody says who.
AUTO: Final = "auto"
#: Variables of the environment: what `auto` is on this machine; and where what was tried is kept.
STATED, CACHE = "DARNET_BACKEND", "DARNET_CACHE"
#: A precision by which no figure gets worse by more than so many dB is taken where nobody states one.
MOST_LOST_DB = 0.05
#: Packages on whose versions an answer depends; runtimes of other packages are of their own.
PACKAGES = ("torch", "onnxruntime", "openvino")


def prepare(part: Part, device: str = AUTO, precision: Precision = AUTO, backend: str = AUTO) -> Backend:
    """A network, made ready by the backend that is asked for, or by the fastest one here.

    `auto` takes what `DARNET_BACKEND` says, else the fastest of those that answer as torch in float32 does; on a GPU,
    and for a network without a graph, it is torch. A part that has no graph in 8 bits is computed in float32 where
    those are asked for.
    Raises UnknownNameError for no backend, UsageError for a device, a precision or a network that it cannot, and
    MissingPackageError without its package.
    """
    asked, where = stated(backend), pick_device(device)
    possible = where.type == "cpu" and part.has_graph
    if precision == INT8 and part.quantised is None and possible and asked != TORCH:
        precision = "fp32"
    if precision != INT8 or not possible:
        pick_dtype(precision, where)  # refused here, whoever would compute in it
    if asked == TORCH or (backend == AUTO and not possible):
        return TorchBackend(part.model, device, precision)
    if not possible:
        why = f"there is no graph of this {type(part.model).__name__}"
        raise UsageError(f"`backend={asked!r}`: {why if where.type == 'cpu' else 'it runs on the CPU'}")
    if asked != AUTO:
        return prepared(part, asked, "fp32" if precision == AUTO else precision)
    choice = _remembered(part, precision)
    if precision == INT8 and choice.backend == TORCH:
        what = type(part.model).__name__
        raise UsageError(f"`precision='int8'`: no backend that is here answers rightly in it for this {what}")
    try:
        return prepared(part, choice.backend, choice.precision)
    except Exception:  # no longer what it was when it was tried
        return TorchBackend(part.model, device, precision)


def stated(backend: str) -> str:
    """A backend by its name; for `auto`, what `DARNET_BACKEND` says. Raises UnknownNameError for no backend."""
    asked = (os.environ.get(STATED) or AUTO) if backend == AUTO else backend
    if asked not in (AUTO, *backends()):
        where = f"`backend={backend!r}`" if backend != AUTO else f"the variable {STATED}"
        raise UnknownNameError("backend", asked, [AUTO, *backends()], where=where)
    return asked


@lru_cache
def check_precision(backend: str, precision: str, graph: Path) -> None:
    """Ask a runtime whether it computes a graph in a precision, before any picture.

    Raises UsageError where it does not, MissingPackageError without its package, WeightsError for a damaged graph.
    """
    load: Runtime = registry.find("runtime", backend)
    load(graph, precision, torch.get_num_threads())


def candidates(backend: str, precision: Precision, losses: Mapping[str, float] | None) -> list[tuple[str, str]]:
    """Backends and precisions that may compute a network on this CPU. Raises UnknownNameError."""
    asked = stated(backend)
    if asked != AUTO:
        return [(asked, "fp32" if precision == AUTO else precision)]
    here = [name for name in backends() if _is_here(name)]
    if precision != AUTO:
        return [(name, precision) for name in here if (name, precision) != (TORCH, INT8)]
    harmless = [tuple(name.split()) for name, lost in (losses or {}).items() if lost <= MOST_LOST_DB]
    return [(name, "fp32") for name in here] + [(name, one) for name, one in harmless if name in here]


def backends() -> list[str]:
    """The names of all that are known, installed or not."""
    return [TORCH, *registry.names("runtime")]


def _is_here(backend: str) -> bool:
    return backend not in PACKAGES or find_spec(backend) is not None


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
    for path in () if graph is None else (graph, graph.with_name(QUANTISED)):
        with suppress(OSError):
            told.append(hashlib.sha256(path.read_bytes()).hexdigest())
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
