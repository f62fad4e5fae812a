"""The system that users run: diagnose a picture, pick the expert, restore, and say what was done."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, overload

from darnet.degradations import resolve
from darnet.errors import UnknownNameError, UsageError
from darnet.images.budget import Budget, observed
from darnet.images.image import Image
from darnet.notices import overheard
from darnet.registry import CLEAN, kinds_of
from darnet.restore.diagnosis import Diagnosis
from darnet.restore.experts.base import Experts
from darnet.restore.heatmap import heat_map
from darnet.restore.masks import weights_of
from darnet.restore.planning import Planner
from darnet.restore.result import Picture, Result, Step, handed_back
from darnet.restore.routers import RegionRouter, Router, judge
from darnet.restore.strength import Strength, StrengthLike, check_fraction
from darnet.restore.subject import Subject
from darnet.restore.work import Work

#: What is said of a picture in which there is nothing to judge.
VACANT = Diagnosis({CLEAN: 1.0})


@dataclass(frozen=True)
class Restorer:
    """A router and experts. An all-in-one network is an expert for every kind: no special case.

    Every kind that is present is repaired, what befell the photo last first (`planner`), and the picture is looked at
    again where more is planned or may be there; each kind once, and at most `max_steps` of them, where that is given.
    Repairs of `soft` kinds are blended by how certain they are. A
    kind that is less certain than `min_confidence`, or than what `min_confidences` says of it, is not acted on: what a
    wrong repair costs differs by expert. A kind that may befall a part of a photo alone is repaired where it is.
    `budget`: how much memory the process may take while a picture is read and restored; None: half of what is free.
    What is judged and repaired is the `Subject` of a picture: what is visible of it, inside its frame. What is no photo
    is not repaired as one.

    Example:
        >>> import numpy as np
        >>> from darnet.restore.routers import Always
        >>> invert = Restorer(Always("negative"), {"negative": lambda pixels: 1 - pixels})
        >>> photo = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
        >>> result = invert(photo)
        >>> result.experts, bool((result.image == 255 - photo).all())
        (('negative',), True)
    """

    router: Router
    experts: Experts
    min_confidence: float = 0.6
    min_confidences: Mapping[str, float] = field(default_factory=dict)
    max_steps: int | None = None
    soft: Collection[str] = ()
    min_beside: Mapping[str, float] = field(default_factory=dict)
    order: Sequence[str] = ()
    budget: Budget | None = None

    def __post_init__(self) -> None:
        """Raise UsageError for values out of range."""
        check_limits(self.min_confidence, self.max_steps)
        for kind, confidence in self.min_confidences.items():
            check_fraction(f"min_confidences[{kind!r}]", confidence)

    @property
    def planner(self) -> Planner:
        """What turns a diagnosis into a plan."""
        bars = (self.min_confidence, self.min_confidences)
        return Planner(self.experts, *bars, self.max_steps, self.soft, self.min_beside, self.order)

    def diagnose(self, source: object) -> Diagnosis:
        """What is wrong with a picture: path, PIL image, ndarray, tensor or `Image`."""
        with observed(self.budget):
            subject = Subject.of(Image.of(source))
        return VACANT if subject.vacant else judge(self.router, subject.source)

    def heat_map(self, source: object, kinds: Sequence[str] = (), diagnosis: Diagnosis | None = None) -> Image:
        """The picture in grey with its damage in colour: where each of the kinds is, or of those that are present.

        `diagnosis`: of this picture, where it is known: then it is not made again.
        Raises UsageError where there is nothing to judge, for a router that does not say where damage is, or a kind
        that it does not know.
        """
        image = Image.of(source)
        subject = Subject.of(image)
        if subject.vacant:
            raise UsageError(f"no heat map: {subject.vacant}")
        crops = self.router.look_closely(subject.source) if isinstance(self.router, RegionRouter) else ()
        if not crops:
            raise UsageError(f"no heat map: {type(self.router).__name__} does not say where damage is")
        moved = [
            replace(crop, top=crop.top + subject.region.top, left=crop.left + subject.region.left) for crop in crops
        ]
        named = [resolve(kind, crops[0].presence) for kind in kinds_of(kinds)]
        for kind in named:
            if kind not in crops[0].presence:
                raise UnknownNameError("kind of damage", kind, crops[0].presence)
        return heat_map(image, moved, named or (diagnosis or judge(self.router, subject.source)).present)

    def check(self, kinds: Sequence[str] = (), strength: StrengthLike = 1.0) -> tuple[str, ...]:
        """The kinds, as their experts are called.

        Raises UsageError for a strength out of range or a kind without an expert: no picture can be restored so.
        """
        meant = {kind: resolve(kind, self.experts) for kind in kinds_of(kinds)}
        Strength.of(strength).among(self.experts)
        for kind, name in meant.items():
            if name not in self.experts:
                raise UnknownNameError("expert", kind, self.experts)
        return tuple(meant[kind] for kind in kinds_of(kinds))

    @overload
    def __call__(
        self,
        source: str | Path,
        *,
        kinds: Sequence[str] = (),
        strength: StrengthLike = 1.0,
        mask: object = None,
        keep: bool = False,
    ) -> Result[Image]: ...

    @overload
    def __call__(
        self,
        source: Picture,
        *,
        kinds: Sequence[str] = (),
        strength: StrengthLike = 1.0,
        mask: object = None,
        keep: bool = False,
    ) -> Result[Picture]: ...

    def __call__(
        self,
        source: Any,
        *,
        kinds: Sequence[str] = (),
        strength: StrengthLike = 1.0,
        mask: object = None,
        keep: bool = False,
    ) -> Result[Any]:
        """Restore a picture; the same kind of object comes back in `result.image`, the input is never changed.

        `kinds`: skip the diagnosis and treat these, in this order, whatever speaks against it; a frame as well. A kind
        may be called as people call it (`darnet.degradations.Kind.also_called`); one may be a plain string.
        `strength` in [0, 1], one or by kind, weighs what each step changed (`Strength`); where all that is planned is
        at 0 nothing is done but to look and to plan. `mask`: a picture of the same size, of which black is neither
        judged nor touched, to the bit, and grey blends (`Subject`). `keep`: keep what each step changed, for
        `Result.blend`.
        Hidden pixels stay as they are, and grey stays grey. What is said of the picture is in `result.warnings`.
        Raises ImageError for a bad file, UsageError for a strength out of range, a kind without an expert or a mask
        that does not fit.
        """
        kinds = self.check(kinds, strength)
        with observed(self.budget), overheard() as said:
            result = self._treat(source, kinds, Strength.of(strength).among(self.experts), mask, keep=keep)
        return replace(result, warnings=(*result.warnings, *(one.beside(result.source.path) for one in said)))

    def _treat(self, source: Any, kinds: Sequence[str], strength: Strength, mask: object, *, keep: bool) -> Result[Any]:
        started = time.perf_counter()
        image = Image.of(source)
        subject = Subject.of(image, whole=bool(kinds), weights=None if mask is None else weights_of(mask, image))
        work = Work(subject, self.router, self.experts, self.planner, strength, keep)
        if subject.vacant:
            steps, warnings = [Step(VACANT, None, 0.0, share=0.0)], [f"left alone: {subject.vacant}"]
        elif kinds:
            steps, warnings = work.prescribed(kinds), []
        else:
            steps, warnings = work.diagnosed()
        answer = work.finish()
        given, residuals = handed_back(source, image, answer), work.residuals
        if residuals is not None:
            residuals = replace(residuals, given=handed_back(source, image, image))
        seconds = time.perf_counter() - started
        places = {kind: subject.spread(marked) for kind, marked in work.places.items()}
        return Result(given, tuple(steps), seconds, image, answer, tuple(warnings), places, residuals)


def check_limits(min_confidence: float, max_steps: int | None) -> None:
    """Raise UsageError for what no `Restorer` takes."""
    check_fraction("min_confidence", min_confidence)
    if max_steps is not None and max_steps < 1:
        raise UsageError(f"`max_steps={max_steps}`: expected at least 1")
