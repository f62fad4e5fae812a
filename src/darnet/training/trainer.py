"""One trainer for every network: a recipe's stages, one after the other, each a loop of batch, losses, step.

A run is stopped and taken up at any step: batches follow from (seed, stage, step, rank), and a checkpoint holds all
else, so an interrupted run ends in the same weights as one that was not.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Generator

from darnet.data.augmentation import Variety
from darnet.data.batch import Batch
from darnet.data.material import Material
from darnet.data.scenes import Scenes
from darnet.data.synthesis import Storage, Synthesis
from darnet.errors import RecipeError
from darnet.models.base import Model, channels_last
from darnet.models.classifier import DegradationClassifier
from darnet.training.calibration import calibrate
from darnet.training.checkpoint import load_checkpoint, save_checkpoint
from darnet.training.journal import Journal
from darnet.training.pace import Pace
from darnet.training.plan import Budget, Plan, StagePlan
from darnet.training.preparation import build_model, check
from darnet.training.recipe import Recipe, Stage
from darnet.training.stage import VALIDATION_BATCH, VALIDATION_STEP, StageRun

#: As many crops as a router looks at in a large picture.
CALIBRATION_CROPS = 16
#: Side of the scenes that they are cut from, at least: crops of a smaller one are nearly the same.
CALIBRATION_SCENE_PX = 384


@dataclass
class Position:
    """Where a run stands."""

    stage: int = 0
    step: int = 0  # within the stage
    best: float = math.inf  # validation loss
    stale_epochs: int = 0


class Trainer:
    """Trains `recipe` on `material`, from the weights of `start` if given; nothing is written before `run`.

    Raises RecipeError for what cannot be trained.
    """

    def __init__(
        self,
        recipe: Recipe,
        material: Material,
        fabric: Fabric,
        start: Model | None = None,
        muon_dtype: torch.dtype = torch.float32,
    ) -> None:
        self.muon_dtype = muon_dtype
        self.recipe, self.material, self.fabric = recipe, material, fabric
        shares = [1 - recipe.data.validation - recipe.data.test, recipe.data.validation]
        data = recipe.data
        parts = [
            part.with_halves(data.halve_above_px).with_scales(data.scales, data.smallest_px)
            for part in material.split(shares, recipe.seed)
        ]
        if not all(part.complete for part in parts) or set(parts[0].memory.kinds) != set(material.memory.kinds):
            raise RecipeError(f"{material.pictures} pictures are too few to train and validate on")
        self.training, self.validation = (part.on(fabric.device) for part in parts)
        self.model = channels_last(build_model(recipe, start).to(fabric.device))
        self.teacher = None if start is None else start.to(fabric.device).eval()
        self.kinds = self.model.kinds or recipe.kinds
        self.position = Position()
        self.checkpoint_seconds = 120.0
        check(recipe, self.model, self.kinds, start, material.memory.kinds)

    def run(self, folder: Path, journal: Journal, budget: Budget | None = None, *, moved: bool = False) -> Model:
        """All stages that the last checkpoint in `folder` leaves; returns the network, averaged, in evaluation mode.

        `budget`: the time that there is for them. `moved`: the checkpoint is that of another machine, so its plan may
        have to be corrected.
        """
        self.journal, self.checkpoint = journal, folder / "checkpoints" / "last.safetensors"
        state = load_checkpoint(self.checkpoint) if self.checkpoint.exists() else None
        if state is not None:
            self.model.load_state_dict(state["model"])
            self.position = Position(**state["position"])
            journal.started -= state.get("seconds", 0.0)
        elif budget is not None:
            journal.started = budget.began
        planned = state is not None and state.get("plan") is not None
        self.plan = Plan.read(state["plan"]) if state is not None and planned else self._recipe_plan()
        self.pace = Pace(self, None)
        if budget is not None and (moved or not planned):
            self.pace = Pace(self, budget.seconds)
            self.pace.fit()
        if state is None and (self.teacher is not None or budget is not None):
            self.save({"model": self.model.state_dict()})  # chance does not give them back should it be stopped early
        for index, stage in enumerate(self.recipe.stage):
            if index == self.position.stage:
                StageRun(self, index, state).run()
                if stage.hold and self.teacher is not None:
                    self.model.adopt(self.teacher)
                state = None
                self.position = Position(stage=index + 1)
                self.save({"model": self.model.state_dict()})
        self.model.eval()
        self.model.gate = type(self.model).gate
        if "presence" in self.recipe.stage[-1].losses and isinstance(self.model, DegradationClassifier):
            self.model.measure_from_clean()
        if self.recipe.data.calibration_pictures:
            self._calibrate()
        return self.model

    def _recipe_plan(self) -> Plan:
        """As many steps as the recipe says."""
        stages = []
        for stage in self.recipe.stage:
            steps = stage.epoch_steps(len(self.training.photos))
            stages.append(StagePlan.of(stage.epochs * steps, steps, stage.schedule.warmup_steps))
        return Plan(stages, self.recipe.data.calibration_pictures)

    def _calibrate(self) -> None:
        """Fit a router's verdict to validation pictures, seen as it will see them."""
        self.position = Position(stage=len(self.recipe.stage))
        count = math.ceil(self.plan.calibration_pictures * CALIBRATION_CROPS / VALIDATION_BATCH)
        batches = (self.calibration_batch(index) for index in range(count))
        data = self.recipe.data
        known = () if self.teacher is None else self.teacher.kinds
        entropy, margin = calibrate(self.model, batches, data.clean_alarms, known)
        self.journal.say(f"cross-entropy of whole pictures {entropy:.3f}, margin of clean {margin:.3f}")

    def calibration_batch(self, number: int) -> Batch:
        """Pictures of the last stage that a verdict is fitted to, in as many crops as a router looks at."""
        last = self.recipe.stage[-1]
        scene_px = max(CALIBRATION_SCENE_PX, last.scene_px) if last.scene_px else None
        last = last.model_copy(update={"crops_per_picture": CALIBRATION_CROPS, "scene_px": scene_px})
        synthesis = self.synthesis(last, self.validation, augment=False)
        return synthesis(VALIDATION_BATCH, self.generator(VALIDATION_STEP + number))

    def synthesis(self, stage: Stage, material: Material, *, augment: bool) -> Synthesis:
        """How batches of a stage are made."""
        sources = [spec.build(material, self.kinds) for spec in stage.degradations]
        shares = [spec.share for spec in stage.degradations]
        if stage.replay:
            earlier = list(material.replay.values())
            share = stage.replay / (1 - stage.replay) * sum(shares) / len(earlier)
            sources, shares = [*sources, *earlier], [*shares, *[share] * len(earlier)]
        return Synthesis(
            photos=material.photos,
            sources=sources,
            shares=shares,
            kinds=self.kinds,
            crop_px=stage.crop_px,
            views=self.model.views,
            scene_px=stage.scene_px,
            rounding=stage.rounding,
            augment=augment,
            variety=Variety(stage.varied_share if augment else 0.0, stage.crop_px),
            grey=stage.grey_share,
            storage=Storage(stage.jpeg_share, stage.jpeg_quality),
            crops_per_picture=stage.crops_per_picture,
            align_px=stage.align_px,
            small_share=stage.small_share,
            scenes=Scenes(
                material.photos,
                stage.scene_px or stage.crop_px,
                material.deep,
                material.graphics,
                stage.depth_share,
                stage.graphics_share,
                stage.grey_share,
            ),
        )

    def save(self, state: dict[str, Any]) -> None:
        """Write the checkpoint, from the first process."""
        if self.fabric.global_rank == 0:
            self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
            plan = None if self.plan.seconds is None else self.plan.document()
            standing = {"position": asdict(self.position), "plan": plan, "seconds": self.journal.seconds}
            save_checkpoint(self.checkpoint, {**state, **standing})

    def generator(self, step: int) -> Generator:
        """The source of all chance in one step of one stage on one process."""
        entropy = [self.recipe.seed, self.position.stage, step, self.fabric.global_rank]
        seed = np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0]
        return Generator().manual_seed(int(seed >> np.uint64(2)))
