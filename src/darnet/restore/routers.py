"""Routers: pixels -> Diagnosis. They look at crops at native resolution, never at a resized picture.

Resizing destroys what noise and blur are known by.

Shapes: N crops, E kinds, H × W pixels, sRGB in [0, 1].
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from darnet.engines.pytorch import TorchBackend
from darnet.errors import DarnetError
from darnet.images.regions import Planes, RegionSource
from darnet.images.tiles import grid_crops, grid_places
from darnet.models.abilities import Classifier
from darnet.restore.diagnosis import Crop, Diagnosis
from darnet.restore.severity import severities

Pixels = Float[Tensor, "3 H W"]
#: The blocks of a JPEG file with colour at half resolution, which begin in its corner. Crops that begin with a block
#: all show them alike; a router learns that from far fewer examples than blocks anywhere.
BLOCK_PX = 16


@runtime_checkable
class Router(Protocol):
    """Anything that says what is wrong with a picture."""

    def __call__(self, pixels: Pixels) -> Diagnosis:
        """Presence of every kind that this router knows, and severities where they are meaningful."""
        ...


class RegionRouter(ABC):
    """A router that looks at parts of a picture, and is asked by region."""

    @abstractmethod
    def look(self, source: RegionSource) -> Diagnosis:
        """What is wrong with the picture."""

    def __call__(self, pixels: Pixels) -> Diagnosis:
        """What is wrong with a picture in memory."""
        return self.look(Planes(pixels))


@dataclass(frozen=True)
class NetworkRouter(RegionRouter):
    """A classifier on grid × grid crops spread over the whole picture; its verdict weighs their evidence together.

    That is logits, not probabilities: a crop of plain sky, which could be anything, then counts for little.
    Raises DarnetError if the network is no classifier.
    """

    backend: TorchBackend
    crop_px: int = 128
    grid: int = 4

    def __post_init__(self) -> None:
        """Raise DarnetError if the network is no classifier."""
        _ = self.model

    @property
    def model(self) -> Classifier:
        """The network. Raises DarnetError for one that is no classifier."""
        model = self.backend.model
        if not (isinstance(model, Classifier) and model.kinds):
            raise DarnetError(f"{type(model).__name__} names no kinds of damage: it is no router")
        return model

    def look(self, source: RegionSource) -> Diagnosis:
        """Diagnose one picture of any size. Raises DarnetError for scores that are not finite."""
        model = self.model
        where = {"size_px": self.crop_px, "grid": self.grid, "align_px": BLOCK_PX}
        crops, places = grid_crops(source, **where), grid_places(source, **where)
        output = self.backend(crops, self.backend.look(source).expand(len(crops)))
        logits = model.verdict(output, len(crops))
        if not bool(logits.isfinite().all()):
            raise DarnetError(f"{type(model).__name__} answered with scores that are not finite")
        parts = model.verdict(output, 1)
        estimated, strange = severities(model, output, model.presence(parts))
        scores, *presence = model.presence(torch.cat([logits, parts]), strange).tolist()
        found = (
            Crop(top, left, self.crop_px, dict(zip(model.kinds, seen, strict=True)))
            for (top, left), seen in zip(places, presence, strict=True)
        )
        return Diagnosis(dict(zip(model.kinds, scores, strict=True)), estimated, tuple(found))


@dataclass(frozen=True)
class Always(RegionRouter):
    """The router of an all-in-one network: there is one expert, and it takes everything. Also an oracle's answer."""

    label: str

    def look(self, source: RegionSource) -> Diagnosis:
        """`label`, with certainty."""
        return Diagnosis({self.label: 1.0})
