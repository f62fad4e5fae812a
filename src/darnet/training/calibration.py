"""A router's verdict on whole pictures: how it weighs what crops say, and a confidence of 80 % that is right so often.

Matrix scaling (Guo et al., ICML 2017, §4.2), by maximum a posteriori, on pictures that training has not seen: the scale
and the biases are nearly free, all other weights are drawn to what they were. Cross-entropy where each picture has one
kind, and binary cross-entropy of the presence of each kind where it may have several. And a margin for clean, since a
false repair costs more than a repair that is not made.

Shapes: N pictures, E kinds, F features of evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from darnet.data.batch import Batch
from darnet.errors import RecipeError
from darnet.models.abilities import Calibrated
from darnet.models.base import Model
from darnet.training.losses import damage, presence_entropy

#: Precision of the Gaussian priors, in pictures: of the biases and the logarithm of the scale, and of a weight times
#: the standard deviation of what it weighs.
FREE, BOUND = 5.0, 50.0
ITERATIONS = 200
#: Evidence that varies less than this says nothing: clean's severity, which nobody taught, varies by rounding alone.
SILENT = 1e-2
#: Logits of pictures -> what is lost by them (nat), the mean over the pictures.
Entropy = Callable[[Float[Tensor, "N E"]], Tensor]
#: Of two scores that are equal the first wins, or the one that was rounded up: clean shall.
TIE = 1e-4


def calibrate(
    model: Model, batches: Iterable[Batch], clean_alarms: float = 1.0, known: Sequence[str] = ()
) -> tuple[float, float]:
    """Fit the verdict to the batches, for good.

    Then raise the score of clean until at most a share of `clean_alarms` of the clean pictures is called damaged; where
    each kind is judged by itself, lower it until at most that share of them has it. Where there is a kind beside those
    that are `known`, these are judged as they were, and it alone is fitted.
    Returns the cross-entropy (nat, before the margin) and the margin, the largest of them.
    Raises RecipeError for a model that is no router.
    """
    if not isinstance(model, Calibrated):
        raise RecipeError("only a router's confidence can be calibrated")
    fitted = torch.tensor([kind not in known for kind in model.kinds])
    fitted = fitted if bool(fitted.any()) else ~fitted
    whole = bool(fitted.all())
    several = model.several and whole
    if whole:  # what it took over from another router was fitted to that one's logits
        model.weighing.copy_(torch.eye(*model.weighing.shape))
        model.bias.zero_()
    seen, named, there = [], [], []
    for batch in batches:  # one after the other: thousands of pictures do not fit into memory
        if batch.presence is not None and not several:
            several = model.clean is not None
            if whole:
                model.measure_from_clean()
        with torch.no_grad():
            seen.append(model.evidence(batch.shown_to(model), batch.crops_per_picture))
        named.append(batch.label[:: batch.crops_per_picture])
        there.append(batch.present(len(model.kinds)))
    evidence, truth = torch.cat(seen), torch.cat(there)
    if model.clean is None or not several:
        entropy = fit_verdict(model, evidence, of_labels(torch.cat(named)), fitted)
    else:
        entropy = fit_verdict(model, evidence, of_presence(truth, model.clean), fitted)
    if model.clean is None:
        return entropy, 0.0
    nothing = damage(truth, model.clean).eq(0).all(dim=1)
    logits = F.linear(evidence[nothing], model.weighing, model.bias)
    if several:
        return entropy, _raise_bars(model, logits, model.clean, clean_alarms)
    margin = least_margin(logits, model.clean, clean_alarms)
    model.bias[model.clean] += margin
    return entropy, margin


def _raise_bars(model: Calibrated, logits: Float[Tensor, "N E"], clean: int, alarms: float) -> float:
    """Lower each kind by itself until so few of the clean pictures have it; returns the largest margin.

    A kind that clean pictures look like pays for it, and no other does.
    """
    largest = 0.0
    for kind in range(logits.shape[1]):
        if kind != clean:
            margin = least_margin(logits[:, [clean, kind]], 0, alarms)
            model.bias[kind] -= margin
            largest = max(largest, margin)
    return largest


def of_labels(labels: Int[Tensor, " N"]) -> Entropy:
    """Cross-entropy with the kind; all kinds weigh alike, however many pictures there are of each."""
    share = 1 / labels.bincount()[labels].float()
    share /= share.sum()
    return lambda logits: (share * F.cross_entropy(logits, labels, reduction="none")).sum()


def of_presence(truth: Float[Tensor, "N E"], clean: int) -> Entropy:
    """Binary cross-entropy of what is present, as often as it is in the pictures, the sum over the kinds."""
    return lambda logits: presence_entropy(logits, truth, clean).mean()


def fit_verdict(
    model: Calibrated, evidence: Float[Tensor, "N F"], entropy: Entropy, fitted: Bool[Tensor, " E"]
) -> float:
    """Weights and biases of the verdict on the kinds that are `fitted`, the most probable ones; returns the entropy."""
    free = fitted.to(evidence.device).float()
    mean, spread = evidence.mean(dim=0), evidence.std(dim=0, correction=0).clamp(min=SILENT)
    standard = (evidence - mean) / spread
    before = F.linear(evidence, model.weighing, model.bias)
    scale, bias, weights = (torch.zeros_like(t, requires_grad=True) for t in (mean[:1], model.bias, model.weighing))
    optimizer = torch.optim.LBFGS([scale, bias, weights], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def lost() -> Tensor:
        return entropy(before * (scale * free).exp() + free * (bias + F.linear(standard, weights)))

    def loss() -> Tensor:
        optimizer.zero_grad()
        prior = FREE * (scale.square().sum() + bias.square().sum()) + BOUND * weights.square().sum()
        total: Tensor = lost() + prior / len(evidence)
        torch.autograd.backward(total)
        return total

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        raw, factor = free[:, None] * weights / spread, (scale * free).exp()
        model.bias.mul_(factor).add_(free * bias - raw @ mean)
        model.weighing.mul_(factor[:, None]).add_(raw)
        return float(lost())


def least_margin(logits: Float[Tensor, "N E"], kept: int, alarms: float) -> float:
    """What must be added to the logit that is kept, at least 0, to make it the highest but for a share of `alarms`."""
    others = logits.clone()
    others[:, kept] = -torch.inf
    gaps = (others.amax(dim=1) - logits[:, kept]).sort(descending=True).values
    allowed = int(alarms * len(gaps))
    return float(gaps[allowed]) + TIE if allowed < len(gaps) and gaps[allowed] > 0 else 0.0
