"""darnet finds out what is wrong with a picture, sends it to the expert for that damage, and repairs it.

Five lines of it::

    import darnet
    restorer = darnet.load("darnet")
    result = restorer("photo.jpg")
    print(result.diagnosis)
    result.save("better.jpg")

Importing darnet imports neither torch nor any network; each name below is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from darnet.version import __version__ as __version__

if TYPE_CHECKING:
    from darnet.client import AsyncClient, Client
    from darnet.errors import (
        DarnetError,
        ImageError,
        NoInputError,
        RecipeError,
        ResourceError,
        UnknownNameError,
        UsageError,
        WeightsError,
    )
    from darnet.images.image import Image
    from darnet.images.metrics import psnr, ssim
    from darnet.jobs import restore_many
    from darnet.jobs.blending import blend_many
    from darnet.models.creation import create_model, list_models
    from darnet.restore.diagnosis import Diagnosis
    from darnet.restore.experts import Tiles
    from darnet.restore.restorer import Restorer
    from darnet.restore.result import Result, Step
    from darnet.restore.strength import Strength
    from darnet.routing import Routing, dispatch
    from darnet.systems.spec import RestorerSpec, load

_HOME = {
    "restore.strength": ("Strength",),
    "restore.diagnosis": ("Diagnosis",),
    "restore.result": ("Result", "Step"),
    "errors": (
        "DarnetError",
        "ImageError",
        "NoInputError",
        "RecipeError",
        "ResourceError",
        "UnknownNameError",
        "UsageError",
        "WeightsError",
    ),
    "images.image": ("Image",),
    "images.metrics": ("psnr", "ssim"),
    "jobs": ("restore_many",),
    "jobs.blending": ("blend_many",),
    "models.creation": ("create_model", "list_models"),
    "restore.experts": ("Tiles",),
    "restore.restorer": ("Restorer",),
    "routing": ("Routing", "dispatch"),
    "client": ("AsyncClient", "Client"),
    "systems.spec": ("RestorerSpec", "load"),
}
_MODULE = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "AsyncClient",
    "Client",
    "DarnetError",
    "Diagnosis",
    "Image",
    "ImageError",
    "NoInputError",
    "RecipeError",
    "ResourceError",
    "Restorer",
    "RestorerSpec",
    "Result",
    "Routing",
    "Step",
    "Strength",
    "Tiles",
    "UnknownNameError",
    "UsageError",
    "WeightsError",
    "blend_many",
    "create_model",
    "dispatch",
    "list_models",
    "load",
    "psnr",
    "restore_many",
    "ssim",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"module 'darnet' has no attribute {name!r}")
    return getattr(import_module(f"darnet.{_MODULE[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
