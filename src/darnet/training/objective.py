"""What a stage minimises, and how it is scored: the network and its losses as one module.

Shapes: see `darnet.data.batch.Batch`; E kinds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from darnet.data.batch import Batch
from darnet.images import metrics
from darnet.models.base import Model, Output
from darnet.routing import Routing
from darnet.training.losses import LOSSES, damage, per_picture
from darnet.training.recipe import Stage


class Objective(nn.Module):
    """(batch) -> each weighted loss, and the embeddings; in float32 whatever the precision of the network."""

    def __init__(self, model: Model, stage: Stage) -> None:
        super().__init__()
        self.model, self.weights, self.gate = model, stage.losses, stage.gate

    def forward(self, batch: Batch) -> tuple[dict[str, Tensor], list[Tensor]]:
        """Run the network and score it. Tensors come out, in what distributed wrappers look for them in."""
        output = self.look(batch)
        embeddings = [routing.embedding.detach() for routing in output.routings if routing.embedding is not None]
        return self.score(output, batch), embeddings

    def look(self, batch: Batch) -> Output:
        """What the network says, in float32."""
        degraded = batch.degraded.contiguous(memory_format=torch.channels_last)
        return _in_float32(batch._replace(degraded=degraded).shown_to(self.model, self.gate))

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


def scores(output: Output, batch: Batch) -> dict[str, float]:
    """Figures for a reader: PSNR in dB (at most 100) of an image, and how well damage is told apart.

    That is the accuracy of who names kinds, a head or the last routing, and of neighbours where routings are embedded.
    Where pictures may have several kinds at once, naming any of them is right, and `val_presence` is the F1 score of
    "it is there" for each kind (z > z_clean), the mean over the kinds that were there or were said to be.
    """
    found, named = {}, output.kinds
    if output.image is not None:
        found["val_psnr"] = float(metrics.psnr(output.image.clamp(0, 1), batch.clean).clamp_max(100).mean())
    if named is None and output.routings and output.routings[-1].embedding is None:
        named = output.routings[-1].logits
    if named is not None:
        found |= _naming(per_picture(named, batch), output.clean, batch)
    if output.routings and output.routings[-1].embedding is not None:
        found["val_neighbours"] = float(torch.stack([agreement(r, batch) for r in output.routings]).mean())
    return found


def _naming(logits: Float[Tensor, "P E"], clean: int | None, batch: Batch) -> dict[str, float]:
    label = logits.argmax(dim=1)
    if batch.presence is None or clean is None:
        return {"val_accuracy": float((label == batch.label[:: batch.crops_per_picture]).float().mean())}
    truth = batch.present(logits.shape[1])
    there, said = damage(truth, clean), damage(logits - logits[:, clean, None], clean) > 0
    right = truth != 0  # too mild to say: either is right
    right[:, clean] = ~(there == 1).any(dim=1)
    known, there = there.isfinite(), there == 1
    hits, wrong = (there & said & known).sum(dim=0), ((there != said) & known).sum(dim=0)
    judged = hits + wrong > 0
    harmony = (2 * hits / (2 * hits + wrong))[judged]
    found = {"val_accuracy": float(right.gather(1, label[:, None]).float().mean())}
    return found | {"val_presence": float(harmony.mean()) if len(harmony) else 1.0}


def agreement(routing: Routing, batch: Batch) -> Float[Tensor, ""]:
    """Share of pictures whose nearest other picture on the sphere has the same kind of damage."""
    assert routing.embedding is not None
    embedding, label = routing.embedding[:: batch.crops_per_picture], batch.label[:: batch.crops_per_picture]
    nearest = (embedding @ embedding.T).fill_diagonal_(-torch.inf).argmax(dim=1)
    return (label[nearest] == label).float().mean()


def _in_float32(output: Output) -> Output:
    routings = tuple(
        Routing(r.logits.float(), r.weights.float(), None if r.embedding is None else r.embedding.float())
        for r in output.routings
    )
    image, severities, kinds = (
        None if tensor is None else tensor.float() for tensor in (output.image, output.severities, output.kinds)
    )
    return replace(output, image=image, routings=routings, severities=severities, kinds=kinds)
