"""A confidence of 80 % that is right four times in five: temperature scaling (Guo et al., ICML 2017, §4.2).

And a margin for clean, since a false repair costs more than a repair that is not made: damage is named only where its
score is that far above.

Shapes: N pictures, E kinds.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from darnet.data.synthesis import Batch
from darnet.diagnosis import CLEAN
from darnet.errors import RecipeError
from darnet.models.base import Model
from darnet.training.losses import per_picture

#: Between these the temperature is looked for; a router outside them has not learned.
RANGE = (0.05, 20.0)
SECTIONS = 60


def calibrate(model: Model, batches: Iterable[Batch], clean_alarms: float = 1.0) -> tuple[float, float]:
    """Divide the last routing's logits by the temperature that suits the batches best, for good.

    Then raise that of clean until at most a share of `clean_alarms` of the clean pictures is called damaged.
    Returns the temperature and the margin. Raises RecipeError for a model that names no kinds.
    """
    if not model.kinds:
        raise RecipeError("only a router's confidence can be calibrated")
    logits, labels = [], []
    with torch.inference_mode():
        for batch in batches:
            logits.append(per_picture(model(batch.degraded, batch.context).routings[-1].logits, batch).float())
            labels.append(batch.label[:: batch.crops_per_picture])
    answers, truth = torch.cat(logits), torch.cat(labels)
    temperature = best_temperature(answers, truth)
    model.divide_logits(temperature)
    if CLEAN not in model.kinds:
        return temperature, 0.0
    clean = model.kinds.index(CLEAN)
    margin = least_margin(answers[truth == clean] / temperature, clean, clean_alarms)
    model.raise_logit(CLEAN, margin)
    return temperature, margin


def least_margin(logits: Float[Tensor, "N E"], clean: int, alarms: float) -> float:
    """What must be added to the logit of `clean`, at least 0, so that it is the highest in all but a share of rows."""
    others = torch.cat([logits[:, :clean], logits[:, clean + 1 :]], dim=1)
    gaps = (others.amax(dim=1) - logits[:, clean]).sort(descending=True).values
    allowed = int(alarms * len(gaps))
    return max(0.0, float(gaps[allowed])) if allowed < len(gaps) else 0.0


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
