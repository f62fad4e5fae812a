"""Names to classes. Built-ins are listed here, other packages add theirs by entry point; nothing is imported early.

A third party never shadows a built-in. `module:Class` names a class that is registered nowhere, such as one in a
file of the working directory: a user may type it, or write it into a recipe, but no card, reference or memory may hold
it, since they are data that travels.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from importlib import metadata
from importlib.metadata import EntryPoint, EntryPoints, PackageNotFoundError, distribution, version
from operator import attrgetter
from pathlib import Path
from pkgutil import resolve_name
from traceback import walk_tb
from typing import Any, Literal

from darnet.errors import MissingPackageError, UnknownNameError, UsageError, one_line

#: The kind that means none.
CLEAN = "clean"
#: What Python calls the code of a module.
BODY = "<module>"

Group = Literal["model", "encoder", "kind", "degradation", "expert", "router", "runtime"]

BUILTIN: Mapping[Group, Mapping[str, str]] = {
    "model": {
        "compact-unet": "darnet.models.compact:CompactUNet",
        "daair": "darnet.models.daair:DaAIR",
        "deconvolution-unet": "darnet.models.deconvolution:DeconvolutionUNet",
        "degradation-classifier": "darnet.models.classifier:DegradationClassifier",
        "slerir": "darnet.models.slerir:SLERIR",
        "unet": "darnet.models.unet:UNet",
    },
    "encoder": {
        "clip": "darnet.models.layers.clip:ClipEncoder",
        "convolutional": "darnet.models.layers.encoders:ConvolutionalEncoder",
    },
    "kind": {  # in the order in which routers and figures name them
        "clean": "darnet.degradations.clean:CLEAN",
        "noise": "darnet.degradations.noise:NOISE",
        "blur": "darnet.degradations.blur:BLUR",
        "overexposure": "darnet.degradations.exposure:OVEREXPOSURE",
        "haze": "darnet.degradations.haze:HAZE",
        "rain": "darnet.degradations.rain:RAIN",
        "motion": "darnet.degradations.motion:MOTION",
        "lowlight": "darnet.degradations.lowlight:LOWLIGHT",
        "jpeg": "darnet.degradations.jpeg:JPEG",
    },
    "degradation": {},  # kinds bring theirs
    "expert": {
        "median": "darnet.restore.experts.classical:Median",
        "nlm": "darnet.restore.experts.classical:NonLocalMeans",
        "wiener": "darnet.restore.experts.classical:Wiener",
        "richardson-lucy": "darnet.restore.experts.classical:RichardsonLucy",
        "clahe": "darnet.restore.experts.classical:Clahe",
    },
    "router": {
        "always": "darnet.restore.routers:Always",
    },
    "runtime": {
        "onnxruntime": "darnet.engines.onnxruntime:load",
        "openvino": "darnet.engines.openvino:load",
    },
}


def names(group: Group) -> list[str]:
    """Every name in a group, sorted. Of degradations, those that kinds bring as well; raises what `kinds` raises."""
    brought = [name for kind in kinds() for name in kind.degradations] if group == "degradation" else []
    return sorted({*BUILTIN[group], *brought, *(entry.name for entry in entry_points(group=f"darnet.{group}"))})


def find(group: Group, name: str, *, places: bool = False) -> Any:
    """What a name stands for; also a name `module:Class` where `places` are trusted, as what a user typed is.

    Raises UnknownNameError, which lists the known ones or says why the module cannot be had; what `kinds` raises.
    """
    if places and ":" in name:
        try:
            return _at(name)
        except (ImportError, AttributeError, ValueError) as error:
            raise UnknownNameError(group, name, names(group), reason=str(error)) from error
    for found in _named(group, name):
        return found
    raise UnknownNameError(group, name, names(group))


def entry_points(group: str, **chosen: str) -> EntryPoints:
    """As of `importlib.metadata`, which opens a file of each installed package: once, until others are installed."""
    installed = _installed(tuple((folder, _changed(folder)) for folder in sys.path))
    found: EntryPoints = installed.select(group=group, **chosen)
    return found


def kinds() -> Iterator[Any]:
    """Every kind of damage: darnet's in their order, then those of other packages, each loaded when its turn comes.

    Raises UsageError for one that cannot be loaded.
    """
    yield from own_kinds()
    yield from _other_kinds()


def kinds_of(kinds: Iterable[str]) -> tuple[str, ...]:
    """Kinds of damage, one after the other; a plain string is one kind, not the letters of its name."""
    return (kinds,) if isinstance(kinds, str) else tuple(kinds)


def own_kinds() -> Iterator[Any]:
    """Kinds of damage that darnet brings, in their order."""
    return map(resolve_name, BUILTIN["kind"].values())


@lru_cache(maxsize=1)
def _installed(_folders: tuple[tuple[str, int | None], ...]) -> Any:  # its class depends on Python's version
    return metadata.entry_points()


def _changed(folder: str) -> int | None:
    """When something was last added to a folder, or taken away."""
    with suppress(OSError):
        return Path(folder).stat().st_mtime_ns
    return None


def _other_kinds() -> Iterator[Any]:
    others = (entry for entry in entry_points(group="darnet.kind") if entry.name not in BUILTIN["kind"])
    return map(_load_kind, sorted(others, key=attrgetter("name")))


def _named(group: Group, name: str) -> Iterator[Any]:
    """Whatever has the name, darnet's own first. A degradation may be one that a kind brings."""
    if name in BUILTIN[group]:
        yield resolve_name(BUILTIN[group][name])
    if group == "degradation":
        yield from _brought(name, own_kinds())
    for entry in entry_points(group=f"darnet.{group}", name=name):
        yield _load_kind(entry) if group == "kind" else entry.load()
    if group == "degradation":
        yield from _brought(name, _other_kinds())


def _brought(degradation: str, kinds: Iterator[Any]) -> Iterator[Any]:
    return (kind.degradations[degradation] for kind in kinds if degradation in kind.degradations)


def _load_kind(entry: EntryPoint) -> Any:
    try:
        kind = entry.load()
    except Exception as error:  # whatever a stranger's module brings
        raise UsageError(f"kind {entry.name} ({entry.value}): {one_line(error)}") from error
    if getattr(kind, "name", None) != entry.name:
        raise UsageError(f"kind {entry.name} ({entry.value}): no kind of this name")
    return kind


def _at(place: str) -> Any:
    """What lies at `module:Class`; the working directory is looked into last.

    So a file there takes the place of no installed module: folders of photos may hold anything.
    """
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # for good: the module may import its neighbours later
    return resolve_name(place)


def optional(module: str, extra: str) -> Any:
    """A module that only an extra of darnet brings.

    Raises MissingPackageError, which says how to install it; or, where it is installed and cannot be imported, why.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingPackageError(f"needs {module} ({error}): pip install 'darnet[{extra}]'") from error
    except Exception as error:  # compiled code, or a version, that does not fit what else is installed
        reason = one_line(error)
        raise MissingPackageError(f"needs {module}, which is installed ({reason}): {_misfit(error)}") from error


def _misfit(error: Exception) -> str:
    """Which package it is that cannot be imported, and how to get one that can where that is known."""
    begun = [frame.f_globals["__name__"] for frame, _ in walk_tb(error.__traceback__) if frame.f_code.co_name == BODY]
    name = begun[-1].partition(".")[0] if begun else ""
    try:
        package, torch = distribution(name), version("torch")
    except (PackageNotFoundError, ValueError):
        return "it cannot be imported"
    if not any(re.match(r"torch\b(?!-)", needed) for needed in package.requires or ()):
        return f"{name} {package.version} cannot be imported"
    build = torch.partition("+")[2]
    index = f" --index-url https://download.pytorch.org/whl/{build}" if build else ""
    beside = f"{name} {package.version} cannot be imported beside torch {torch}"
    return f"{beside}; for one that can: pip install --force-reinstall {name} torch=={torch}{index}"
