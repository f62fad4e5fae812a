"""One stage of a run in progress: batch, losses, step; and what a step of it costs."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from darnet.data.batch import Batch
from darnet.errors import DarnetError
from darnet.models.base import Model, Output
from darnet.training import optimizers as optim
from darnet.training.objective import Objective, scores, seeded, tensors
from darnet.training.plan import Cost
from darnet.training.precision import now

if TYPE_CHECKING:
    from darnet.training.trainer import Trainer

#: Validation batches are the same in every epoch of a stage; no training step has this number.
VALIDATION_STEP = 2**31
VALIDATION_BATCH = 64
#: Steps that do not count before speed is measured, and those that do, at least and at most.
WARM_STEPS, FEWEST_STEPS, MOST_STEPS = 2, 2, 100


class StageRun:
    """One stage in progress: its optimisers, averages and batches."""

    def __init__(self, trainer: Trainer, index: int, state: dict[str, Any] | None) -> None:
        self.trainer, self.index, self.stage = trainer, index, trainer.recipe.stage[index]
        self.plan, stage = trainer.plan.stages[index], self.stage
        self.position, self.fabric = trainer.position, trainer.fabric
        optim.freeze(trainer.model, stage)
        trainer.model.gate = stage.gate or type(trainer.model).gate
        self.objective = self.fabric.setup(Objective(trainer.model, stage))
        # The optimisers step plain parameters; Fabric moves nothing of theirs, so it need not know them.
        self.optimizers = optim.build_optimizers(trainer.model, stage.optimizer, trainer.muon_dtype)
        self.schedulers = [optim.build_scheduler(o, stage.schedule, self.plan) for o in self.optimizers]
        self.average = optim.moving_average(trainer.model, trainer.recipe.ema_decay)
        self.best: dict[str, Tensor] | None = None
        self.synthesis = trainer.synthesis(stage, trainer.training, augment=stage.augment)
        self.validation: list[Batch] = []
        if state is not None and "average" in state:
            self._restore(state)

    def run(self) -> None:
        """Train to the end of the stage and leave the kept weights in the model."""
        trainer, journal, saved = self.trainer, self.trainer.journal, time.monotonic()
        self.validation = self._validation_batches()
        running: dict[str, Tensor] = {}
        counted = 0
        if self.position.step == 0 and trainer.pace.due(self.index, 0):
            self._save()
        while self.position.step < self.plan.steps:
            terms = self._step()
            running = {name: running.get(name, 0) + term for name, term in terms.items()}
            counted += 1
            self.position.step += 1
            journal.pulse(self.stage.name, self.position.step, self.plan.steps)
            ended = self.plan.ends_epoch(self.position.step)
            if ended:
                stop = self._end_epoch({name: float(total) / counted for name, total in running.items()})
                running, counted = {}, 0
                if stop:
                    break
            moved = trainer.pace.due(self.index, self.position.step)
            if ended or moved or self._due(saved):
                self._save()
                saved = time.monotonic()
        self._agree()
        keeper = self.best if self.stage.keep == "best" and self.best is not None else self.average.module.state_dict()
        self.trainer.model.load_state_dict(keeper)

    def trial(self, seconds: float) -> Cost:
        """What this stage costs, measured for about so many seconds. Weights move, and must be put back."""
        device = self.fabric.device
        for _ in range(WARM_STEPS):
            begun = now(device)
            self._step()
            once = now(device) - begun
            self.position.step += 1
        count = int(self.fabric.broadcast(min(MOST_STEPS, max(FEWEST_STEPS, int(seconds / max(once, 1e-6))))))
        begun = now(device)
        for _ in range(count):
            self._step()
            self.position.step += 1
        step = (now(device) - begun) / count
        if self.fabric.global_rank != 0:
            return Cost(step)
        size, batches = self._validation_size()
        for _ in range(2):  # the first does not count
            begun = now(device)
            one = self._validation_batch(size, 0)
            made = now(device)
            self._look([one])
            seen = now(device)
        return Cost(step, batches * (seen - made), batches * (made - begun))

    def _agree(self) -> None:
        """Raise DarnetError if the processes of a run no longer train one network."""
        # The bits, as integers: no difference is rounded away, and MPS has no float64 to add up in.
        total = torch.stack([w.detach().view(torch.int32).sum() for w in self.trainer.model.parameters()]).sum()
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
            return replace(batch, taught=batch.shown_to(teacher).routings[-1].logits.float())

    def _end_epoch(self, running: dict[str, float]) -> bool:
        """Validate, keep the best, move the plateau schedule; true where the stage should stop early."""
        values = {**{f"train_{k}": v for k, v in running.items()}, **self._validate(), **optim.rates(self.optimizers)}
        loss = float(self.fabric.broadcast(values["val_loss"]))
        mine = torch.tensor([loss, *running.values()], device=self.fabric.device)
        # Of all processes: where one of them gave up alone, the others would wait for it.
        if not bool(torch.as_tensor(self.fabric.all_gather(mine)).isfinite().all()):
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
        journal.say(f"{self.stage.name} epoch {self._epoch}: {shown}")
        limit = self.stage.early_stop_epochs
        return limit is not None and self.position.stale_epochs >= limit

    def _validate(self) -> dict[str, float]:
        """Averaged weights on the fixed validation batches, on the first process."""
        if self.fabric.global_rank != 0:
            return {"val_loss": math.nan}
        totals, output = self._look(self.validation)
        batch = self.validation[-1]
        if output.image is not None and math.isfinite(totals["val_loss"]):
            rows = (batch.degraded[:6], output.image[:6], batch.clean[:6])
            self.trainer.journal.sample(f"{self.stage.name}-{self._epoch:04d}", *rows)
        return totals

    @property
    def _epoch(self) -> int:
        """The number of the epoch that has just ended, from 1."""
        return max(1, round(self.position.step / self.plan.epoch_steps))

    @torch.no_grad()
    def _look(self, batches: list[Batch]) -> tuple[dict[str, float], Output]:
        """Loss and scores of the averaged weights, and what they made of the last batch."""
        objective = Objective(cast("Model", self.average.module.eval()), self.stage)
        totals: dict[str, float] = {}
        for batch in batches:
            with self.fabric.autocast():
                output = objective.look(batch)
            terms = objective.score(output, self._taught(batch))
            values = {"val_loss": float(torch.stack(list(terms.values())).sum()), **scores(output, batch)}
            for name, value in values.items():
                totals[name] = totals.get(name, 0.0) + value / len(batches)
        return totals, output

    def _validation_batches(self) -> list[Batch]:
        if self.fabric.global_rank != 0:
            return []
        size, count = self._validation_size()
        return [self._validation_batch(size, index) for index in range(count)]

    def _validation_size(self) -> tuple[int, int]:
        """How many samples a validation batch has, and how many batches there are."""
        wanted, crops = self.trainer.recipe.data.validation_samples, self.stage.crops_per_picture
        size = max(1, min(wanted, VALIDATION_BATCH) // crops) * crops
        return size, math.ceil(wanted / size)

    def _validation_batch(self, size: int, number: int) -> Batch:
        synthesis = self.trainer.synthesis(self.stage, self.trainer.validation, augment=False)
        return synthesis(size, self.trainer.generator(VALIDATION_STEP + number))

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
