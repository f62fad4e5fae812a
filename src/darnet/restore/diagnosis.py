"""What is wrong with a picture: plain values that turn into JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from darnet.registry import CLEAN

#: A kind counts as present above this.
PRESENT = 0.5
#: What one crop alone says counts from this presence on: of 102 clean pictures of 34 validation photos (as they are, as
#: JPEG 90, as JPEG 75 and halved), 16 crops each, one had a crop that was so certain of noise.
CERTAIN = 0.95
#: A kind that may befall a part alone does, where at least such a share of the crops has less than such a presence.
PART, ABSENT = 1 / 8, 0.1


@dataclass(frozen=True)
class Crop:
    """Where a router looked, in pixels of the picture, and the presence there of each kind, in [0, 1]."""

    top: int
    left: int
    side: int  # a picture that is smaller was mirrored up to it
    presence: Mapping[str, float]


@dataclass(frozen=True)
class Diagnosis:
    """Presence of each kind of damage, each by itself, and the severity of each kind that has one.

    `scores` are in [0, 1] and do not sum to 1, since a picture may have several kinds at once; that of "clean" is what
    the most certain kind leaves, 1 − max. `severities` maps a kind to its severity in the kind's own unit
    (`darnet.degradations.Kind`); it is meaningful where the kind is present. `crops` are the same findings part by
    part; a router may have none.

    Example:
        >>> found = Diagnosis({"clean": 0.07, "noise": 0.93, "jpeg": 0.71}, {"noise": 24.3, "jpeg": 38.2})
        >>> found.label, found.present
        ('noise', ('noise', 'jpeg'))
        >>> print(found)
        noise 93 % (σ ≈ 24), jpeg 71 % (quality ≈ 38)
    """

    scores: Mapping[str, float]
    severities: Mapping[str, float] = field(default_factory=dict)
    crops: tuple[Crop, ...] = field(default=(), repr=False)

    @property
    def suspected(self) -> tuple[str, ...]:
        """All kinds of damage, the most certain first."""
        return tuple(sorted((kind for kind in self.scores if kind != CLEAN), key=lambda kind: -self.scores[kind]))

    @property
    def present(self) -> tuple[str, ...]:
        """The kinds that are more likely there than not, the most certain first; none in a clean picture."""
        return tuple(kind for kind in self.suspected if self.scores[kind] > PRESENT)

    @property
    def label(self) -> str:
        """The most certain kind (the argmax gate of DaR-Net §III-B), or clean, which is: nothing is present."""
        return self.present[0] if self.present else CLEAN

    @property
    def confidence(self) -> float:
        """Presence of `label`; of clean, how far every kind is from certain."""
        if self.label in self.scores:
            return self.scores[self.label]
        return 1 - max(self.scores.values(), default=0.0)

    @property
    def severity(self) -> float | None:
        """Estimated severity of `label`, or None where the kind has none."""
        return self.severities.get(self.label)

    def describe(self, kind: str, digits: int = 0) -> str:
        """One kind for a reader: `noise 93 % (σ ≈ 24)`; `digits`: of the percentage, after its point."""
        text = f"{kind} {100 * self.scores.get(kind, self.confidence):.{digits}f} %"
        if kind not in self.severities:
            return text
        from darnet.degradations import find_kind  # which brings torch: nobody has a severity without a network

        known = find_kind(kind)
        severity = known.written(self.severities[kind]) if known else ""
        return f"{text} ({severity})" if severity else text

    def __str__(self) -> str:
        """All that is present: `noise 93 % (σ ≈ 24), jpeg 71 % (quality ≈ 38)`, or `clean 98 %`."""
        return self.listed()

    def listed(self, repaired: Iterable[str] = ()) -> str:
        """The same, and what is repaired although it is less likely there than not.

        >>> Diagnosis({"clean": 0.62, "motion": 0.38}, {"motion": 9.0}).listed(["motion"])
        'clean 62 %, motion 38 % (path ≈ 9)'
        """
        besides = [kind for kind in repaired if kind not in self.present]
        return ", ".join(map(self.describe, (*(self.present or (CLEAN,)), *besides)))

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "label": self.label,
            "confidence": self.confidence,
            "severity": self.severity,
            "present": list(self.present),
            "severities": {kind: self.severities[kind] for kind in self.present if kind in self.severities},
            "scores": dict(self.scores),
        }
