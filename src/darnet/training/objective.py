"""What a stage minimises, and how it is scored: the network and its losses as one module.

Shapes: see `darnet.data.synthesis.Batch`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Generator, Tensor, nn

from darnet import metrics
from darnet.data.synthesis import Batch
from darnet.models.base import Output
from darnet.training.losses import LOSSES, per_picture
from darnet.training.recipe import Stage


class Objective(nn.Module):
    """(batch) -> each weighted loss, in float32 whatever the precision of the network."""

    def __init__(self, model: nn.Module, stage: Stage) -> None:
        super().__init__()
        self.model, self.weights, self.crops_per_picture = model, stage.losses, stage.crops_per_picture

    def forward(
        self,
        degraded: Tensor,
        clean: Tensor,
        label: Tensor,
        level: Tensor,
        context: Tensor | None,
        taught: Tensor | None,
    ) -> dict[str, Tensor]:
        """Run the network and score it; tensors in and out, which is what distributed wrappers follow."""
        batch = Batch(degraded, clean, label, level, context, self.crops_per_picture, taught)
        return self.score(self.look(batch), batch)

    def look(self, batch: Batch) -> Output:
        """What the network says, in float32."""
        degraded = batch.degraded.contiguous(memory_format=torch.channels_last)
        return _in_float32(self.model(degraded, batch.context))

    def score(self, output: Output, batch: Batch) -> dict[str, Tensor]:
        """Each loss, weighted."""
        with torch.autocast(batch.degraded.device.type, enabled=False):
            return {name: weight * LOSSES[name](output, batch) for name, weight in self.weights.items()}


@contextmanager
def seeded(rng: Generator, device: torch.device) -> Iterator[None]:
    """Layers that leave things to chance (dropout) know only the global generator: lend it a seed from `rng`."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.default_generator.manual_seed(rng.initial_seed())
        if device.type == "cuda":
            torch.cuda.default_generators[device.index or 0].manual_seed(rng.initial_seed())
        yield


def tensors(batch: Batch) -> list[Tensor | None]:
    """A batch as the arguments of `Objective.forward`."""
    return [batch.degraded, batch.clean, batch.label, batch.level, batch.context, batch.taught]


def scores(output: Output, batch: Batch) -> dict[str, float]:
    """Figures for a reader: PSNR in dB (at most 100) of an image, accuracy of the last routing."""
    found = {}
    if output.image is not None:
        found["val_psnr"] = float(metrics.psnr(output.image.clamp(0, 1), batch.clean).clamp_max(100).mean())
    if output.routings:
        logits = per_picture(output.routings[-1].logits, batch)
        right = logits.argmax(dim=1) == batch.label[:: batch.crops_per_picture]
        found["val_accuracy"] = float(right.float().mean())
    return found


def _in_float32(output: Output) -> Output:
    routings = tuple(replace(r, logits=r.logits.float(), weights=r.weights.float()) for r in output.routings)
    image = None if output.image is None else output.image.float()
    return Output(image, routings, None if output.levels is None else output.levels.float())
