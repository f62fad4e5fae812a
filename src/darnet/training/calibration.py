"""A router's verdict on whole pictures: how it weighs what crops say, and a confidence of 80 % that is right so often.

Matrix scaling (Guo et al., ICML 2017, §4.2), by maximum a posteriori, on pictures that training has not seen: the scale
and the biases are nearly free, all other weights are drawn to what they were. And a margin for clean, since a false
repair costs more than a repair that is not made.

Shapes: N pictures, E kinds, F features of evidence.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from darnet.data.synthesis import Batch
from darnet.diagnosis import CLEAN
from darnet.errors import RecipeError
from darnet.models.base import Model
from darnet.models.classifier import DegradationClassifier

#: Precision of the Gaussian priors, in pictures: of the biases and the logarithm of the scale, and of a weight times
#: the standard deviation of what it weighs.
FREE, BOUND = 5.0, 50.0
ITERATIONS = 200
#: Of two scores that are equal the first wins, or the one that was rounded up: clean shall.
TIE = 1e-4


def calibrate(
    model: Model, batches: Iterable[Batch], clean_alarms: float = 1.0, known: Sequence[str] = ()
) -> tuple[float, float]:
    """Fit the verdict to the batches, for good; all kinds weigh alike, however many pictures there are of each.

    Then raise the score of clean until at most a share of `clean_alarms` of the clean pictures is called damaged. Where
    there is a kind beside those that are `known`, these are judged as they were, and it alone is fitted.
    Returns the cross-entropy (nat, before the margin) and the margin. Raises RecipeError for a model that is no router.
    """
    if not isinstance(model, DegradationClassifier):
        raise RecipeError("only a router's confidence can be calibrated")
    seen, labels = [], []
    with torch.no_grad():
        for batch in batches:
            seen.append(model.evidence(model(batch.degraded, batch.context), batch.crops_per_picture))
            labels.append(batch.label[:: batch.crops_per_picture])
    evidence, truth = torch.cat(seen), torch.cat(labels)
    new = torch.tensor([kind not in known for kind in model.kinds])
    entropy = fit_verdict(model, evidence, truth, new if bool(new.any()) else ~new)
    if CLEAN not in model.kinds:
        return entropy, 0.0
    clean = model.kinds.index(CLEAN)
    margin = least_margin(F.linear(evidence[truth == clean], model.weighing, model.bias), clean, clean_alarms)
    model.bias[clean] += margin
    return entropy, margin


def fit_verdict(
    model: DegradationClassifier,
    evidence: Float[Tensor, "N F"],
    labels: Int[Tensor, " N"],
    fitted: Bool[Tensor, " E"],
) -> float:
    """Weights and biases of the verdict on the kinds that are `fitted`, the most probable ones.

    Returns the cross-entropy, in which kinds weigh alike.
    """
    free = fitted.to(evidence.device).float()
    counts = labels.bincount(minlength=len(model.kinds)).clamp(min=1)
    share = 1 / counts[labels].float()
    share /= share.sum()
    mean, spread = evidence.mean(dim=0), evidence.std(dim=0, correction=0).clamp(min=1e-6)
    standard = (evidence - mean) / spread
    before = F.linear(evidence, model.weighing, model.bias)
    scale, bias, weights = (torch.zeros_like(t, requires_grad=True) for t in (mean[:1], model.bias, model.weighing))
    optimizer = torch.optim.LBFGS([scale, bias, weights], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def entropy() -> Tensor:
        logits = before * (scale * free).exp() + free * (bias + F.linear(standard, weights))
        return (share * F.cross_entropy(logits, labels, reduction="none")).sum()

    def loss() -> Tensor:
        optimizer.zero_grad()
        prior = FREE * (scale.square().sum() + bias.square().sum()) + BOUND * weights.square().sum()
        total: Tensor = entropy() + prior / len(labels)
        torch.autograd.backward(total)
        return total

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        raw, factor = free[:, None] * weights / spread, (scale * free).exp()
        model.bias.mul_(factor).add_(free * bias - raw @ mean)
        model.weighing.mul_(factor[:, None]).add_(raw)
        return float(entropy())


def least_margin(logits: Float[Tensor, "N E"], kept: int, alarms: float) -> float:
    """What must be added to the logit that is kept, at least 0, to make it the highest but for a share of `alarms`."""
    others = logits.clone()
    others[:, kept] = -torch.inf
    gaps = (others.amax(dim=1) - logits[:, kept]).sort(descending=True).values
    allowed = int(alarms * len(gaps))
    return float(gaps[allowed]) + TIE if allowed < len(gaps) and gaps[allowed] > 0 else 0.0
