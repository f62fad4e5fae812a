"""How many steps each stage of a run takes, and how far along its schedule each of them is.

A recipe says how many. A run that has only so much time (`Budget`) is planned once, from what a step of every stage was
measured to cost: stages share the time as the recipe's steps would. The plan is part of every checkpoint, so whoever
takes the run up follows it. It is corrected only where the run would miss its time; then the rest of a stage has other
steps, and the schedule goes on from where it is.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

#: Share of a stage's time that may be spent on validation.
VALIDATION_SHARE = 0.05
#: Share of a stage that its learning rate rises for, at most, where steps were fitted to time.
WARMUP_SHARE = 0.1
#: Share of all the time that a run may be off before its plan is corrected.
TOLERANCE = 0.025
#: Share of all the time that calibration may take.
CALIBRATION_SHARE = 0.1


@dataclass(frozen=True)
class Budget:
    """All the time that a run has, from `began` (of `time.monotonic`) to its end, in minutes."""

    minutes: float
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """The same in seconds."""
        return 60 * self.minutes


@dataclass(frozen=True)
class Cost:
    """What one stage costs here, in seconds: a step, one validation, and what comes before the first step."""

    step: float
    validation: float = 0.0
    opening: float = 0.0


@dataclass
class StagePlan:
    """The steps of one stage. `knots`: (step, progress), from (0, 0) to (all steps, 1), straight lines between them."""

    knots: list[tuple[int, float]]
    epoch_steps: int
    warmup_steps: int = 0

    @classmethod
    def of(cls, steps: int, epoch_steps: int, warmup_steps: int = 0) -> StagePlan:
        """So many steps, all alike."""
        return cls([(0, 0.0), (steps, 1.0)], epoch_steps, warmup_steps)

    @property
    def steps(self) -> int:
        """All of the stage."""
        return self.knots[-1][0]

    @property
    def epochs(self) -> int:
        """How often it is validated."""
        return max(1, round(self.steps / self.epoch_steps))

    def progress(self, step: int) -> float:
        """How far along the schedule is, 0 to 1."""
        index = min(bisect_right([knot[0] for knot in self.knots], step), len(self.knots) - 1)
        (before, low), (after, high) = self.knots[index - 1 : index + 1]
        return low + (high - low) * min(1.0, (step - before) / (after - before))

    def stretch(self, step: int, factor: float) -> None:
        """What is left after `step` takes `factor` times as many steps, but at least one."""
        left = max(1, round((self.steps - step) * factor))
        kept = [knot for knot in self.knots if knot[0] < step]
        here = [(step, self.progress(step))] if step else [(0, 0.0)]
        self.knots = [*kept, *here, (step + left, 1.0)]

    def ends_epoch(self, step: int) -> bool:
        """Whether it is validated after so many steps; less than half an epoch that is left joins the one before."""
        regular = step % self.epoch_steps == 0 and self.steps - step >= self.epoch_steps / 2
        return step == self.steps or regular

    def seconds(self, cost: Cost) -> float:
        """What the stage takes as a whole."""
        return cost.opening + self.steps * cost.step + self.epochs * cost.validation


@dataclass
class Plan:
    """Of all stages. `seconds`: what the run may take, if there is such a limit; `corrections`: how often it moved."""

    stages: list[StagePlan]
    calibration_pictures: int = 0
    seconds: float | None = None
    corrections: int = 0

    def document(self) -> dict[str, Any]:
        """As plain data, for a checkpoint."""
        return asdict(self)

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Plan:
        """From plain data."""
        stages = [
            StagePlan([(int(step), float(progress)) for step, progress in stage["knots"]], *_steps(stage))
            for stage in document["stages"]
        ]
        return cls(stages, document["calibration_pictures"], document["seconds"], document["corrections"])

    def fit(self, costs: Sequence[Cost], seconds: float, first: tuple[int, int] = (0, 0)) -> None:
        """Give what is left after `first`, a stage and a step of it, so many steps that it takes `seconds`.

        `costs`: of every stage from that one on.
        """
        index, step = first
        ahead = list(zip(self.stages[index:], costs, strict=True))
        work = [(stage.steps - (0 if number else step)) * cost.step for number, (stage, cost) in enumerate(ahead)]
        spare = max(0.0, seconds - sum(cost.opening for cost in costs))
        for number, (stage, cost) in enumerate(ahead):
            time_here, done = spare * work[number] / sum(work), 0 if number else step
            most = int(VALIDATION_SHARE * time_here / cost.validation) if cost.validation else stage.epochs
            epochs = max(1, min(stage.epochs, most))
            left = max(1, int((time_here - epochs * cost.validation) / cost.step))
            stage.stretch(done, left / (stage.steps - done))
            if not done:
                stage.warmup_steps = min(stage.warmup_steps, int(WARMUP_SHARE * stage.steps))
            stage.epoch_steps = max(1, -(-left // epochs))

    def correct(self, factor: float, first: tuple[int, int]) -> None:
        """What is left after `first`, a stage and a step of it, takes `factor` times as many steps."""
        index, step = first
        for number, stage in enumerate(self.stages[index:]):
            stage.stretch(0 if number else step, factor)
            if number:
                stage.warmup_steps = min(stage.warmup_steps, int(WARMUP_SHARE * stage.steps))
        self.corrections += 1


def _steps(stage: Mapping[str, Any]) -> tuple[int, int]:
    return int(stage["epoch_steps"]), int(stage["warmup_steps"])
