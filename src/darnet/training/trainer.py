"""One trainer for every network: a recipe's stages, one after the other, each a loop of batch, losses, step.

A run is stopped and taken up at any step: batches follow from (seed, stage, step, rank), and a checkpoint holds all
else, so an interrupted run ends in the same weights as one that was not.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Generator, Tensor, nn

from darnet.data.material import Material
from darnet.data.synthesis import Batch, Storage, Synthesis
from darnet.data.variety import Variety
from darnet.errors import DarnetError, RecipeError
from darnet.models.base import Model, channels_last
from darnet.models.classifier import DegradationClassifier
from darnet.training import optimizers as optim
from darnet.training.calibration import calibrate
from darnet.training.checkpoint import load_checkpoint, save_checkpoint
from darnet.training.journal import Journal
from darnet.training.objective import Objective, scores, seeded, tensors
from darnet.training.preparation import build_model, check
from darnet.training.recipe import Recipe, Stage

#: Validation batches are the same in every epoch of a stage; no training step has this number.
VALIDATION_STEP = 2**31
VALIDATION_BATCH = 64
#: As many crops as a router looks at in a large picture.
CALIBRATION_CROPS = 16


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

    def __init__(self, recipe: Recipe, material: Material, fabric: Fabric, start: Model | None = None) -> None:
        self.recipe, self.material, self.fabric = recipe, material, fabric
        shares = [1 - recipe.data.validation - recipe.data.test, recipe.data.validation]
        parts = [part.with_halves(recipe.data.halve_above_px) for part in material.split(shares, recipe.seed)]
        if not all(part.complete for part in parts) or set(parts[0].memory.kinds) != set(material.memory.kinds):
            raise RecipeError(f"{material.pictures} pictures are too few to train and validate on")
        self.training, self.validation = (part.on(fabric.device) for part in parts)
        self.model = channels_last(build_model(recipe, start).to(fabric.device))
        self.teacher = None if start is None else start.to(fabric.device).eval()
        self.kinds = self.model.kinds or recipe.kinds
        self.position = Position()
        self.checkpoint_seconds = 120.0
        check(recipe, self.model, self.kinds, start, material.memory.kinds)

    def run(self, folder: Path, journal: Journal) -> Model:
        """All stages that the last checkpoint in `folder` leaves; returns the network, averaged, in evaluation mode."""
        self.journal, self.checkpoint = journal, folder / "checkpoints" / "last.safetensors"
        state = load_checkpoint(self.checkpoint) if self.checkpoint.exists() else None
        if state is None and self.teacher is not None:
            self.save({"model": self.model.state_dict()})  # chance does not give them back should it be stopped early
        if state is not None:
            self.model.load_state_dict(state["model"])
            self.position = Position(**state["position"])
        for index, stage in enumerate(self.recipe.stage):
            if index == self.position.stage:
                StageRun(self, stage, state).run()
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

    def _calibrate(self) -> None:
        """Fit a router's verdict to validation pictures, seen as it will see them."""
        self.position = Position(stage=len(self.recipe.stage))
        last = self.recipe.stage[-1].model_copy(update={"crops_per_picture": CALIBRATION_CROPS})
        synthesis = self.synthesis(last, self.validation, augment=False)
        count = math.ceil(self.recipe.data.calibration_pictures * CALIBRATION_CROPS / VALIDATION_BATCH)
        batches = (synthesis(VALIDATION_BATCH, self.generator(VALIDATION_STEP + index)) for index in range(count))
        data = self.recipe.data
        known = () if self.teacher is None else self.teacher.kinds
        entropy, margin = calibrate(self.model, batches, data.clean_alarms, known)
        self.journal.say(f"cross-entropy of whole pictures {entropy:.3f}, margin of clean {margin:.3f}")

    def synthesis(self, stage: Stage, material: Material, *, augment: bool) -> Synthesis:
        """How batches of a stage are made."""
        sources = [spec.build(material) for spec in stage.degradations]
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
            context=self.model.context,
            scene_px=stage.scene_px,
            rounding=stage.rounding,
            augment=augment,
            variety=Variety(stage.varied_share if augment else 0.0, stage.crop_px),
            grey=stage.grey_share,
            storage=Storage(stage.jpeg_share, stage.jpeg_quality),
            crops_per_picture=stage.crops_per_picture,
            align_px=stage.align_px,
        )

    def save(self, state: dict[str, Any]) -> None:
        """Write the checkpoint, from the first process."""
        if self.fabric.global_rank == 0:
            self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
            save_checkpoint(self.checkpoint, {**state, "position": asdict(self.position)})

    def generator(self, step: int) -> Generator:
        """The source of all chance in one step of one stage on one process."""
        entropy = [self.recipe.seed, self.position.stage, step, self.fabric.global_rank]
        seed = np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0]
        return Generator().manual_seed(int(seed >> np.uint64(2)))


class StageRun:
    """One stage in progress: its optimisers, averages and batches."""

    def __init__(self, trainer: Trainer, stage: Stage, state: dict[str, Any] | None) -> None:
        self.trainer, self.stage = trainer, stage
        self.position, self.fabric = trainer.position, trainer.fabric
        optim.freeze(trainer.model, stage)
        trainer.model.gate = stage.gate or type(trainer.model).gate
        self.steps_per_epoch = stage.epoch_steps(len(trainer.training.photos))
        self.total = stage.epochs * self.steps_per_epoch
        self.objective = self.fabric.setup(Objective(trainer.model, stage))
        # The optimisers step plain parameters; Fabric moves nothing of theirs, so it need not know them.
        self.optimizers = optim.build_optimizers(trainer.model, stage.optimizer)
        self.schedulers = [optim.build_scheduler(o, stage.schedule, self.total) for o in self.optimizers]
        self.average = optim.moving_average(trainer.model, trainer.recipe.ema_decay)
        self.best: dict[str, Tensor] | None = None
        self.synthesis = trainer.synthesis(stage, trainer.training, augment=stage.augment)
        self.validation = self._validation_batches()
        if state is not None and "average" in state:
            self._restore(state)

    def run(self) -> None:
        """Train to the end of the stage and leave the kept weights in the model."""
        journal, saved = self.trainer.journal, time.monotonic()
        bar = journal.progress.add_task(self.stage.name, total=self.total, completed=self.position.step)
        running: dict[str, Tensor] = {}
        counted = 0
        while self.position.step < self.total:
            terms = self._step()
            running = {name: running.get(name, 0) + term for name, term in terms.items()}
            counted += 1
            self.position.step += 1
            journal.progress.advance(bar)
            if self.position.step % self.steps_per_epoch == 0:
                stop = self._end_epoch({name: float(total) / counted for name, total in running.items()})
                running, counted = {}, 0
                if stop:
                    break
            if self.position.step % self.steps_per_epoch == 0 or self._due(saved):
                self._save()
                saved = time.monotonic()
        self._agree()
        keeper = self.best if self.stage.keep == "best" and self.best is not None else self.average.module.state_dict()
        self.trainer.model.load_state_dict(keeper)

    def _agree(self) -> None:
        """Raise DarnetError if the processes of a run no longer train one network."""
        total = torch.stack([weight.detach().double().sum() for weight in self.trainer.model.parameters()]).sum()
        totals = torch.as_tensor(self.fabric.all_gather(total))
        if bool((totals != total).any()):
            raise DarnetError(f"stage {self.stage.name!r}: the processes have drifted apart")

    def _step(self) -> dict[str, Tensor]:
        self.objective.train()
        pictures = self.stage.batch // self.stage.crops_per_picture // self.fabric.world_size
        size = max(1, pictures) * self.stage.crops_per_picture
        rng = self.trainer.generator(self.position.step)
        batch = self._taught(self.synthesis(size, rng))
        with seeded(rng, self.fabric.device):
            terms, embeddings = self.objective(*tensors(batch))
        loss = torch.stack(list(terms.values())).sum()
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        self.fabric.backward(loss)
        if self.stage.optimizer.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.trainer.model.parameters(), self.stage.optimizer.clip_norm)
        for optimizer, scheduler in zip(self.optimizers, self.schedulers, strict=True):
            optimizer.step()
            if not isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
                scheduler.step()
        gathered = [torch.as_tensor(self.fabric.all_gather(tensor)).flatten(0, -2) for tensor in embeddings]
        self.trainer.model.after_step(gathered)
        self.average.update_parameters(self.trainer.model)
        return {name: term.detach() for name, term in terms.items()}

    def _taught(self, batch: Batch) -> Batch:
        """With the answers of the teacher, where they are to be kept."""
        teacher = self.trainer.teacher
        if teacher is None or "distillation" not in self.stage.losses:
            return batch
        with torch.no_grad(), self.fabric.autocast():
            return replace(batch, taught=teacher(batch.degraded, batch.context).routings[-1].logits.float())

    def _end_epoch(self, running: dict[str, float]) -> bool:
        """Validate, keep the best, move the plateau schedule; true where the stage should stop early."""
        values = {**{f"train_{k}": v for k, v in running.items()}, **self._validate(), **optim.rates(self.optimizers)}
        loss = float(self.fabric.broadcast(values["val_loss"]))
        if not math.isfinite(loss) or not all(map(math.isfinite, running.values())):
            raise DarnetError(f"stage {self.stage.name!r}, step {self.position.step}: the loss is not finite")
        if loss < self.position.best:
            self.position.best, self.position.stale_epochs = loss, 0
            self.best = {k: v.detach().clone() for k, v in self.average.module.state_dict().items()}
        else:
            self.position.stale_epochs += 1
        for scheduler in self.schedulers:
            if isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
                scheduler.step(loss)
        journal = self.trainer.journal
        journal.record(self.stage.name, self.position.step, values)
        shown = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
        journal.say(f"{self.stage.name} epoch {self.position.step // self.steps_per_epoch}: {shown}")
        limit = self.stage.early_stop_epochs
        return limit is not None and self.position.stale_epochs >= limit

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        """Averaged weights on the fixed validation batches, on the first process."""
        if self.fabric.global_rank != 0:
            return {"val_loss": math.nan}
        objective = Objective(self.average.module.eval(), self.stage)
        totals: dict[str, float] = {}
        for batch in self.validation:
            with self.fabric.autocast():
                output = objective.look(batch)
            terms = objective.score(output, self._taught(batch))
            values = {"val_loss": float(torch.stack(list(terms.values())).sum()), **scores(output, batch)}
            for name, value in values.items():
                totals[name] = totals.get(name, 0.0) + value / len(self.validation)
        if output.image is not None and math.isfinite(totals["val_loss"]):
            epoch = self.position.step // self.steps_per_epoch
            rows = (batch.degraded[:6], output.image[:6], batch.clean[:6])
            self.trainer.journal.sample(f"{self.stage.name}-{epoch:04d}", *rows)
        return totals

    def _validation_batches(self) -> list[Batch]:
        if self.fabric.global_rank != 0:
            return []
        synthesis = self.trainer.synthesis(self.stage, self.trainer.validation, augment=False)
        size, crops = self.trainer.recipe.data.validation_samples, self.stage.crops_per_picture
        size, wanted = max(1, min(size, VALIDATION_BATCH) // crops) * crops, size
        count = math.ceil(wanted / size)
        return [synthesis(size, self.trainer.generator(VALIDATION_STEP + index)) for index in range(count)]

    def _due(self, saved: float) -> bool:
        return time.monotonic() - saved > self.trainer.checkpoint_seconds

    def _save(self) -> None:
        self.trainer.save(
            {
                "model": self.trainer.model.state_dict(),
                "average": self.average.state_dict(),
                "best": self.best,
                "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
                "schedulers": [scheduler.state_dict() for scheduler in self.schedulers],
            }
        )

    def _restore(self, state: dict[str, Any]) -> None:
        self.average.load_state_dict(state["average"])
        self.best = state["best"]
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        for scheduler, saved in zip(self.schedulers, state["schedulers"], strict=True):
            scheduler.load_state_dict(saved)
