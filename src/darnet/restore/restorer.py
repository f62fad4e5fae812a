"""The system that users run: diagnose a picture, pick the expert, restore, and say what was done."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, overload

from darnet.degradations import resolve
from darnet.errors import ImageError, UnknownNameError, UsageError
from darnet.images.budget import Budget, observed
from darnet.images.coding import Pages
from darnet.images.image import Image
from darnet.notices import overheard
from darnet.registry import CLEAN, kinds_of
from darnet.restore.diagnosis import Diagnosis
from darnet.restore.experts.base import Experts
from darnet.restore.heatmap import heat_map
from darnet.restore.masks import weights_of
from darnet.restore.pages import restore_pages
from darnet.restore.planning import Planner
from darnet.restore.result import Picture, Plan, Result, Step, handed_back
from darnet.restore.routers import RegionRouter, Router, judge
from darnet.restore.strength import Strength, StrengthLike, check_fraction
from darnet.restore.subject import Subject
from darnet.restore.work import Work
from darnet.timeline import recorded, span, stages

#: What is said of a picture in which there is nothing to judge.
VACANT = Diagnosis({CLEAN: 1.0})


@dataclass(frozen=True)
class Restorer:
    """A router and experts. An all-in-one network is an expert for every kind: no special case.

    Every kind that is present is repaired, what befell the photo last first (`planner`), and the picture is looked at
    again where more is planned or may be there; each kind once, and at most `max_steps` of them, where that is given.
    `limited_by`: who gave it, where the user did not. Repairs of `soft` kinds are blended by how likely they are right.
    A kind whose presence is below `min_confidence`, or what `min_confidences` says of it, is not acted on: what a wrong
    repair costs differs by expert. Below 0.5 that reaches what is called clean. A kind that may befall a part of a
    photo alone is repaired where it is.
    `budget`: how much memory the process may take while a picture is read and restored; None: half of what is free.
    What is judged and repaired is the `Subject` of a picture: what is visible of it, inside its frame. What is no photo
    is not repaired as one. Of a file of several pages or frames the first says what is repaired, in which order. What
    its subject is, whether it is a photo, and where it has what may befall a part alone is judged of each by itself.

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
    limited_by: str = ""
    min_hints: Mapping[str, float] = field(default_factory=dict)
    budget: Budget | None = None

    def __post_init__(self) -> None:
        """Raise UsageError for values out of range."""
        check_limits(self.min_confidence, self.max_steps)
        for kind, confidence in self.min_confidences.items():
            check_fraction(f"min_confidences[{kind!r}]", confidence)

    @property
    def planner(self) -> Planner:
        """What turns a diagnosis into a plan."""
        bars = (self.min_confidence, self.min_confidences, self.max_steps, self.soft, self.min_beside)
        return Planner(self.experts, *bars, self.order, self.limited_by, self.min_hints)

    def limited(self, min_confidence: float | None = None, max_steps: int | None = None) -> Restorer:
        """The same with limits that a user states, which none of the system's stand beside; None: as they are.

        Raises UsageError for values out of range.
        """
        limits: dict[str, Any] = {}
        if min_confidence is not None:
            limits |= {"min_confidence": min_confidence, "min_confidences": {}, "min_beside": {}}
        if max_steps is not None:
            limits |= {"max_steps": max_steps, "limited_by": ""}
        return replace(self, **limits)

    def diagnose(self, source: object) -> Diagnosis:
        """What is wrong with a picture: path, PIL image, ndarray, tensor or `Image`; of several pages, the first."""
        with observed(self.budget):
            subject = Subject.of(_read(source, "first"))
        return VACANT if subject.vacant else judge(self.router, subject.source)

    def heat_map(self, source: object, kinds: Sequence[str] = (), diagnosis: Diagnosis | None = None) -> Image:
        """The picture in grey with its damage in colour: where each of the kinds is, or of those that are present.

        `diagnosis`: of this picture, where it is known: then it is not made again.
        Raises UsageError where there is nothing to judge, for a router that does not say where damage is, or a kind
        that it does not know.
        """
        subject = Subject.of(_read(source, "first"))
        if subject.vacant:
            raise UsageError(f"no heat map: {subject.vacant}")
        crops = self.router.look_closely(subject.source) if isinstance(self.router, RegionRouter) else ()
        if not crops:
            raise UsageError(f"no heat map: {type(self.router).__name__} does not say where damage is")
        named = [resolve(kind, crops[0].presence) for kind in kinds_of(kinds)]
        for kind in named:
            if kind not in crops[0].presence:
                raise UnknownNameError("kind of damage", kind, crops[0].presence, where=f"`kinds={[kind]}`")
        return heat_map(subject, crops, named or (diagnosis or judge(self.router, subject.source)).present)

    def check(self, kinds: Sequence[str] = (), strength: StrengthLike = 1.0) -> tuple[str, ...]:
        """The kinds, as their experts are called.

        Raises UsageError for a strength out of range, a kind without an expert, one that is named twice, by whatever
        words, or a strength of a kind that is not repaired: no picture can be restored so.
        """
        given = kinds_of(kinds)
        meant = tuple(resolve(kind, self.experts) for kind in given)
        for kind, name in zip(given, meant, strict=True):
            if name not in self.experts:
                raise UnknownNameError("expert", kind, self.experts, where=f"`kinds={[kind]}`")
        for repeated in (name for name in meant if meant.count(name) > 1):
            words = list(dict.fromkeys(word for word, name in zip(given, meant, strict=True) if name == repeated))
            why = f"{' and '.join(words)} are one kind" if len(words) > 1 else f"{words[0]} is named twice"
            raise UsageError(f"`kinds={list(given)}`: {why}, and a kind is repaired once")
        self._meant(strength, meant)
        return meant

    def _meant(self, strength: StrengthLike, kinds: Sequence[str]) -> Strength:
        """A strength by kinds as experts are called; of these alone, if any. Raises UsageError."""
        return Strength.of(strength).among(kinds, "repair") if kinds else Strength.of(strength).among(self.experts)

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

        `kinds`: skip the diagnosis and treat these, in this order, each once, whatever speaks against it; a frame as
        well. A kind may be called as people call it (`darnet.degradations.Kind.also_called`); one may be a plain
        string. Of a file of several pages, or an `Image` with `frames`, what was repaired of the first is repaired of
        all; each is judged by itself but for its kinds (`Restorer`).
        `strength` in [0, 1], one or by kind, weighs what each step changed (`Strength`); where all that is planned is
        at 0 nothing is done but to look and to plan. `mask`: a picture of the same size, of which black is neither
        judged nor touched, to the bit, and grey blends (`Subject`). `keep`: keep what each step changed, for
        `Result.blend`.
        Hidden pixels stay as they are, and grey stays grey. What is said of the picture is in `result.warnings`.
        Raises ImageError for a bad file, or several pages whose steps are to be kept; UsageError for a strength out of
        range, a kind without an expert or a mask that does not fit.
        """
        started, kinds = time.perf_counter(), self.check(kinds, strength)
        with recorded() as spans:
            with observed(self.budget), overheard() as said:
                image = _read(source, "all")
            if image.frames and keep:
                reason = f"has {1 + len(image.frames)} pages, and what each step changed is kept of a single picture"
                raise ImageError(image.path or "picture", f"{reason}: `first=True` takes the first alone")
            how: dict[str, Any] = {"strength": self._meant(strength, kinds), "mask": mask, "keep": keep}
            with span("repair"):
                with observed(self.budget):
                    result = restore_pages(partial(self._treat, kinds=kinds, **how), image, named=bool(kinds))
                given, residuals = handed_back(source, image, result.restored), result.residuals
                if residuals is not None:
                    residuals = replace(residuals, given=handed_back(source, image, image))
        warnings = tuple(dict.fromkeys((*(one.beside(image.path) for one in said), *result.warnings)))
        result = replace(result, seconds=time.perf_counter() - started, stages=stages(spans))
        return replace(result, image=given, warnings=warnings, residuals=residuals)

    def _treat(
        self, image: Image, plan: Plan, *, kinds: Sequence[str], strength: Strength, mask: object, keep: bool
    ) -> Result[Image]:
        """Restore one page: as the user says, else as `plan` says that another was repaired, else as is seen."""
        subject = Subject.of(image, whole=bool(kinds), weights=None if mask is None else weights_of(mask, image))
        work = Work(subject, self.router, self.experts, self.planner, strength, keep)
        if subject.vacant:
            steps, warnings = [Step(None if kinds else VACANT, None, 0.0, share=0.0)], [f"left alone: {subject.vacant}"]
        elif kinds:
            steps, warnings = work.prescribed(kinds), []
        elif plan:
            steps, warnings = work.alike(plan)
        else:
            steps, warnings = work.diagnosed()
        answer = work.finish()
        places = {kind: subject.spread(marked) for kind, marked in work.places.items()}
        done = (answer, tuple(steps), 0.0, image, answer, tuple(warnings))
        return Result(*done, places=places, residuals=work.residuals, left=work.left)


def _read(source: object, pages: Pages) -> Image:
    """A picture from whatever holds one, so many of a file's pages with it. Raises as `Image.of` does."""
    if isinstance(source, str | Path):
        with span("open"):
            return Image.read(source, pages=pages)
    return Image.of(source)


def check_limits(min_confidence: float, max_steps: int | None) -> None:
    """Raise UsageError for what no `Restorer` takes."""
    check_fraction("min_confidence", min_confidence)
    if max_steps is not None and max_steps < 1:
        raise UsageError(f"`max_steps={max_steps}`: expected at least 1")
