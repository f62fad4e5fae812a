"""How well a router names each kind of damage, on pictures made for the question.

Shapes: H × W pixels, sRGB in [0, 1].
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Generator

from darnet.data.cache import Lazy
from darnet.data.material import Material
from darnet.data.pairs import Pairs
from darnet.data.photos import Photo
from darnet.data.storage import Storage
from darnet.data.synthesis import Synthesis
from darnet.degradations import Degradation
from darnet.errors import UsageError
from darnet.restore.routers import Router
from darnet.training.recipe import Stage

#: Longest side of a picture in an evaluation: a router sees up to 16 crops of it.
PICTURE_PX = 256


@dataclass(frozen=True)
class Confusion:
    """What a router called the pictures of one kind: name -> pictures."""

    kind: str
    named: Mapping[str, int]

    @property
    def pictures(self) -> int:
        """How many there were."""
        return sum(self.named.values())

    @property
    def accuracy(self) -> float:
        """Share that was named rightly."""
        return self.named.get(self.kind, 0) / self.pictures

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"accuracy": round(self.accuracy, 4), "pictures": self.pictures, "named": dict(self.named)}


@dataclass(frozen=True)
class Evaluation:
    """Pictures of several kinds, 8 bits, with the answers; the same for every router that sits it."""

    pictures: Sequence[tuple[str, Photo]]

    def __call__(self, router: Router) -> dict[str, Confusion]:
        """Confusion by kind, in the order of the pictures."""
        named: dict[str, Counter[str]] = {}
        for kind, picture in self.pictures:
            named.setdefault(kind, Counter())[router(picture.float() / 255).label] += 1
        return {kind: Confusion(kind, dict(sorted(counts.items()))) for kind, counts in named.items()}


def compose(
    material: Material, sources: Mapping[str, Sequence[Degradation | Pairs]], stage: Stage, count: int, seed: int
) -> Evaluation:
    """`count` pictures of each kind: photos of `material` damaged by its sources in turn, or real pairs.

    They are as large as the smallest photo, at most 256 px, and grey, or saved as JPEG, as often as in the stage.
    Raises UsageError for a kind without a source.
    """
    side = min(PICTURE_PX, *map(min, Lazy.of(material.photos).sizes))
    pictures: list[tuple[str, Photo]] = []
    for kind, functions in sources.items():
        if not functions:
            raise UsageError(f"{kind}: there is nothing to evaluate it by")
        rng = Generator().manual_seed(seed)
        for index in range(count):
            synthesis = Synthesis(
                photos=material.photos,
                sources=[functions[index * len(functions) // count]],
                shares=[1.0],
                kinds=tuple(sources),
                crop_px=side,
                scene_px=side,
                grey=stage.grey_share,
                storage=Storage(stage.jpeg_share, stage.jpeg_quality),
            )
            pictures.append((kind, (synthesis(1, rng).degraded[0] * 255).round().byte().cpu()))
    return Evaluation(pictures)


def forgotten(before: Mapping[str, Confusion], after: Mapping[str, Confusion]) -> dict[str, float]:
    """Points of accuracy that each kind lost, in percent; kinds that were gained are left out."""
    return {kind: 100 * (confusion.accuracy - after[kind].accuracy) for kind, confusion in before.items()}
