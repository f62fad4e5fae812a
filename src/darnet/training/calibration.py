"""A confidence of 80 % that is right four times in five: temperature scaling (Guo et al., ICML 2017, §4.2).

Shapes: N pictures, E kinds.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from darnet.data.synthesis import Batch
from darnet.errors import RecipeError
from darnet.models.base import Model
from darnet.training.losses import per_picture

#: Between these the temperature is looked for; a router outside them has not learned.
RANGE = (0.05, 20.0)
SECTIONS = 60


def calibrate(model: Model, batches: Iterable[Batch]) -> float:
    """Divide the last routing's logits by the temperature that suits the batches best, for good; returns it.

    Which kind is named does not change. Raises RecipeError for a model that names no kinds.
    """
    if not model.kinds:
        raise RecipeError("only a router's confidence can be calibrated")
    logits, labels = [], []
    with torch.inference_mode():
        for batch in batches:
            logits.append(per_picture(model(batch.degraded, batch.context).routings[-1].logits, batch).float())
            labels.append(batch.label[:: batch.crops_per_picture])
    temperature = best_temperature(torch.cat(logits), torch.cat(labels))
    model.divide_logits(temperature)
    return temperature


def best_temperature(logits: Float[Tensor, "N E"], labels: Int[Tensor, " N"]) -> float:
    """The temperature of least cross-entropy, by golden sections of its logarithm (there is one minimum)."""

    def entropy(log_temperature: Tensor) -> Tensor:
        return F.cross_entropy(logits / log_temperature.exp(), labels)

    golden = (5**0.5 - 1) / 2
    low, high = torch.tensor(RANGE).log().unbind()
    for _ in range(SECTIONS):
        left, right = high - golden * (high - low), low + golden * (high - low)
        if entropy(left) < entropy(right):
            high = right
        else:
            low = left
    return float(((low + high) / 2).exp())
