"""The system that users run: diagnose a picture, pick the expert, restore, and say what was done."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, overload

import torch
from jaxtyping import Float
from torch import Tensor

from darnet.degradations import resolve
from darnet.errors import UnknownNameError, UsageError
from darnet.images.arrays import copied
from darnet.images.image import Image
from darnet.registry import CLEAN, kinds_of
from darnet.restore.diagnosis import Diagnosis, Picture, Result, Step
from darnet.restore.experts import Experts, Pixels
from darnet.restore.routers import Router
from darnet.restore.subject import Subject
from darnet.routing import Routing, dispatch

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
        _share("min_confidence", self.min_confidence)
        for kind, confidence in self.min_confidences.items():
            _share(f"min_confidences[{kind!r}]", confidence)
        if self.max_steps < 1:
            raise UsageError(f"`max_steps={self.max_steps}`: expected at least 1")

    def diagnose(self, source: object) -> Diagnosis:
        """What is wrong with a picture: path, PIL image, ndarray, tensor or `Image`."""
        subject = Subject.of(Image.of(source))
        return VACANT if subject.vacant else self.router(subject.pixels())

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
        returns the input exactly, as does a clean verdict.
        Raises ImageError for a bad file, UsageError for a strength out of range or a kind without an expert.
        """
        kinds = self.check(kinds, strength)
        started = time.perf_counter()
        image = Image.of(source)
        subject = Subject.of(image, whole=bool(kinds))
        pixels = subject.pixels()
        if subject.vacant:
            restored, steps, warnings = pixels, [Step(VACANT, None, 0.0)], [f"left alone: {subject.vacant}"]
        elif kinds:
            restored, steps, warnings = self._prescribed(pixels, kinds if strength else ())
        elif strength == 0:
            restored, steps, warnings = self._only_looked(pixels, subject.refuses)
        else:
            restored, steps, warnings = self._diagnosed(pixels, subject.refuses)
        untouched = restored is pixels
        answer = image if untouched else subject.put_back(_blend(pixels, restored, strength))
        # What was left alone is copied as it is: a float64 array would lose digits on its way through float32.
        given = copied(source) if untouched and not isinstance(source, str | Path | Image) else answer.like(source)
        return Result(given, tuple(steps), time.perf_counter() - started, image, answer, tuple(warnings))

    def _only_looked(self, pixels: Pixels, objects: Objects) -> tuple[Pixels, list[Step], list[str]]:
        started = time.perf_counter()
        diagnosis = self.router(pixels)
        refusal = objects(diagnosis.label)
        return pixels, [Step(diagnosis, None, time.perf_counter() - started)], [refusal] if refusal else []

    def _prescribed(self, pixels: Pixels, kinds: Sequence[str]) -> tuple[Pixels, list[Step], list[str]]:
        steps = []
        for kind in kinds:
            started = time.perf_counter()
            pixels = self._repair(pixels, kind)
            steps.append(Step(None, kind, time.perf_counter() - started))
        return pixels, steps, []

    def _diagnosed(self, pixels: Pixels, objects: Objects) -> tuple[Pixels, list[Step], list[str]]:
        steps: list[Step] = []
        warnings: list[str] = []
        while len(steps) < self.max_steps:
            started = time.perf_counter()
            diagnosis = self.router(pixels)
            treated = [step.expert for step in steps if step.expert is not None]
            kind = self.chooses(diagnosis, treated, objects)
            if kind is None:
                warnings += self.doubts(diagnosis, treated, objects)
                steps.append(Step(diagnosis, None, time.perf_counter() - started))
                break
            pixels = self._repair(pixels, kind)
            steps.append(Step(diagnosis, kind, time.perf_counter() - started))
        return pixels, steps, warnings

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
                least = f"below the least confidence of {100 * self._least(kind):.0f} %"
                found.append(f"left alone: {diagnosis.describe(kind)} is {least}; try `kinds={[kind]}`")
        return found

    def _least(self, kind: str) -> float:
        return self.min_confidences.get(kind, self.min_confidence)

    @torch.inference_mode()
    def _repair(self, pixels: Pixels, kind: str) -> Pixels:
        """The mixture of experts of DaR-Net (§III-B): whole networks, one of which serves the picture."""
        choice = torch.tensor([[float(name == kind) for name in self.experts]])
        serving = [partial(_served, self.experts, name) for name in self.experts]  # the others need not be loaded
        restored: Pixels = dispatch(serving, Routing.hard(choice), pixels[None])[0]
        return restored.mean(dim=0, keepdim=True).repeat(3, 1, 1) if _is_grey(pixels) else restored


def _served(experts: Experts, kind: str, pictures: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
    """What the expert for a kind makes of each picture."""
    restored = [experts[kind](picture) for picture in pictures]
    return restored[0][None] if len(restored) == 1 else torch.stack(restored)


def _share(parameter: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise UsageError(f"`{parameter}={value:g}`: expected 0 to 1")


def _is_grey(pixels: Pixels) -> bool:
    return torch.equal(pixels[0], pixels[1]) and torch.equal(pixels[0], pixels[2])


def _blend(pixels: Pixels, restored: Pixels, strength: float) -> Pixels:
    return restored if strength == 1 else torch.lerp(pixels, restored, strength)
