"""The system that users run: diagnose a picture, pick the expert, restore, and say what was done."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, overload

import torch

from darnet.degradations import resolve
from darnet.errors import UnknownNameError, UsageError
from darnet.images import scratch
from darnet.images.arrays import RGB, copied
from darnet.images.image import Image
from darnet.images.regions import AT_ONCE, Kept, Piece, RegionSink, RegionSource, parts, read_all
from darnet.notices import overheard
from darnet.registry import CLEAN, kinds_of
from darnet.restore.diagnosis import Diagnosis, Picture, Result, Step
from darnet.restore.experts.base import Experts, tiled
from darnet.restore.routers import RegionRouter, Router
from darnet.restore.subject import Replacement, Subject

#: From this presence on, a kind that is not repaired is worth a word.
SUSPICION = 0.2
#: Why a kind of damage should not be repaired, where something speaks against it (`Subject.refuses`).
Objects = Callable[[str], str | None]
#: What is said of a picture in which there is nothing to judge.
VACANT = Diagnosis({CLEAN: 1.0})


def _unopposed(kind: str) -> None:
    """Nothing speaks against it."""


@dataclass(frozen=True)
class Restorer:
    """A router and experts. An all-in-one network is an expert for every kind: no special case.

    The most certain kind that is present is repaired. One that is less certain than `min_confidence`, or than what
    `min_confidences` says of it, is not acted on: what a wrong repair costs differs by expert. With `max_steps` > 1 a
    picture is looked at again after each repair, until it is clean or only kinds that were already treated are found.
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
    max_steps: int = 1

    def __post_init__(self) -> None:
        """Raise UsageError for values out of range."""
        check_limits(self.min_confidence, self.max_steps)
        for kind, confidence in self.min_confidences.items():
            _share(f"min_confidences[{kind!r}]", confidence)

    def diagnose(self, source: object) -> Diagnosis:
        """What is wrong with a picture: path, PIL image, ndarray, tensor or `Image`."""
        subject = Subject.of(Image.of(source))
        return VACANT if subject.vacant else self.judge(subject.source)

    def check(self, kinds: Sequence[str] = (), strength: float = 1.0) -> tuple[str, ...]:
        """The kinds, as their experts are called.

        Raises UsageError for a strength out of range or a kind without an expert: no picture can be restored so.
        """
        _share("strength", strength)
        kinds = kinds_of(kinds)
        meant = tuple(resolve(kind, self.experts) for kind in kinds)
        for kind, name in zip(kinds, meant, strict=True):
            if name not in self.experts:
                raise UnknownNameError("expert", kind, self.experts)
        return meant

    @overload
    def __call__(self, source: str | Path, *, kinds: Sequence[str] = (), strength: float = 1.0) -> Result[Image]: ...

    @overload
    def __call__(self, source: Picture, *, kinds: Sequence[str] = (), strength: float = 1.0) -> Result[Picture]: ...

    def __call__(self, source: Any, *, kinds: Sequence[str] = (), strength: float = 1.0) -> Result[Any]:
        """Restore a picture; the same kind of object comes back in `result.image`, the input is never changed.

        `kinds`: skip the diagnosis and treat these, in this order, whatever speaks against it; a frame as well. A kind
        may be called as people call it (`darnet.degradations.Kind.also_called`); one may be a plain string.
        Hidden pixels stay as they are, and grey stays grey. `strength` in [0, 1] blends input and result; 0
        returns the input exactly, as does a clean verdict. What is said of the picture is in `result.warnings`.
        Raises ImageError for a bad file, UsageError for a strength out of range or a kind without an expert.
        """
        kinds = self.check(kinds, strength)
        with overheard() as said:
            result = self._treat(source, kinds, strength)
        return replace(result, warnings=(*result.warnings, *(one.beside(result.source.path) for one in said)))

    def _treat(self, source: Any, kinds: Sequence[str], strength: float) -> Result[Any]:
        started = time.perf_counter()
        image = Image.of(source)
        subject = Subject.of(image, whole=bool(kinds))
        work = Work(self, subject, subject.sink(strength))
        if subject.vacant:
            steps, warnings = [Step(VACANT, None, 0.0)], [f"left alone: {subject.vacant}"]
        elif kinds:
            steps, warnings = work.prescribed(kinds if strength else ()), []
        elif strength == 0:
            steps, warnings = self._only_looked(subject)
        else:
            steps, warnings = work.diagnosed()
        untouched = all(step.expert is None for step in steps)
        answer = image if untouched else work.sink.image
        # What was left alone is copied as it is: a float64 array would lose digits on its way through float32.
        given = copied(source) if untouched and not isinstance(source, str | Path | Image) else answer.like(source)
        return Result(given, tuple(steps), time.perf_counter() - started, image, answer, tuple(warnings))

    def judge(self, source: RegionSource) -> Diagnosis:
        """What the router says of a picture; one that is not asked by region sees all of it."""
        return self.router.look(source) if isinstance(self.router, RegionRouter) else self.router(read_all(source))

    def _only_looked(self, subject: Subject) -> tuple[list[Step], list[str]]:
        started = time.perf_counter()
        diagnosis = self.judge(subject.source)
        refusal = subject.refuses(diagnosis.label)
        return [Step(diagnosis, None, time.perf_counter() - started)], [refusal] if refusal else []

    def chooses(self, diagnosis: Diagnosis, treated: Collection[str] = (), objects: Objects = _unopposed) -> str | None:
        """The kind to repair: the most certain of those that are sure enough and have an expert.

        Not one of those that were `treated`, or that something speaks against (`objects`).
        """
        for kind in diagnosis.present:
            sure = diagnosis.scores[kind] >= self._least(kind)
            if sure and kind not in treated and kind in self.experts and objects(kind) is None:
                return kind
        return None

    def doubts(self, diagnosis: Diagnosis, treated: Collection[str] = (), objects: Objects = _unopposed) -> list[str]:
        """Why a picture is left alone although it may not be clean, and what to try."""
        found: list[str] = []
        for kind in diagnosis.suspected:
            if kind in treated or not diagnosis.scores[kind] >= SUSPICION:  # also where it is not a number
                continue
            present, objection = kind in diagnosis.present, objects(kind)
            if kind not in self.experts:
                found += [f"left alone: there is no expert for {kind}"] if present else []
            elif objection is not None:
                found += [objection] if present else []
            elif not present:  # nothing is refused: it is not called that
                found.append(f"not called damaged, but {diagnosis.describe(kind)} is possible; try `kinds={[kind]}`")
            else:
                digits = _telling_apart(diagnosis.scores[kind], self._least(kind))
                least = f"below the least confidence of {100 * self._least(kind):.{digits}f} %"
                found.append(f"left alone: {diagnosis.describe(kind, digits)} is {least}; try `kinds={[kind]}`")
        return found

    def _least(self, kind: str) -> float:
        return self.min_confidences.get(kind, self.min_confidence)


@dataclass(frozen=True)
class Work:
    """A picture under repair: each step reads what the one before wrote, and the last one writes to the `sink`."""

    restorer: Restorer
    subject: Subject
    sink: Replacement

    def prescribed(self, kinds: Sequence[str]) -> list[Step]:
        """Treat these, whatever is seen."""
        source, steps = self.subject.source, list[Step]()
        for kind in kinds:
            started = time.perf_counter()
            source = self._repair(source, kind, last=len(steps) + 1 == len(kinds))
            steps.append(Step(None, kind, time.perf_counter() - started))
        return steps

    def diagnosed(self) -> tuple[list[Step], list[str]]:
        """Look, and treat what is found, until nothing more is or there were enough steps."""
        source, steps = self.subject.source, list[Step]()
        while len(steps) < self.restorer.max_steps:
            started = time.perf_counter()
            diagnosis = self.restorer.judge(source)
            treated = [step.expert for step in steps if step.expert is not None]
            kind = self.restorer.chooses(diagnosis, treated, self.subject.refuses)
            if kind is None:
                if treated:
                    self._write(parts(source), self.sink)
                steps.append(Step(diagnosis, None, time.perf_counter() - started))
                return steps, self.restorer.doubts(diagnosis, treated, self.subject.refuses)
            source = self._repair(source, kind, last=len(steps) + 1 == self.restorer.max_steps)
            steps.append(Step(diagnosis, kind, time.perf_counter() - started))
        return steps, []

    @torch.inference_mode()
    def _repair(self, source: RegionSource, kind: str, *, last: bool) -> RegionSource:
        """The mixture of experts of DaR-Net (§III-B): whole networks, of which the one for this kind serves."""
        pieces = tiled(self.restorer.experts[kind]).by_region(source)
        if last:
            self._write(pieces, self.sink)
            return source
        restored = Kept.empty(RGB, source.height, source.width)
        self._write(pieces, restored)
        return restored

    def _write(self, pieces: Iterable[Piece], sink: RegionSink) -> None:
        for region, pixels in pieces:
            grey = pixels.mean(dim=0, keepdim=True).expand(RGB, -1, -1) if self.subject.grey else pixels
            sink.write(region, grey)
            del pixels, grey
            if self._large:
                scratch.trim()
        if self._large:
            scratch.trim()  # once more, when the last tile is no longer needed

    @property
    def _large(self) -> bool:
        """Whether it is worth giving memory back: for a small picture, it costs a tenth of the repair to ask again."""
        return self.subject.source.height * self.subject.source.width > AT_ONCE


def check_limits(min_confidence: float, max_steps: int) -> None:
    """Raise UsageError for what no `Restorer` takes."""
    _share("min_confidence", min_confidence)
    if max_steps < 1:
        raise UsageError(f"`max_steps={max_steps}`: expected at least 1")


def _telling_apart(score: float, least: float) -> int:
    """How many digits two percentages need so that they do not look the same."""
    return next((digits for digits in range(9) if f"{100 * score:.{digits}f}" != f"{100 * least:.{digits}f}"), 9)


def _share(parameter: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise UsageError(f"`{parameter}={value:g}`: expected 0 to 1")
