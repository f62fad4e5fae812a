"""Routers: pixels -> Diagnosis. They look at crops at native resolution, never at a resized picture.

Resizing destroys what noise and blur are known by.

Shapes: N crops, E kinds, H × W pixels, sRGB in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from darnet import registry, store
from darnet.backends import Precision, TorchBackend
from darnet.diagnosis import CLEAN, Diagnosis
from darnet.errors import DarnetError, WeightsError
from darnet.tiling import grid_crops

Pixels = Float[Tensor, "3 H W"]
#: The blocks of a JPEG file with colour at half resolution, which begin in its corner. Crops that begin with a block
#: all show them alike; a router learns that from far fewer examples than blocks anywhere.
BLOCK_PX = 16


@runtime_checkable
class Router(Protocol):
    """Anything that says what is wrong with a picture."""

    def __call__(self, pixels: Pixels) -> Diagnosis:
        """Scores of every kind that this router knows, and levels where they are meaningful."""
        ...


@dataclass(frozen=True)
class NetworkRouter:
    """A classifier on grid × grid crops spread over the whole picture; its verdict weighs their evidence together.

    That is logits, not probabilities: a crop of plain sky, which could be anything, then counts for little.
    """

    backend: TorchBackend
    crop_px: int = 128
    grid: int = 4

    def __call__(self, pixels: Pixels) -> Diagnosis:
        """Diagnose one picture of any size. Raises DarnetError if the network is no classifier."""
        model = self.backend.model
        if not model.kinds:
            raise DarnetError(f"{type(model).__name__} names no kinds of damage: it is no router")
        crops = grid_crops(pixels, size_px=self.crop_px, grid=self.grid, align_px=BLOCK_PX)
        context = model.context(pixels[None]).expand(len(crops), -1, -1, -1) if model.context else None
        output = self.backend(crops, context)
        logits = model.verdict(output, len(crops))[0]
        if not bool(logits.isfinite().all()):
            raise DarnetError(f"{type(model).__name__} answered with scores that are not finite")
        scores = dict(zip(model.kinds, logits.softmax(dim=0).tolist(), strict=True))
        if output.levels is None:
            return Diagnosis(scores)
        levels = output.levels.float().log().mean(dim=0).exp().tolist()
        return Diagnosis(scores, {kind: v for kind, v in zip(model.kinds, levels, strict=True) if kind != CLEAN})


@dataclass(frozen=True)
class Always:
    """The router of an all-in-one network: there is one expert, and it takes everything. Also an oracle's answer."""

    label: str

    def __call__(self, pixels: Pixels) -> Diagnosis:
        """`label`, with certainty."""
        return Diagnosis({self.label: 1.0})


def load_router(folder: Path, device: str = "auto", precision: Precision = "auto") -> Router:
    """Whoever the folder holds: a network of darnet's, or a router by its name in the registry.

    Raises WeightsError (missing, damaged, incompatible), UnknownNameError or UsageError (device, precision).
    """
    reference = store.read_reference(folder)
    if reference is None:
        return NetworkRouter(TorchBackend(store.load(folder)[0], device, precision))
    if reference.file:
        raise WeightsError(folder / reference.file, "no router: a file can only be an expert")
    try:
        router: Router = registry.find("router", reference.registered)(**reference.config)
    except TypeError as error:
        raise WeightsError(folder / store.REFERENCE, f"{reference.registered}: {error}") from error
    return router
