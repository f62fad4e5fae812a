"""What was done about the damage of a picture, and why: plain values that turn into JSON, and the picture itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from darnet.errors import UsageError
from darnet.images.arrays import copied
from darnet.images.image import FORMATS, SUFFIXES, Image
from darnet.images.signature import signed
from darnet.restore.diagnosis import Diagnosis
from darnet.restore.strength import Strength, StrengthLike
from darnet.version import __version__

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from darnet.restore.residuals import Residuals

#: The kind of picture that was given, and so comes back.
Picture = TypeVar("Picture")


@dataclass(frozen=True)
class Repair:
    """One step of a plan: a kind of damage, how certain it is, its severity, and where it is.

    `confidence`: that it is there, by all looks so far, in [0, 1] (`darnet.restore.planning.Planner`); 1 where a user
    says so. `severity`: in the kind's unit, None where it has none. `share`: of the picture's pixels that are to be
    repaired, in [0, 1]; what is hidden, a frame, and what a mask keeps out, is never among them. It is an estimate by
    the router's crops: a step finds out which pixels they are, and `Step.share` counts them.

    >>> Repair("noise", 0.93, 24.3, share=0.5).to_dict()
    {'kind': 'noise', 'confidence': 0.93, 'severity': 24.3, 'share': 0.5}
    """

    kind: str
    confidence: float
    severity: float | None = None
    share: float = 1.0

    def __str__(self) -> str:
        """For a reader: `noise (σ ≈ 24) in about 50 % of the picture`."""
        return self.described + part(self.share, about=True)

    @property
    def described(self) -> str:
        """Kind and severity for a reader: `noise (σ ≈ 24)`."""
        from darnet.degradations import find_kind  # which brings torch: nobody plans a repair without it

        known = find_kind(self.kind)
        severity = known.written(self.severity) if known and self.severity is not None else ""
        return self.kind + (f" ({severity})" if severity else "")

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"kind": self.kind, "confidence": self.confidence, "severity": self.severity, "share": self.share}


def part(share: float, *, about: bool = False) -> str:
    """How much of a picture is repaired, or `about` how much is to be, for a reader; empty where that is all of it.

    >>> part(0.5), part(0.5, about=True), part(0.999)
    (' in 50 % of the picture', ' in about 50 % of the picture', '')
    """
    written = f"{100 * share:.0f} %"
    return "" if written == "100 %" else f" in {'about ' if about else ''}{written} of the picture"


#: What is to be repaired, in this order.
Plan = tuple[Repair, ...]


@dataclass(frozen=True)
class Step:
    """One look at the picture and what followed. `expert` is None where the picture was left alone.

    `diagnosis` is None where the user said what is wrong and nobody looked. `plan`: what was to be repaired after that
    look; the first of it followed. `share`: of the picture's pixels, those of all its pages, that were repaired, in
    [0, 1]; 0 where nothing was.
    `note`: why nothing followed although it was planned.

    Example:
        >>> Step(None, "noise", seconds=0.8).to_dict()["expert"]
        'noise'
    """

    diagnosis: Diagnosis | None
    expert: str | None
    seconds: float
    plan: Plan = ()
    share: float = 1.0
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "diagnosis": None if self.diagnosis is None else self.diagnosis.to_dict(),
            "plan": [repair.to_dict() for repair in self.plan],
            "expert": self.expert,
            "share": self.share,
            "note": self.note,
            "seconds": self.seconds,
        }


@dataclass(frozen=True)
class Treatment:
    """What was done to a picture, without the picture: what is kept of thousands of them.

    `seconds`: of work. `stages`: what of it went to which (`darnet.timeline.STAGES`), every moment to one; empty where
    nobody noted it. `left`: what was planned and not done, since nothing of it would have been kept at the strength
    that was asked for.
    """

    steps: tuple[Step, ...]
    seconds: float
    changed: bool  # whether any pixel differs from the input
    warnings: tuple[str, ...] = ()
    left: Plan = ()
    stages: Mapping[str, float] = field(default_factory=dict)

    @property
    def diagnosis(self) -> Diagnosis | None:
        """The first look; None where the user named the damage."""
        return self.steps[0].diagnosis if self.steps else None

    @property
    def experts(self) -> tuple[str, ...]:
        """Who repaired the picture, in order; empty where it was left alone."""
        return tuple(step.expert for step in self.steps if step.expert is not None)

    @property
    def plan(self) -> Plan:
        """What was to be repaired, and in which order, after the first look."""
        return self.steps[0].plan if self.steps else self.left

    @property
    def repairs(self) -> Plan:
        """What was repaired, in order: confidence and severity as they were first told, the share as it came out.

        Of a kind that the first look found that is what it said, not what one after another repair did.
        """
        first = self.diagnosis or Diagnosis({})
        told = {kind: Repair(kind, first.scores[kind], first.severities.get(kind)) for kind in first.present}
        for repair in (repair for step in self.steps for repair in step.plan):
            told.setdefault(repair.kind, repair)
        return tuple(replace(told[step.expert], share=step.share) for step in self.steps if step.expert is not None)

    @property
    def findings(self) -> dict[str, Any] | None:
        """What the first look found and what is to be repaired, as JSON; None where the user named the damage."""
        if self.diagnosis is None:
            return None
        return self.diagnosis.to_dict() | {"plan": [repair.to_dict() for repair in self.plan]}

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "steps": [step.to_dict() for step in self.steps],
            "experts": list(self.experts),
            "left": [repair.to_dict() for repair in self.left],
            "changed": self.changed,
            "seconds": self.seconds,
            "stages": dict(self.stages),
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True, repr=False)
class Result(Generic[Picture]):
    """A restored picture that explains itself.

    `image` is of the kind that was given: an `Image` for a path, else a PIL image, ndarray or tensor. `places`: of each
    kind that was repaired in a part alone the pixels, (H, W), that were. `residuals`: what each step changed, where
    they were to be kept. `left`: what was planned and not done, since nothing of it would have been kept at that
    strength. Of several pages steps, places and residuals are those of the first, but for the shares of steps.
    `seconds`: that the call took. `stages`: what of them went to `open`, `decode`, `diagnose`, `load` and `repair`
    (`darnet.timeline.STAGES`), each moment to one; a file is not yet written.

    Example:
        >>> import numpy as np, darnet
        >>> result = darnet.load()(np.full((64, 64, 3), 128, np.uint8))
        >>> type(result.image).__name__, result.changed, result.experts
        ('ndarray', False, ())
        >>> result.warnings
        ('left alone: all of it has one colour',)
        >>> result
        Result(64 × 64 pixels, experts=(), changed=False, warnings=('left alone: all of it has one colour',))
    """

    image: Picture
    steps: tuple[Step, ...]
    seconds: float
    source: Image  # the picture as it came in, with its file's metadata
    restored: Image  # the same picture after the last step; `source` itself where no pixel was changed
    warnings: tuple[str, ...] = ()
    places: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    residuals: Residuals | None = None
    left: Plan = ()
    stages: Mapping[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        """What was done, without samples."""
        pages = f" of {1 + len(self.source.frames)} pages" if self.source.frames else ""
        said = f"experts={self.experts}, changed={self.changed}, warnings={self.warnings}"
        return f"Result({self.source.width} × {self.source.height} pixels{pages}, {said})"

    @property
    def treatment(self) -> Treatment:
        """All of this but the pictures."""
        return Treatment(self.steps, self.seconds, self.changed, self.warnings, self.left, self.stages)

    @property
    def diagnosis(self) -> Diagnosis | None:
        """The first look; None where the user named the damage."""
        return self.treatment.diagnosis

    @property
    def plan(self) -> Plan:
        """What was to be repaired, and in which order, after the first look."""
        return self.treatment.plan

    @property
    def experts(self) -> tuple[str, ...]:
        """Who repaired the picture, in order; empty where it was left alone."""
        return self.treatment.experts

    @property
    def changed(self) -> bool:
        """Whether any pixel differs from the input."""
        return self.restored is not self.source

    def save(self, path: Path | str, **options: Any) -> Path:
        """Write the picture with the metadata it came with, and what repaired it (`signed`); options: `Image.write`'s.

        Raises ImageError if it cannot be written; then nothing is left behind.
        """
        return self.signed(SUFFIXES.get(Path(path).suffix.lower())).write(path, **options)

    def signed(self, format: str | None) -> Image:
        """The restored picture, whose EXIF says what repaired it, as a file of a format, a key of `FORMATS`, says it.

        It is `restored` itself where nothing was changed, and for a format without EXIF.
        """
        if not self.changed or format is None or "exif-data" not in FORMATS[format].keeps:
            return self.restored
        block = self.restored.metadata.get("exif-data")
        text = f"darnet {__version__}: {', '.join(dict.fromkeys(self.experts))}"
        said = signed(block if isinstance(block, bytes) else b"", text)
        return replace(self.restored, metadata={**self.restored.metadata, "exif-data": said})

    def blend(self, strength: StrengthLike) -> Result[Picture]:
        """The same at another strength, without a network: as if the picture had been restored so.

        Raises UsageError for a strength out of range or of a kind that was not repaired, or where what each step
        changed was not kept (`keep=True`).

        >>> import numpy as np
        >>> from darnet.restore.restorer import Restorer
        >>> from darnet.restore.routers import Always
        >>> invert = Restorer(Always("negative"), {"negative": lambda pixels: 1 - pixels})
        >>> photo = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
        >>> result = invert(photo, keep=True)
        >>> bool((result.blend(0).image == photo).all()), bool((result.blend(1).image == 255 - photo).all())
        (True, True)
        """
        if self.residuals is None and self.experts:
            raise UsageError("what each step changed was not kept: restore with `keep=True`")
        if self.residuals is None and self.left:
            raise UsageError("nothing was repaired, at strength 0: restore at another one, with `keep=True`")
        chosen = Strength.of(strength).among(self.experts, "repair")
        if self.residuals is None:
            return self
        restored = self.residuals.blend(chosen)
        image: Any = handed_back(self.residuals.given, self.source, restored)
        return replace(self, image=image, restored=restored)

    def to_dict(self) -> dict[str, Any]:
        """JSON form, without pixels."""
        return self.treatment.to_dict()


def handed_back(source: Any, image: Image, answer: Image) -> Any:
    """A picture as the kind of thing that was given: `image` is what `source` holds, and `answer` what became of it.

    What was left alone is copied as it is: a float64 array would lose digits on its way through float32.
    """
    if isinstance(source, str | Path | Image):
        return answer
    return copied(source) if answer is image else answer.like(source)
