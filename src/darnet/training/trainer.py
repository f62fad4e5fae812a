"""One trainer for every network: a recipe's stages, one after the other, each a loop of batch, losses, step.

A run is stopped and taken up at any step: batches follow from (seed, stage, step, rank), and a checkpoint holds all
else, so an interrupted run ends in the same weights as one that was not.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from darnet.models.abilities import Calibrated
from darnet.models.base import Model
from darnet.training.calibration import calibrate
from darnet.training.checkpoint import load_checkpoint, save_checkpoint
from darnet.training.journal import Journal
from darnet.training.learner import CALIBRATION_CROPS, VALIDATION_BATCH, Learner
from darnet.training.pace import Pace
from darnet.training.plan import Budget, Plan, StagePlan
from darnet.training.preparation import adopt
from darnet.training.stage import Epoch, Position, StageRun

CHECKPOINT_SECONDS = 120.0


class Trainer:
    """Drives the stages of one run in `folder`; nothing is written before `run`.

    Which finds out where it stands (`position`), how many steps there are (`plan`), and who keeps it to its time
    (`pace`).
    """

    position: Position
    plan: Plan
    pace: Pace

    def __init__(self, learner: Learner, folder: Path, journal: Journal) -> None:
        self.learner, self.journal = learner, journal
        self.checkpoint = folder / "checkpoints" / "last.safetensors"

    def run(self, budget: Budget | None = None, *, moved: bool = False) -> Model:
        """All stages that the last checkpoint leaves; returns the network, averaged, in evaluation mode.

        `budget`: the time that there is for them. `moved`: the checkpoint is that of another machine, so its plan may
        have to be corrected.
        """
        learner, recipe = self.learner, self.learner.recipe
        state = load_checkpoint(self.checkpoint) if self.checkpoint.exists() else None
        self._settle(state, budget, moved=moved)
        if state is None and (learner.teacher is not None or budget is not None):
            self._save({"model": learner.model.state_dict()})  # chance does not give them back should it be stopped
        for index, stage in enumerate(recipe.stage):
            if index == self.position.stage:
                self._learn(StageRun(learner, self.position, self.plan.stages[index], state))
                if stage.hold and learner.teacher is not None:
                    adopt(learner.model, learner.teacher)
                state = None
                self.position = Position(stage=index + 1)
                self._save({"model": learner.model.state_dict()})
        learner.model.eval()
        if "presence" in recipe.stage[-1].losses and isinstance(learner.model, Calibrated):
            learner.model.measure_from_clean()
        if recipe.data.calibration_pictures:
            self._calibrate()
        return learner.model

    def _settle(self, state: dict[str, Any] | None, budget: Budget | None, *, moved: bool) -> None:
        """Where it stands, and how many steps there are."""
        self.position = Position() if state is None else Position(**state["position"])
        if state is not None:
            self.learner.model.load_state_dict(state["model"])
            self.journal.started -= state.get("seconds", 0.0)
        elif budget is not None:
            self.journal.started = budget.began
        planned = None if state is None else state.get("plan")
        self.plan = self._recipe_plan() if planned is None else Plan.read(planned)
        within = budget.seconds if budget is not None and (moved or planned is None) else None
        self.pace = Pace(self.learner, self.plan, self.journal, within)
        if within is not None:
            self.pace.fit(self.position)

    def _learn(self, run: StageRun) -> None:
        """To the end of a stage; the weights that it keeps are then the model's."""
        position, plan, name = self.position, run.plan, run.stage.name
        run.begin()
        saved = time.monotonic()
        if position.step == 0 and self.pace.due(position):
            self._save(run.state())
        while position.step < plan.steps:
            run.step()
            self.journal.pulse(name, position.step, plan.steps)
            ended = plan.ends_epoch(position.step)
            if ended:
                epoch = run.end_epoch()
                self._tell(name, epoch)
                if epoch.last:
                    break
            moved = self.pace.due(position)
            if ended or moved or time.monotonic() - saved > CHECKPOINT_SECONDS:
                self._save(run.state())
                saved = time.monotonic()
        run.finish()

    def _tell(self, name: str, epoch: Epoch) -> None:
        """Write down how an epoch went."""
        if epoch.sample is not None:
            self.journal.sample(f"{name}-{epoch.number:04d}", *epoch.sample)
        self.journal.record(name, self.position.step, epoch.values)
        shown = "  ".join(f"{key} {value:.4g}" for key, value in epoch.values.items())
        self.journal.say(f"{name} epoch {epoch.number}: {shown}")

    def _recipe_plan(self) -> Plan:
        """As many steps as the recipe says."""
        stages, recipe = [], self.learner.recipe
        for stage in recipe.stage:
            steps = stage.epoch_steps(len(self.learner.training.photos))
            stages.append(StagePlan.of(stage.epochs * steps, steps, stage.schedule.warmup_steps))
        return Plan(stages, recipe.data.calibration_pictures)

    def _calibrate(self) -> None:
        """Fit a router's verdict to validation pictures, seen as it will see them."""
        learner, alarms = self.learner, self.learner.recipe.data.clean_alarms
        count = math.ceil(self.plan.calibration_pictures * CALIBRATION_CROPS / VALIDATION_BATCH)
        batches = (learner.calibration_batch(index) for index in range(count))
        entropy, margin = calibrate(learner.model, batches, alarms, learner.known)
        self.journal.say(f"cross-entropy of whole pictures {entropy:.3f}, margin of clean {margin:.3f}")

    def _save(self, state: dict[str, Any]) -> None:
        """Write the checkpoint, from the first process."""
        if self.learner.fabric.global_rank == 0:
            self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
            plan = None if self.plan.seconds is None else self.plan.document()
            standing = {"position": asdict(self.position), "plan": plan, "seconds": self.journal.seconds}
            save_checkpoint(self.checkpoint, {**state, **standing})
