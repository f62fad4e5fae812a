"""A picture under repair: what is planned is done, and revised by what is seen after each step.

Shapes: H × W pixels, h × w of a piece, sRGB in [0, 1].
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray

from darnet.degradations import is_local
from darnet.images import scratch
from darnet.images.arrays import RGB
from darnet.images.filling import fill
from darnet.images.image import Image
from darnet.images.regions import AT_ONCE, Kept, Piece, RegionSink, RegionSource
from darnet.restore.diagnosis import Crop, Diagnosis
from darnet.restore.experts.base import Experts, TiledExpert, tiled
from darnet.restore.places import LEVEL, Map, completed, confine, spread
from darnet.restore.planning import Planner, suspects
from darnet.restore.residuals import Residuals
from darnet.restore.result import Plan, Repair, Step
from darnet.restore.routers import RegionRouter, Router, judge
from darnet.restore.strength import Strength
from darnet.restore.subject import Replacement, Subject
from darnet.timeline import span

#: A step is worth having that changes more than such a share of the pixels by more than an 8-bit level.
WORTH = 1e-3
IN_VAIN = "nothing worth having changed"


@dataclass
class Work:
    """A subject, who looks at it and who repairs it: each step reads what the one before wrote.

    The last one writes into the picture itself, where it is known to be the last and nothing is to be blended.
    """

    subject: Subject
    router: Router
    experts: Experts
    planner: Planner
    strength: Strength
    keep: bool = False
    #: The kinds that were repaired, and what each step made of the picture; the last one may be in the sink instead.
    answers: list[tuple[str, RegionSource]] = field(default_factory=list)
    #: Kinds that were found and repaired, and those of which nothing worth having was: what is said of them.
    treated: list[str] = field(default_factory=list)
    vain: dict[str, str] = field(default_factory=dict)
    #: Of kinds that were repaired in a part alone, the pixels of the subject that were.
    places: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    #: What was planned and is not done, since nothing of it would be kept.
    left: Plan = ()
    sink: Replacement | None = None

    def prescribed(self, kinds: Sequence[str]) -> list[Step]:
        """Treat these, whatever is seen."""
        source, steps, share = self.subject.source, list[Step](), self.subject.share
        plan = tuple(Repair(kind, confidence=1.0, share=share) for kind in kinds)
        needed = self._needed(plan)
        for kind in (repair.kind for repair in needed):
            started = time.perf_counter()
            with span("repair", kind):
                pieces = tiled(self.experts[kind]).by_region(source)
                source, _ = self._write(pieces, kind, source, last=len(steps) + 1 == len(needed))
            steps.append(Step(None, kind, time.perf_counter() - started, plan[len(steps) :], share))
        self.left = plan[len(steps) :]
        return steps

    def alike(self, plan: Plan) -> tuple[list[Step], list[str]]:
        """Treat what was repaired of another page, unless something speaks against it here, and where it is here."""
        source, steps, said = self.subject.source, list[Step](), list[str]()
        for number, repair in enumerate(plan, start=1):
            kind, started = repair.kind, time.perf_counter()
            if (objection := self.subject.refuses(kind)) is not None:
                said.append(objection)
                continue
            part = self.planner.share(judge(self.router, source), kind) if is_local(kind) else 1.0
            here = replace(repair, share=part * self.subject.share)
            with span("repair", kind):
                source, share = self._repair(source, here, last=number == len(plan))
            if share:
                steps.append(Step(None, kind, time.perf_counter() - started, (here,), share))
            else:
                said.append(f"{kind}: {IN_VAIN}")
        return steps, said

    def diagnosed(self) -> tuple[list[Step], list[str]]:
        """Look, plan and treat, until nothing more is to be done; the steps, and what is to be said.

        It is looked again after a step where more was planned, or where something else may be there. A step that
        changes nothing worth having is taken back, speaks against another of its kind, and is none of `max_steps`.
        """
        source, plan, steps, said = self.subject.source, Plan(), list[Step](), dict[str, str]()
        first: Diagnosis | None = None
        diagnosis: Diagnosis | None = None
        while True:
            started = time.perf_counter()
            diagnosis = diagnosis or judge(self.router, source)
            first = first or diagnosis
            plan = self._revised(first, diagnosis)
            said |= self.planner.refusals(diagnosis, self.treated, self._objection, plan, first, self.places)
            if not self._needed(plan):
                steps.append(Step(diagnosis, None, time.perf_counter() - started, plan, share=0.0))
                self.left = plan
                break
            kind, note = plan[0].kind, ""
            further = len(plan) > 1 or suspects(diagnosis, [*self.treated, *self.vain, kind])
            last = not further or self.planner.done([*self.treated, kind])
            with span("repair", kind):
                after, share = self._repair(source, plan[0], last=last)
            if share:
                self.treated.append(kind)
            else:
                note = self.vain[kind] = f"{plan[0]}: {IN_VAIN}"
                said[kind] = note
                last = not further  # it is none of `max_steps`
            steps.append(Step(diagnosis, kind if share else None, time.perf_counter() - started, plan, share, note))
            if share:
                source, diagnosis = after, None
            if last:
                break
        told = [reason for kind, reason in said.items() if kind not in self.treated]  # not of what is repaired by now
        if not plan and not self.answers and self.sink is None:
            assert diagnosis is not None
            told += self.planner.hints(diagnosis, self.treated, self._objection, self.subject.suggests)
        return steps, list(dict.fromkeys(told))

    def _revised(self, first: Diagnosis, diagnosis: Diagnosis) -> Plan:
        """What is left to be repaired after the first step of a plan, or at first all of it; shares of the picture."""
        if self.treated:
            plan = self.planner.revise(first, diagnosis, self.treated, self._objection)
        else:
            plan = self.planner.plan(diagnosis, self._objection)
        return tuple(replace(repair, share=repair.share * self.subject.share) for repair in plan)

    def _objection(self, kind: str) -> str | None:
        return self.vain.get(kind) or self.subject.refuses(kind)

    def _needed(self, plan: Plan) -> Plan:
        """What of a plan has to be done at this strength, or for others, where steps are kept for them already."""
        kinds = [repair.kind for repair in plan]
        return plan if self.keep and self.answers else plan[: len(self.strength.needed(kinds, keep=self.keep))]

    @property
    def residuals(self) -> Residuals | None:
        """What each step changed, where it is to be kept."""
        return Residuals(self.subject, self.answers) if self.keep and self.answers else None

    def finish(self) -> Image:
        """The picture after the last step, blended; as it came where nothing was done."""
        if self.sink is not None:
            return self.sink.finished
        return Residuals(self.subject, self.answers).blend(self.strength) if self.answers else self.subject.image

    def _repair(self, source: RegionSource, repair: Repair, *, last: bool) -> tuple[RegionSource, float]:
        """What an expert makes of a picture, and the share of it that was repaired; 0 where that is not worth it."""
        expert = tiled(self.experts[repair.kind])
        local = repair.share < self.subject.share
        share, part, marked, pieces = self.subject.share, 1.0, None, expert.by_region(source)
        if local and (crops := self._looked_closely(source)):
            marked = self._marked(source, expert, Map.of(crops, repair.kind))
            part = float(marked.mean())
            pieces = _within(marked, expert.by_region(fill(source, marked)), source)
        weight = self.planner.weight(repair)
        if weight < 1:
            pieces = _weighed(weight, pieces, source)
        after, changed = self._write(pieces, repair.kind, source, last=last)
        if changed <= WORTH * part:
            self._undo()
            return source, 0.0
        if marked is not None:
            self.places[repair.kind] = marked
            share = float(self.subject.spread(marked).mean())
        return after, share

    @span("diagnose")
    def _looked_closely(self, source: RegionSource) -> Sequence[Crop]:
        return self.router.look_closely(source) if isinstance(self.router, RegionRouter) else ()

    def _marked(self, source: RegionSource, expert: TiledExpert, found: Map) -> NDArray[np.bool_]:
        """Which pixels are damaged: by what the expert changes, and around them by what it does to a damaged whole."""
        first = self._empty()
        self._fill(first, expert.by_region(source), source)
        marked = confine(source, first, found)
        if not marked.any():
            return marked
        second = self._empty()
        self._fill(second, expert.by_region(spread(source, first, marked)), source)
        return completed(source, second, marked, found)

    def _write(
        self, pieces: Iterable[Piece], kind: str, source: RegionSource, *, last: bool
    ) -> tuple[RegionSource, float]:
        """Put what an expert answers where it is read next, and the last into the picture; the share that changes."""
        if last and self.strength.full and not self.keep:
            self.sink = self.subject.sink()
            return source, self._fill(self.sink, pieces, source)
        after = self._empty()
        self.answers.append((kind, after))
        return after, self._fill(after, pieces, source)

    def _undo(self) -> None:
        """Forget the last step."""
        if self.sink is not None:
            self.sink = None
        else:
            self.answers.pop()

    def _empty(self) -> Kept:
        return Kept.empty(RGB, self.subject.source.height, self.subject.source.width)

    @torch.inference_mode()
    def _fill(self, sink: RegionSink, pieces: Iterable[Piece], source: RegionSource) -> float:
        """Write pieces, grey where the subject is; the share of pixels that change by more than an 8-bit level."""
        large = source.height * source.width > AT_ONCE  # else giving memory back costs a tenth of the repair
        changed = 0
        for region, pixels in pieces:
            grey = pixels.mean(dim=0, keepdim=True).expand(RGB, -1, -1) if self.subject.grey else pixels
            changed += int(((grey - source.read(region).to(grey)).abs().amax(dim=0) > LEVEL).sum())
            sink.write(region, grey)
            del pixels, grey
            if large:
                scratch.trim()
        if large:
            scratch.trim()  # once more, when the last tile is no longer needed
        return changed / (source.height * source.width)


def _weighed(weight: float, pieces: Iterable[Piece], source: RegionSource) -> Iterator[Piece]:
    """Pieces of an answer blended with what was there."""
    for region, pixels in pieces:
        yield region, torch.lerp(source.read(region).to(pixels), pixels, weight)


def _within(marked: NDArray[np.bool_], pieces: Iterable[Piece], source: RegionSource) -> Iterator[Piece]:
    """Pieces of an answer where it is marked; elsewhere what was there."""
    for region, pixels in pieces:
        yield region, torch.where(torch.from_numpy(region.of(marked)), pixels, source.read(region).to(pixels))
