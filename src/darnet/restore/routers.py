"""Routers: pixels -> Diagnosis. They look at crops at native resolution, never at a resized picture.

Resizing destroys what noise and blur are known by.

Shapes: N crops, E kinds, H × W pixels, sRGB in [0, 1].
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nextafter
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from darnet.degradations import is_local
from darnet.engines.backend import Backend
from darnet.errors import DarnetError
from darnet.images.formats import JPEG_UNIT_PX
from darnet.images.regions import Planes, RegionSource, read_all
from darnet.images.tiles import crops_at, grid_places
from darnet.models.abilities import Classifier
from darnet.models.base import Context, Output
from darnet.registry import CLEAN
from darnet.restore.diagnosis import CERTAIN, PRESENT, Crop, Diagnosis
from darnet.restore.severity import severities
from darnet.timeline import span

Pixels = Float[Tensor, "3 H W"]
Place = tuple[int, int]  #: top and left of a crop

#: The least presence of a kind in a picture of which one crop is certain.
IN_PART = 0.75
#: Crops of a closer look: so many a side at most, and so many at once.
MOST_CROPS, AT_ONCE = 24, 32


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

    def look_closely(self, source: RegionSource) -> Sequence[Crop]:
        """What is where, by smaller crops on a grid, row by row; empty where the router cannot say."""
        return ()

    def __call__(self, pixels: Pixels) -> Diagnosis:
        """What is wrong with a picture in memory."""
        return self.look(Planes(pixels))


@span("diagnose")
def judge(router: Router, source: RegionSource) -> Diagnosis:
    """What a router says of a picture; one that is not asked by region sees all of it."""
    return router.look(source) if isinstance(router, RegionRouter) else router(read_all(source))


@dataclass(frozen=True)
class NetworkRouter(RegionRouter):
    """A classifier on grid × grid crops spread over the whole picture; its verdict weighs their evidence together.

    That is logits, not probabilities: a crop of plain sky, which could be anything, then counts for little.
    Raises DarnetError if the network is no classifier.
    """

    backend: Backend
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
        places = grid_places(source, size_px=self.crop_px, grid=self.grid, align_px=JPEG_UNIT_PX)
        output = self._ask(source, places, self.crop_px, self.backend.look(source))
        logits = model.verdict(output, len(places))
        if not bool(logits.isfinite().all()):
            raise DarnetError(f"{type(model).__name__} answered with scores that are not finite")
        parts = model.verdict(output, 1)
        estimated, strange = severities(model, output, model.presence(parts))
        whole, *presence = model.presence(torch.cat([logits, parts]), strange).tolist()
        scores = dict(zip(model.kinds, whole, strict=True))
        found = _crops(model.kinds, places, self.crop_px, presence)
        scores = _with_parts(scores, found)
        if self._crowded(source) and any(scores[kind] > PRESENT for kind in filter(is_local, scores)):
            found = self.look_closely(source)
        return Diagnosis(scores, estimated, found)

    def _crowded(self, source: RegionSource) -> bool:
        """Whether crops overlap by more than half, so that most of them have some of what befell a part alone.

        Of 64 validation photos of 128 to 256 px with noise 25 in their lower half, 35 had a crop without it; by crops
        of half the side 58, and of 192 with noise 15 to 50 everywhere one.
        """
        return max(source.height, source.width) < self.grid * self.crop_px // 2

    def look_closely(self, source: RegionSource) -> tuple[Crop, ...]:
        """Crops of half the side that overlap by half, as far as there are not too many: what is in each alone."""
        model, side = self.model, self.crop_px // 2
        grid = min(MOST_CROPS, max(source.height, source.width) // (side // 2))
        places = grid_places(source, size_px=side, grid=max(grid, 1), align_px=JPEG_UNIT_PX // 2)
        context = self.backend.look(source)
        presence = [
            seen
            for first in range(0, len(places), AT_ONCE)
            for seen in model.presence(
                model.verdict(self._ask(source, places[first : first + AT_ONCE], side, context), 1)
            ).tolist()
        ]
        return _crops(model.kinds, places, side, presence)

    def _ask(self, source: RegionSource, places: Sequence[Place], side: int, context: Context) -> Output:
        return self.backend(crops_at(source, places, side), context.expand(len(places)))


def _crops(
    kinds: Sequence[str], places: Sequence[Place], side: int, presence: Sequence[Sequence[float]]
) -> tuple[Crop, ...]:
    return tuple(
        Crop(top, left, side, dict(zip(kinds, seen, strict=True)))
        for (top, left), seen in zip(places, presence, strict=True)
    )


def _with_parts(scores: Mapping[str, float], crops: Sequence[Crop]) -> dict[str, float]:
    """The scores of a picture, in which what one crop is certain of counts, for kinds that may befall a part alone.

    From `IN_PART` on, as certain as that crop, but below any kind that all of the picture is known by: one that needs
    more beside a surer kind would else go unrepaired (of 8 training photos 1.6 times overexposed, with noise in a
    half, two more).
    """
    found = dict(scores)
    for kind in filter(is_local, scores):
        surest = max(crop.presence[kind] for crop in crops)
        if surest >= CERTAIN:
            sure = IN_PART + (1 - IN_PART) * (surest - CERTAIN) / (1 - CERTAIN)
            others = [scores[other] for other in scores if other not in (CLEAN, kind) and scores[other] > PRESENT]
            found[kind] = max(scores[kind], IN_PART, min(sure, nextafter(max(others), 0)) if others else sure)
    if CLEAN in found:
        found[CLEAN] = 1 - max((score for kind, score in found.items() if kind != CLEAN), default=0.0)
    return found


@dataclass(frozen=True)
class Always(RegionRouter):
    """The router of an all-in-one network: there is one expert, and it takes everything. Also an oracle's answer."""

    label: str

    def look(self, source: RegionSource) -> Diagnosis:
        """`label`, with certainty."""
        return Diagnosis({self.label: 1.0})
