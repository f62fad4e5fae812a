"""What a recipe takes, before it is begun: memory and work by calculation, time as it was tried here.

The calculation runs a step on the meta device, where tensors have shapes and no values. So a recipe for a GPU of 80 GB
is judged on a laptop.

Shapes: B batch, H × W pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from darnet.data.batch import Batch
from darnet.engines.devices import pick_device
from darnet.errors import UsageError
from darnet.models.base import Model, Output
from darnet.models.creation import create_model
from darnet.models.meta import on_meta
from darnet.training import launch
from darnet.training.hardware import Hardware
from darnet.training.journal import duration
from darnet.training.precision import Precision, fastest, network_seconds
from darnet.training.preparation import build_model
from darnet.training.recipe import Recipe, Stage
from darnet.training.series import HARDWARE

#: Bytes of a number: all is counted in float32. In bf16 most activations take half.
NUMBER = 4
#: What an optimiser keeps of each weight that it moves (Adam's two moments; Muon keeps less).
MOMENTS = 2


@dataclass(frozen=True)
class StageEstimate:
    """What one stage takes: `memory_bytes` at the end of a forward pass, `gmacs` of that pass, `step_seconds` here."""

    name: str
    steps: int
    batch: int
    crop_px: int
    memory_bytes: int
    gmacs: float
    step_seconds: float

    @property
    def seconds(self) -> float:
        """All steps of the stage."""
        return self.steps * self.step_seconds

    def __str__(self) -> str:
        """All of it."""
        size = f"{self.memory_bytes / 1e9:.3g} GB in float32, {self.gmacs:.3g} GMACs"
        pace = f"{1 / self.step_seconds:.3g} steps/s, {duration(self.seconds)}"
        return f"{self.name}: {self.steps} steps of {self.batch} crops of {self.crop_px} px, {size}; here {pace}"


@dataclass(frozen=True)
class Estimate:
    """What a recipe takes, stage by stage; times are of the precision."""

    name: str
    parameters: int
    precision: Precision
    stages: tuple[StageEstimate, ...]

    @property
    def seconds(self) -> float:
        """All stages."""
        return sum(stage.seconds for stage in self.stages)

    def __str__(self) -> str:
        """A line for the network, and one for each stage."""
        whole = f"{self.name}: {self.parameters / 1e6:.3g} M parameters, {duration(self.seconds)} here in "
        return "\n".join([whole + self.precision, *map(str, self.stages)])


def rehearse(
    recipe: Recipe, data: Path | None = None, hardware: Hardware = HARDWARE, *, weights: Path | None = None
) -> Estimate:
    """Check that a run can begin, as far as can be seen without `data` or with it, and say what it takes.

    Raises what `darnet.training.launch.prepare` does, and UsageError where steps depend on `data` and there is none.
    """
    photos = 0
    if data is not None:
        untried = replace(hardware, precision="fp32", muon="fp32")
        photos = len(launch.prepare(recipe, data, untried, weights=weights).training.photos)
    elif any(stage.crops_per_photo for stage in recipe.stage):
        raise UsageError(f"{recipe.name}: how many steps it has depends on the photos: `data` is missing")
    return estimate(recipe, photos, pick_device(hardware.device), hardware.precision)


def estimate(recipe: Recipe, photos: int, device: torch.device, precision: Precision = "auto") -> Estimate:
    """What a recipe takes on that device; `photos`: how many it would learn from, which some count their steps by.

    Memory is that of weights, their average, gradients, what the optimiser keeps, and all that is kept for the backward
    pass. Time is that of a step of training of some crops, scaled by the work: without validation, and as if all
    weights were trained. Raises RecipeError for a network that cannot be made.

    Example:
        >>> from darnet.training.recipe import find_recipe, load_recipe
        >>> found = estimate(load_recipe(find_recipe("noise")), 0, torch.device("cpu"))
        >>> f"{found.parameters / 1e6:.1f} M, {found.stages[0].memory_bytes / 1e9:.1f} GB"
        '1.6 M, 0.6 GB'
    """
    model, first = build_model(recipe), recipe.stage[0]
    tried = network_seconds(model, device, first.crop_px, first.scene_px or first.crop_px)
    chosen = fastest(tried) if precision == "auto" else precision
    shape = on_meta(partial(create_model, recipe.model.kind), recipe.model.config)
    once, _ = _pass(shape, first.model_copy(update={"batch": 1, "gate": None}))
    stages = tuple(_stage(shape, stage, photos, tried[chosen] / once) for stage in recipe.stage)
    return Estimate(recipe.name, sum(weight.numel() for weight in model.parameters()), chosen, stages)


def _stage(model: Model, stage: Stage, photos: int, seconds: float) -> StageEstimate:
    """`seconds`: of a step of training for each multiply–add of its forward pass."""
    trained = [weight for name, weight in model.named_parameters() if not stage.freezes(name)]
    for name, weight in model.named_parameters():
        weight.requires_grad_(not stage.freezes(name))
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        macs, held = _pass(model, stage)  # while its answer lives, so does what is kept
    whose = {weight.untyped_storage()._cdata for weight in model.parameters()}
    activations = sum(size for storage, size in kept.items() if storage not in whose)
    del held
    weights = 2 * sum(map(Tensor.numel, model.parameters())) + (1 + MOMENTS) * sum(map(Tensor.numel, trained))
    steps = stage.epochs * stage.epoch_steps(photos)
    return StageEstimate(
        *(stage.name, steps, stage.batch, stage.crop_px),
        memory_bytes=NUMBER * weights + activations,
        gmacs=round(macs / 1e9, 3),
        step_seconds=seconds * macs,
    )


def _pass(model: Model, stage: Stage) -> tuple[int, Output]:
    """Multiply–adds of the forward pass of one step, of a network without values, and its answer."""
    scene_px = stage.scene_px or stage.crop_px
    crops = torch.empty(stage.batch, 3, stage.crop_px, stage.crop_px, device="meta")
    views = None if model.views is None else model.views(crops.new_empty(stage.batch, 3, scene_px, scene_px))
    label = torch.empty(stage.batch, dtype=torch.int64, device="meta")
    with FlopCounterMode(display=False) as counter:
        output = Batch(crops, crops, label, label.float(), views).shown_to(model, stage.gate)
    return int(counter.get_total_flops()) // 2, output
