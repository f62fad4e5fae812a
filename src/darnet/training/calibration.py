"""A confidence of 80 % that is right four times in five: temperature scaling (Guo et al., ICML 2017, §4.2).

And a margin for clean, since a false repair costs more than a repair that is not made: damage is named only where its
score is that far above. Kinds whose repair hardly changes a clean picture need none.

Shapes: N pictures, E kinds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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
#: Of two scores that are equal the first wins, or the one that was rounded up: clean shall.
TIE = 1e-4


def calibrate(
    model: Model, batches: Iterable[Batch], clean_alarms: float = 1.0, mild: Sequence[str] = ()
) -> tuple[float, float]:
    """Divide the last routing's logits by the temperature that suits the batches best, for good.

    Then lower those of all kinds but clean and `mild` until at most a share of `clean_alarms` of the clean pictures is
    called one of them. Returns the temperature and the margin. Raises RecipeError for a model that names no kinds.
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
    kept = [kind in (CLEAN, *mild) for kind in model.kinds]
    margin = least_margin(answers[truth == model.kinds.index(CLEAN)] / temperature, kept, clean_alarms)
    for kind, spared in zip(model.kinds, kept, strict=True):
        if not spared:
            model.raise_logit(kind, -margin)
    return temperature, margin


def least_margin(logits: Float[Tensor, "N E"], kept: Sequence[bool], alarms: float) -> float:
    """What must be taken from all logits but those that are kept, at least 0, so that one of these is the highest.

    In all but a share of `alarms` of the rows.
    """
    spared = torch.tensor(kept)
    if bool(spared.all()):
        return 0.0
    gaps = (logits[:, ~spared].amax(dim=1) - logits[:, spared].amax(dim=1)).sort(descending=True).values
    allowed = int(alarms * len(gaps))
    return float(gaps[allowed]) + TIE if allowed < len(gaps) and gaps[allowed] > 0 else 0.0


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
