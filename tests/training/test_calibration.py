from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from darnet.data.synthesis import Batch
from darnet.errors import RecipeError
from darnet.models.classifier import DegradationClassifier
from darnet.models.compact import CompactUNet
from darnet.training.calibration import best_temperature, calibrate

KINDS = ("clean", "noise", "blur")


def overconfident(count: int = 4000) -> tuple[Tensor, Tensor]:
    """Labels drawn from softmax(z), and logits 3z."""
    rng = Generator().manual_seed(0)
    logits = 2 * torch.randn(count, 3, generator=rng)
    labels = torch.multinomial(logits.softmax(dim=1), 1, generator=rng)[:, 0]
    return 3 * logits, labels


def test_the_temperature_undoes_overconfidence() -> None:
    assert best_temperature(*overconfident()) == pytest.approx(3, rel=0.06)


def test_no_other_temperature_is_better() -> None:
    logits, labels = overconfident()
    best = best_temperature(logits, labels)
    least = F.cross_entropy(logits / best, labels)
    for other in (0.9 * best, 1.1 * best):
        assert F.cross_entropy(logits / other, labels) > least


def test_the_router_names_the_same_kinds_less_surely() -> None:
    rng = Generator().manual_seed(0)
    model = DegradationClassifier(KINDS, width=4).eval()
    pictures = torch.rand(24, 3, 16, 16, generator=rng)
    with torch.no_grad():
        model.classify.weight.mul_(200)
        before = model(pictures).routings[-1].logits
    labels = torch.randint(0, 3, (24,), generator=rng)
    batch = Batch(pictures, pictures, labels, torch.zeros(24))
    temperature = calibrate(model, [batch])
    after = model(pictures).routings[-1].logits
    assert temperature > 1
    torch.testing.assert_close(after, before / temperature, rtol=1e-3, atol=1e-4)


def test_an_expert_has_no_confidence() -> None:
    with pytest.raises(RecipeError, match="only a router"):
        calibrate(CompactUNet(width=4, blocks=(1, 1)), [])
    with pytest.raises(ValueError, match="no logits"):
        CompactUNet(width=4, blocks=(1, 1)).divide_logits(2.0)
