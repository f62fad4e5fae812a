"""Keeps a run to its time: measures what its stages cost, plans their steps, and looks at the clock while they run.

In a run of several processes the first one measures and decides, and tells the others at steps that all know.
"""

from __future__ import annotations

import math
from collections import deque

import torch

from darnet.training.journal import Journal, duration
from darnet.training.learner import Learner
from darnet.training.plan import CALIBRATION_SHARE, Cost, Plan
from darnet.training.precision import now
from darnet.training.recipe import Stage
from darnet.training.stage import Position, StageRun

#: Share of all the time that is spent on measuring, beside the steps that do not count.
TRIAL_SHARE = 0.02
#: Share of all the time, and seconds at least, that are left for what comes after the last step.
RESERVE_SHARE, RESERVE_SECONDS = 0.01, 1.0
#: Share of all the time that a run may be off before its plan is corrected; early on it is so many times more, since
#: other work on the machine comes and goes.
TOLERANCE, EARLY = 0.015, 4
#: How often in a stage the clock is looked at, and over how many looks speed is measured.
LOOKS, WINDOW = 10, 3
#: Keys of a stage that its speed does not depend on.
IDLE = {"name", "epochs", "steps_per_epoch", "crops_per_photo", "optimizer", "schedule", "hold", "keep", "grey_share"}


class Pace:
    """Of one run in this process: it corrects `plan`. `seconds`: all its time; none: it stays as it is."""

    def __init__(self, learner: Learner, plan: Plan, journal: Journal, seconds: float | None) -> None:
        self.learner, self.plan, self.journal, self.seconds = learner, plan, journal, seconds
        self.costs: dict[int, Cost] = {}
        self.closing = 0.0
        self.drift = 1.0  # how much slower than planned it is
        self.stage = -1
        self.marks: deque[tuple[int, float]] = deque(maxlen=WINDOW + 1)

    def fit(self, position: Position) -> None:
        """Measure every stage that is left, and plan for the time that is left. The weights stay as they are."""
        assert self.seconds is not None
        plan, journal, fabric = self.plan, self.journal, self.learner.fabric
        first = (position.stage, position.step)
        stages = self.learner.recipe.stage[first[0] :]
        if not stages:
            return
        journal.say(f"measuring its speed, for about {duration(TRIAL_SHARE * self.seconds)}")
        costs = fabric.broadcast(self._measure(first[0], stages))
        self.costs = dict(enumerate(costs, first[0]))
        self.closing, plan.calibration_pictures = fabric.broadcast(self._after_the_last_step())
        left = float(fabric.broadcast(self.seconds - journal.seconds - self.closing))
        plan.fit(costs, left, first)
        plan.seconds = self.seconds
        steps = (
            f"{stage.name} {part.steps} steps of {cost.step:.3g} s"
            for stage, part, cost in zip(stages, plan.stages[first[0] :], costs, strict=True)
        )
        journal.say(f"fitted to {self.seconds / 60:.4g} minutes: {', '.join(steps)}")

    def due(self, position: Position) -> bool:
        """Look at the clock after so many steps of a stage; true where the plan had to be corrected."""
        index, step = position.stage, position.step
        stage = self.plan.stages[index]
        if self.seconds is None or step % max(1, stage.steps // LOOKS) or step >= stage.steps:
            return False
        factor = float(self.learner.fabric.broadcast(self._factor(index, step)))
        if factor == 1:
            return False
        self.plan.correct(factor, (index, step))
        name = self.learner.recipe.stage[index].name
        self.journal.say(f"{name} step {step}: corrected to {stage.steps} steps, to be in time")
        return True

    def _factor(self, index: int, step: int) -> float:
        """How many times as many steps there should be; 1 where the run will be in time."""
        assert self.seconds is not None
        elapsed, plan = self.journal.seconds, self.plan
        if index != self.stage:
            self.stage = index
            self.marks.clear()
        self.marks.append((step, elapsed))
        stage, cost = plan.stages[index], self.costs[index]
        expected = cost.step + cost.validation / stage.epoch_steps
        if len(self.marks) > 1:
            (before, begun), (after, ended) = self.marks[0], self.marks[-1]
            self.drift = (ended - begun) / (after - before) / expected
        later = sum(part.seconds(self.costs[index + 1 + n]) for n, part in enumerate(plan.stages[index + 1 :]))
        wanted = self.drift * ((stage.steps - step) * expected + later)
        available = max(0.0, self.seconds - elapsed - self.closing)
        allowed = TOLERANCE * (self.seconds + EARLY * available)
        return 1.0 if abs(wanted - available) < allowed else available / wanted

    def _measure(self, first: int, stages: tuple[Stage, ...]) -> list[Cost]:
        """What each stage costs; stages that differ in nothing that takes time are tried once."""
        assert self.seconds is not None
        learner, plans = self.learner, self.plan.stages
        keys = [stage.model_dump_json(exclude=IDLE) + stage.optimizer.name for stage in stages]
        weights = {name: tensor.clone() for name, tensor in learner.model.state_dict().items()}
        found: dict[str, Cost] = {}
        for index, key in enumerate(keys, first):
            if key not in found:
                run = StageRun(learner, Position(stage=index), plans[index])
                found[key] = run.trial(TRIAL_SHARE * self.seconds / len(set(keys)))
                learner.model.load_state_dict(weights)
        return [found[key] for key in keys]

    @torch.no_grad()
    def _after_the_last_step(self) -> tuple[float, int]:
        """Seconds that are needed for all that follows, and on how many pictures a verdict can be fitted in them."""
        assert self.seconds is not None
        learner, pictures = self.learner, self.learner.recipe.data.calibration_pictures
        reserve = max(RESERVE_SECONDS, RESERVE_SHARE * self.seconds)
        if not pictures or learner.fabric.global_rank != 0:
            return reserve, pictures
        for _ in range(2):  # the first does not count
            begun = now(learner.fabric.device)
            batch = learner.calibration_batch(0)
            batch.shown_to(learner.model.eval())
            once = now(learner.fabric.device) - begun
        crops = batch.crops_per_picture / len(batch.degraded)  # batches that a picture needs
        pictures = min(pictures, max(1, int(CALIBRATION_SHARE * self.seconds / once / crops)))
        return reserve + math.ceil(pictures * crops) * once, pictures
