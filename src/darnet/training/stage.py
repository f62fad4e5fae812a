"""One stage of a run in progress: batch, losses, step; and what a step of it costs.

It is given a learner, a position and a plan, and is driven from outside, step by step and epoch by epoch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from darnet.data.batch import Batch
from darnet.errors import DarnetError
from darnet.models.abilities import SelfUpdating
from darnet.models.base import Model, Output
from darnet.training import optimizers as optim
from darnet.training.learner import VALIDATION_BATCH, VALIDATION_STEP, Learner
from darnet.training.objective import Objective, scores, seeded
from darnet.training.plan import Cost, StagePlan
from darnet.training.precision import now

#: Steps that do not count before speed is measured, and those that do, at least and at most.
WARM_STEPS, FEWEST_STEPS, MOST_STEPS = 2, 2, 100


@dataclass
class Position:
    """Where a run stands."""

    stage: int = 0
    step: int = 0  # within the stage
    best: float = math.inf  # validation loss
    stale_epochs: int = 0


class Epoch(NamedTuple):
    """How an epoch went. `sample`: damaged, restored and clean pictures, if any were made. `last`: the stage stops."""

    number: int  # from 1
    values: dict[str, float]
    sample: tuple[Tensor, Tensor, Tensor] | None
    last: bool


class StageRun:
    """A stage in progress: its optimisers, averages and batches. `state`: what `state()` once gave, to go on from."""

    def __init__(
        self, learner: Learner, position: Position, plan: StagePlan, state: dict[str, Any] | None = None
    ) -> None:
        self.learner, self.position, self.plan = learner, position, plan
        self.fabric, self.model = learner.fabric, learner.model
        self.stage = stage = learner.recipe.stage[position.stage]
        optim.freeze(self.model, stage)
        self.objective = self.fabric.setup(Objective(self.model, stage))
        # The optimisers step plain parameters; Fabric moves nothing of theirs, so it need not know them.
        self.optimizers = optim.build_optimizers(self.model, stage.optimizer, learner.muon_dtype)
        self.schedulers = [optim.build_scheduler(o, stage.schedule, plan) for o in self.optimizers]
        self.average = optim.moving_average(self.model, learner.recipe.ema_decay)
        self.best: dict[str, Tensor] | None = None
        self.synthesis = learner.synthesis(stage, learner.training, augment=stage.augment)
        self.validation: list[Batch] = []
        self.running: dict[str, Tensor] = {}  # sums of losses since the last epoch, of so many steps
        self.counted = 0
        if state is not None and "average" in state:
            self._restore(state)

    def begin(self) -> None:
        """Make the batches that it is validated on, on the first process."""
        if self.fabric.global_rank == 0:
            size, count = self._validation_size()
            self.validation = [self._validation_batch(size, index) for index in range(count)]

    def step(self) -> None:
        """Learn from one batch."""
        self.objective.train()
        size = self.stage.batch // self.fabric.world_size
        rng = self.learner.generator(self.position.stage, self.position.step)
        batch = self._taught(self.synthesis(size, rng))
        with seeded(rng, self.fabric.device):
            terms, embeddings = self.objective(batch)
        loss = torch.stack(list(terms.values())).sum()
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        self.fabric.backward(loss)
        if self.stage.optimizer.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.stage.optimizer.clip_norm)
        for optimizer, scheduler in zip(self.optimizers, self.schedulers, strict=True):
            optimizer.step()
            if not isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
                scheduler.step()
        if isinstance(self.model, SelfUpdating):
            gathered = [torch.as_tensor(self.fabric.all_gather(tensor)).flatten(0, -2) for tensor in embeddings]
            self.model.after_step(gathered, self.stage.gate)
        self.average.update_parameters(self.model)
        self.running = {name: self.running.get(name, 0) + term.detach() for name, term in terms.items()}
        self.counted += 1
        self.position.step += 1

    def end_epoch(self) -> Epoch:
        """Validate, keep the best, move the plateau schedule. Raises DarnetError for a loss that is not finite."""
        trained = {f"train_{name}": float(total) / self.counted for name, total in self.running.items()}
        self.running, self.counted = {}, 0
        seen, sample = self._validate()
        values = {**trained, **seen, **optim.rates(self.optimizers)}
        loss = float(self.fabric.broadcast(values["val_loss"]))
        mine = torch.tensor([loss, *trained.values()], device=self.fabric.device)
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
        limit = self.stage.early_stop_epochs
        number = max(1, round(self.position.step / self.plan.epoch_steps))
        return Epoch(number, values, sample, limit is not None and self.position.stale_epochs >= limit)

    def finish(self) -> None:
        """Leave the kept weights in the model. Raises DarnetError if processes no longer train one network."""
        self._agree()
        keeper = self.best if self.stage.keep == "best" and self.best is not None else self.average.module.state_dict()
        self.model.load_state_dict(keeper)

    def trial(self, seconds: float) -> Cost:
        """What this stage costs, measured for about so many seconds. Weights move, and must be put back."""
        device = self.fabric.device
        for _ in range(WARM_STEPS):
            begun = now(device)
            self.step()
            once = now(device) - begun
        count = int(self.fabric.broadcast(min(MOST_STEPS, max(FEWEST_STEPS, int(seconds / max(once, 1e-6))))))
        begun = now(device)
        for _ in range(count):
            self.step()
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

    def state(self) -> dict[str, Any]:
        """All of it, for a checkpoint; but for its position."""
        return {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "best": self.best,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "schedulers": [scheduler.state_dict() for scheduler in self.schedulers],
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self.average.load_state_dict(state["average"])
        self.best = state["best"]
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        for scheduler, saved in zip(self.schedulers, state["schedulers"], strict=True):
            scheduler.load_state_dict(saved)

    def _agree(self) -> None:
        """Raise DarnetError if the processes of a run no longer train one network."""
        # The bits, as integers: no difference is rounded away, and MPS has no float64 to add up in.
        total = torch.stack([w.detach().view(torch.int32).sum() for w in self.model.parameters()]).sum()
        totals = torch.as_tensor(self.fabric.all_gather(total))
        if bool((totals != total).any()):
            raise DarnetError(f"stage {self.stage.name!r}: the processes have drifted apart")

    def _taught(self, batch: Batch) -> Batch:
        """With the answers of the teacher, where they are to be kept."""
        teacher = self.learner.teacher
        if teacher is None or "distillation" not in self.stage.losses:
            return batch
        with torch.no_grad(), self.fabric.autocast():
            return batch._replace(taught=batch.shown_to(teacher).routings[-1].logits.float())

    def _validate(self) -> tuple[dict[str, float], tuple[Tensor, Tensor, Tensor] | None]:
        """Averaged weights on the fixed validation batches, on the first process; and what a reader may look at."""
        if self.fabric.global_rank != 0:
            return {"val_loss": math.nan}, None
        totals, output = self._look(self.validation)
        batch = self.validation[-1]
        if output.image is None or not math.isfinite(totals["val_loss"]):
            return totals, None
        return totals, (batch.degraded[:6], output.image[:6], batch.clean[:6])

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

    def _validation_size(self) -> tuple[int, int]:
        """How many samples a validation batch has, and how many batches there are."""
        wanted, crops = self.learner.recipe.data.validation_samples, self.stage.crops_per_picture
        size = max(1, min(wanted, VALIDATION_BATCH) // crops) * crops
        return size, math.ceil(wanted / size)

    def _validation_batch(self, size: int, number: int) -> Batch:
        synthesis = self.learner.synthesis(self.stage, self.learner.validation, augment=False)
        return synthesis(size, self.learner.generator(self.position.stage, VALIDATION_STEP + number))
