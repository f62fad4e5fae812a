"""Optimisers and learning-rate schedules by name, from torch, and the moving average of the weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fnmatch import fnmatch

import torch
from torch import Tensor, nn
from torch.optim import lr_scheduler

from darnet.training.muon import ConvolutionMuon
from darnet.training.plan import StagePlan
from darnet.training.recipe import Optimizer, Schedule, Stage

Tensors = tuple[Tensor, ...] | list[Tensor]
Scheduler = lr_scheduler.LambdaLR | lr_scheduler.ReduceLROnPlateau


def build_optimizers(
    model: nn.Module, spec: Optimizer, muon_dtype: torch.dtype = torch.bfloat16
) -> list[torch.optim.Optimizer]:
    """One optimiser, or Muon for the inner convolutions and AdamW for head, tail, biases and the rest.

    Depthwise kernels are not matrices and stay with AdamW. `muon_dtype`: what Muon orthogonalises in.
    """
    named = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    if spec.name == "adam":
        return [torch.optim.Adam(named.values(), spec.lr, weight_decay=spec.weight_decay)]
    if spec.name == "adamw":
        return [torch.optim.AdamW(named.values(), spec.lr, weight_decay=spec.weight_decay)]
    inner = {name: weight for name, weight in named.items() if _is_inner(name, weight, spec)}
    rest = [weight for name, weight in named.items() if name not in inner]
    adamw = torch.optim.AdamW(rest, spec.lr, weight_decay=spec.weight_decay) if rest else None
    if not inner:
        return [adamw] if adamw else []
    muon = ConvolutionMuon(
        list(inner.values()), muon_dtype, lr=spec.lr, weight_decay=spec.weight_decay, momentum=spec.momentum
    )
    return [muon, adamw] if adamw else [muon]


def build_scheduler(optimizer: torch.optim.Optimizer, spec: Schedule, plan: StagePlan) -> Scheduler:
    """`plateau` steps once an epoch on the validation loss; the others once an optimiser step.

    `plan` may change while they run: how far along a step is, is asked when it comes.
    """
    if spec.name == "plateau":
        return lr_scheduler.ReduceLROnPlateau(optimizer, factor=spec.factor, patience=spec.patience)

    def scale(step: int) -> float:
        warm = min(1.0, (step + 1) / plan.warmup_steps) if plan.warmup_steps else 1.0
        if spec.name == "constant":
            return warm
        cosine = 0.5 * (1 + math.cos(math.pi * plan.progress(step)))
        return warm * (spec.floor + (1 - spec.floor) * cosine)

    return lr_scheduler.LambdaLR(optimizer, scale)


def freeze(model: nn.Module, stage: Stage) -> None:
    """Train every parameter but those a stage names by pattern."""
    for name, weight in model.named_parameters():
        weight.requires_grad_(not stage.freezes(name))


def moving_average(model: nn.Module, decay: float) -> torch.optim.swa_utils.AveragedModel:
    """Exponential moving average of weights (and buffers), warmed up: decay_t = min(decay, (t + 1) / (t + 10))."""

    @torch.no_grad()
    def update(averages: Tensors, weights: Tensors, _: Tensor | int) -> None:
        step = int(average.n_averaged)  # on the host: the copy that is handed over is on the device, and waits for it
        share = 1 - min(decay, (step + 1) / (step + 10))
        if averages[0].is_floating_point():
            torch._foreach_lerp_(averages, weights, share)
        else:
            torch._foreach_copy_(averages, weights)

    average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=update, use_buffers=True)
    return average


def rates(optimizers: list[torch.optim.Optimizer]) -> Mapping[str, float]:
    """Current learning rate of each optimiser, by its name."""
    return {f"lr_{type(o).__name__.lower()}": float(o.param_groups[0]["lr"]) for o in optimizers}


def _is_inner(name: str, weight: Tensor, spec: Optimizer) -> bool:
    dense = weight.ndim == 4 and weight.shape[1] > 1
    return dense and not any(fnmatch(name, pattern) for pattern in spec.muon_exclude)
