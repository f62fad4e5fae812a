"""Names to classes. Built-ins are listed here, other packages add theirs by entry point; nothing is imported early.

A third party never shadows a built-in. `module:Class` names a class that is registered nowhere, such as one in a
file of the working directory: a user may type it, or write it into a recipe, but no card, reference or memory may hold
it, since they are data that travels.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, Literal

from darnet.errors import MissingPackageError, UnknownNameError

Group = Literal["model", "encoder", "degradation", "expert", "router"]

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
        "clip": "darnet.nn.clip:ClipEncoder",
        "convolutional": "darnet.nn.encoders:ConvolutionalEncoder",
    },
    "degradation": {
        "clean": "darnet.degradations.base:Clean",
        "noise": "darnet.degradations.noise:GaussianNoise",
        "poisson-noise": "darnet.degradations.noise:PoissonGaussianNoise",
        "grain": "darnet.degradations.noise:Grain",
        "blur": "darnet.degradations.blur:GaussianBlur",
        "overexposure": "darnet.degradations.exposure:Overexposure",
        "haze": "darnet.degradations.haze:Haze",
        "rain": "darnet.degradations.rain:Rain",
        "motion": "darnet.degradations.motion:MotionBlur",
        "measured-motion": "darnet.degradations.motion:MeasuredMotion",
        "lowlight": "darnet.degradations.lowlight:LowLight",
        "jpeg": "darnet.degradations.jpeg:Jpeg",
    },
    "expert": {
        "median": "darnet.experts.classical:Median",
        "nlm": "darnet.experts.classical:NonLocalMeans",
        "wiener": "darnet.experts.classical:Wiener",
        "richardson-lucy": "darnet.experts.classical:RichardsonLucy",
        "clahe": "darnet.experts.classical:Clahe",
    },
    "router": {
        "always": "darnet.routers:Always",
    },
}


def names(group: Group) -> list[str]:
    """Every name in a group, sorted."""
    return sorted({*BUILTIN[group], *(entry.name for entry in entry_points(group=f"darnet.{group}"))})


def find(group: Group, name: str, *, places: bool = False) -> Any:
    """The class or function behind a name; behind `module:Class` where `places` are trusted, as what a user typed is.

    Raises UnknownNameError, which lists the known ones or says why the module cannot be had.
    """
    if name in BUILTIN[group]:
        return resolve_name(BUILTIN[group][name])
    for entry in entry_points(group=f"darnet.{group}", name=name):
        return entry.load()
    if places and ":" in name:
        try:
            return _at(name)
        except (ImportError, AttributeError, ValueError) as error:
            raise UnknownNameError(group, f"{name} ({error})", names(group)) from error
    raise UnknownNameError(group, name, names(group))


def _at(place: str) -> Any:
    """What lies at `module:Class`; the working directory is looked into last.

    So a file there takes the place of no installed module: folders of photos may hold anything.
    """
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # for good: the module may import its neighbours later
    return resolve_name(place)


def optional(module: str, extra: str) -> Any:
    """A module that only an extra of darnet brings. Raises MissingPackageError, which says how to install it."""
    try:
        return importlib.import_module(module)
    except (ImportError, RuntimeError) as error:  # RuntimeError: a torchvision that does not fit its torch
        reason = " ".join(str(error).split())
        raise MissingPackageError(f"needs {module} ({reason}): pip install 'darnet[{extra}]'") from error
