"""What is wrong with a picture, and what was done about it: plain values that turn into JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from darnet.image import Image

CLEAN = "clean"

#: How a level is written for a reader: kind -> (symbol, digits after the point).
LEVEL_SYMBOLS: Mapping[str, tuple[str, int]] = {
    "noise": ("σ ≈ ", 0),  # standard deviation on the 0–255 scale
    "blur": ("σ ≈ ", 1),  # standard deviation of the Gaussian, in pixels
    "overexposure": ("gain ≈ ", 2),  # factor before clipping
    "haze": ("β ≈ ", 1),  # optical depth from the nearest to the farthest point
    "rain": ("streaks ≈ ", 1),  # per 1000 pixels
    "motion": ("path ≈ ", 0),  # length in pixels
    "lowlight": ("light ≈ ", 2),  # share that is left
    "jpeg": ("quality ≈ ", 0),  # libjpeg's scale, 1 to 100
}


@dataclass(frozen=True)
class Diagnosis:
    """Probability of each kind of damage, and the estimated level of each kind that has one.

    `scores` sums to 1. `levels` maps a kind to its level in the kind's own unit (`LEVEL_SYMBOLS`); only the level of
    the diagnosed kind is meaningful.
    """

    scores: Mapping[str, float]
    levels: Mapping[str, float] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The most probable kind (argmax gate, DaR-Net §III-B)."""
        return max(self.scores, key=self.scores.__getitem__)

    @property
    def confidence(self) -> float:
        """Probability of `label`."""
        return self.scores[self.label]

    @property
    def level(self) -> float | None:
        """Estimated level of `label`, or None where the kind has none."""
        return self.levels.get(self.label)

    def __str__(self) -> str:
        """`noise 93 % (σ ≈ 24)`."""
        text = f"{self.label} {100 * self.confidence:.0f} %"
        if self.level is None or self.label not in LEVEL_SYMBOLS:
            return text
        symbol, digits = LEVEL_SYMBOLS[self.label]
        return f"{text} ({symbol}{self.level:.{digits}f})"

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "label": self.label,
            "confidence": self.confidence,
            "level": self.level,
            "scores": dict(self.scores),
        }


@dataclass(frozen=True)
class Step:
    """One look at the picture and what followed. `expert` is None where the picture was left alone.

    `diagnosis` is None where the user said what is wrong and nobody looked.
    """

    diagnosis: Diagnosis | None
    expert: str | None
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        diagnosis = None if self.diagnosis is None else self.diagnosis.to_dict()
        return {"diagnosis": diagnosis, "expert": self.expert, "seconds": self.seconds}


@dataclass(frozen=True)
class Result:
    """A restored picture that explains itself.

    `image` is of the kind that was given: an `Image` for a path, else a PIL image, ndarray or tensor.
    """

    image: Any
    steps: tuple[Step, ...]
    seconds: float
    source: Image  # the picture as it came in, with its file's metadata
    restored: Image  # the same picture after the last step; `source` itself where nothing was done
    warnings: tuple[str, ...] = ()

    @property
    def diagnosis(self) -> Diagnosis | None:
        """The first look; None where the user named the damage."""
        return self.steps[0].diagnosis if self.steps else None

    @property
    def experts(self) -> tuple[str, ...]:
        """Who repaired the picture, in order; empty where it was left alone."""
        return tuple(step.expert for step in self.steps if step.expert is not None)

    @property
    def changed(self) -> bool:
        """Whether any pixel may differ from the input."""
        return self.restored is not self.source

    def save(self, path: Path | str, **options: Any) -> Path:
        """Write the picture with the metadata it came with; options as in `Image.write`.

        Raises ImageError if it cannot be written; then nothing is left behind.
        """
        return self.restored.write(path, **options)

    def to_dict(self) -> dict[str, Any]:
        """JSON form, without pixels."""
        return {
            "steps": [step.to_dict() for step in self.steps],
            "experts": list(self.experts),
            "changed": self.changed,
            "seconds": self.seconds,
            "warnings": list(self.warnings),
        }
