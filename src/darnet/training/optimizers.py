"""Optimisers and learning-rate schedules by name, from torch; Muon on convolutions by way of matrix views.

Muon (Jordan et al. 2024) orthogonalises the momentum of a matrix. A convolution's weight (out, in, k, k) is the matrix
(out, in·k·k). `torch.optim.Muon` takes matrices only, so it is handed views that share the weights' memory.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fnmatch import fnmatch
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import lr_scheduler

from darnet.training.recipe import Optimizer, Schedule, Stage

Tensors = tuple[Tensor, ...] | list[Tensor]
Scheduler = lr_scheduler.LambdaLR | lr_scheduler.ReduceLROnPlateau


class ConvolutionMuon(torch.optim.Muon):
    """`torch.optim.Muon` over the matrix views of convolution weights.

    Weights must be in channels_last memory, which the trainer sees to: then (out, k, k, in) is contiguous, and its
    matrix is a view. The order of columns does not matter to an orthogonalisation.
    """

    def __init__(self, weights: list[Tensor], **options: Any) -> None:
        self.weights = weights
        super().__init__([_matrix(weight.detach()) for weight in weights], **options)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One update from the gradients of the weights; a weight without a gradient stays as it is."""
        for weight, matrix in zip(self.weights, self.param_groups[0]["params"], strict=True):
            matrix.grad = None if weight.grad is None else weight.grad.permute(0, 2, 3, 1).flatten(1)
        return super().step(closure)  # type: ignore[no-untyped-call]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of the weights themselves."""
        for weight in self.weights:
            weight.grad = None


def build_optimizers(model: nn.Module, spec: Optimizer) -> list[torch.optim.Optimizer]:
    """One optimiser, or Muon for the inner convolutions and AdamW for head, tail, biases and the rest.

    Depthwise kernels are not matrices and stay with AdamW.
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
        list(inner.values()),
        lr=spec.lr,
        weight_decay=spec.weight_decay,
        momentum=spec.momentum,
        nesterov=True,
        adjust_lr_fn="match_rms_adamw",
    )
    return [muon, adamw] if adamw else [muon]


def build_scheduler(optimizer: torch.optim.Optimizer, spec: Schedule, total_steps: int) -> Scheduler:
    """`plateau` steps once an epoch on the validation loss; the others once an optimiser step."""
    if spec.name == "plateau":
        return lr_scheduler.ReduceLROnPlateau(optimizer, factor=spec.factor, patience=spec.patience)

    def scale(step: int) -> float:
        warm = min(1.0, (step + 1) / spec.warmup_steps) if spec.warmup_steps else 1.0
        if spec.name == "constant":
            return warm
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, step / total_steps)))
        return warm * (spec.floor + (1 - spec.floor) * cosine)

    return lr_scheduler.LambdaLR(optimizer, scale)


def freeze(model: nn.Module, stage: Stage) -> None:
    """Train every parameter but those a stage names by pattern."""
    for name, weight in model.named_parameters():
        weight.requires_grad_(not stage.freezes(name))


def moving_average(model: nn.Module, decay: float) -> torch.optim.swa_utils.AveragedModel:
    """Exponential moving average of weights (and buffers), warmed up: decay_t = min(decay, (t + 1) / (t + 10))."""

    @torch.no_grad()
    def update(averages: Tensors, weights: Tensors, step: Tensor | int) -> None:
        share = 1 - min(decay, (int(step) + 1) / (int(step) + 10))
        for average, weight in zip(averages, weights, strict=True):
            if average.is_floating_point():
                average.lerp_(weight.to(average), share)
            else:
                average.copy_(weight)

    return torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=update, use_buffers=True)


def rates(optimizers: list[torch.optim.Optimizer]) -> Mapping[str, float]:
    """Current learning rate of each optimiser, by its name."""
    return {f"lr_{type(o).__name__.lower()}": float(o.param_groups[0]["lr"]) for o in optimizers}


def _is_inner(name: str, weight: Tensor, spec: Optimizer) -> bool:
    dense = weight.ndim == 4 and weight.shape[1] > 1
    return dense and not any(fnmatch(name, pattern) for pattern in spec.muon_exclude)


def _matrix(weight: Tensor) -> Tensor:
    return weight.permute(0, 2, 3, 1).view(weight.shape[0], -1).requires_grad_()
