"""Names to classes. Built-ins are listed here, other packages add theirs by entry point; nothing is imported early.

A third party never shadows a built-in.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from pkgutil import resolve_name
from typing import Any, Literal

from darnet.errors import UnknownNameError

Group = Literal["model", "degradation"]

BUILTIN: Mapping[Group, Mapping[str, str]] = {
    "model": {
        "compact-unet": "darnet.models.compact:CompactUNet",
        "deconvolution-unet": "darnet.models.deconvolution:DeconvolutionUNet",
        "degradation-classifier": "darnet.models.classifier:DegradationClassifier",
        "unet": "darnet.models.unet:UNet",
    },
    "degradation": {
        "clean": "darnet.degradations.base:Clean",
        "noise": "darnet.degradations.noise:GaussianNoise",
        "poisson-noise": "darnet.degradations.noise:PoissonGaussianNoise",
        "blur": "darnet.degradations.blur:GaussianBlur",
        "overexposure": "darnet.degradations.exposure:Overexposure",
        "haze": "darnet.degradations.haze:Haze",
        "rain": "darnet.degradations.rain:Rain",
        "motion": "darnet.degradations.motion:MotionBlur",
        "measured-motion": "darnet.degradations.motion:MeasuredMotion",
        "lowlight": "darnet.degradations.lowlight:LowLight",
        "jpeg": "darnet.degradations.jpeg:Jpeg",
    },
}


def names(group: Group) -> list[str]:
    """Every name in a group, sorted."""
    return sorted({*BUILTIN[group], *(entry.name for entry in entry_points(group=f"darnet.{group}"))})


def find(group: Group, name: str) -> Any:
    """The class or function behind a name. Raises UnknownNameError, which lists the known ones."""
    if name in BUILTIN[group]:
        return resolve_name(BUILTIN[group][name])
    for entry in entry_points(group=f"darnet.{group}", name=name):
        return entry.load()
    raise UnknownNameError(group, name, names(group))
