from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from darnet.data.synthesis import Batch
from darnet.errors import RecipeError
from darnet.models.classifier import DegradationClassifier
from darnet.models.compact import CompactUNet
from darnet.training.calibration import best_temperature, calibrate, least_margin

KINDS = ("clean", "noise", "blur")


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Networks start from chance: from the same every time."""
    torch.manual_seed(0)


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
    temperature, margin = calibrate(model, [batch])
    after = model(pictures).routings[-1].logits
    assert temperature > 1
    assert margin == 0
    torch.testing.assert_close(after, before / temperature, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("alarms", "margin"), [(0.2, 1.0), (0.4, 0.5), (0.5, 0.5), (0.6, 0.0), (1.0, 0.0)])
def test_the_margin_is_the_least_that_leaves_so_many_alarms(alarms: float, margin: float) -> None:
    logits = torch.tensor([[0.0, 2.0, 0.0], [1.0, 0.0, 2.0], [0.0, 0.5, 0.0], [3.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    assert least_margin(logits, (True, False, False), alarms) == pytest.approx(margin, abs=1e-3)
    raised = logits + torch.tensor([least_margin(logits, (True, False, False), alarms), 0.0, 0.0])
    assert int((raised.argmax(dim=1) != 0).sum()) <= alarms * 5


def test_clean_pictures_are_called_damaged_no_more_often_than_allowed() -> None:
    model = DegradationClassifier(KINDS, width=4).eval()
    pictures = torch.rand(40, 3, 16, 16, generator=Generator().manual_seed(0))
    with torch.no_grad():
        model.classify.weight.mul_(50)
        model.classify.bias.copy_(torch.tensor([-1.0, 0.0, 0.0]))
    batch = Batch(pictures, pictures, torch.arange(40) % 3 // 2, torch.zeros(40))  # two thirds are clean
    _, margin = calibrate(model, [batch], 0.1)
    assert margin > 0
    named = model(pictures).routings[-1].logits.argmax(dim=1)[batch.label == 0]
    assert 0 < int((named != 0).sum()) <= 2


def test_a_mild_kind_needs_no_margin() -> None:
    logits = torch.tensor([[0.0, 2.0, 0.0], [1.0, 0.0, 2.0], [0.0, 0.5, 0.0], [3.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    assert least_margin(logits, (True, True, False), 0.1) == pytest.approx(1.0, abs=1e-3)
    assert least_margin(logits, (True, True, False), 0.2) == 0.0
    assert least_margin(logits, (True, True, True), 0.1) == 0.0
    model = DegradationClassifier(KINDS, width=4).eval()
    pictures = torch.rand(40, 3, 16, 16, generator=Generator().manual_seed(0))
    with torch.no_grad():
        model.classify.weight.mul_(0.1)
        model.classify.bias.copy_(torch.tensor([-1.0, 0.0, 3.0]))  # whatever the features, it names the third
    batch = Batch(pictures, pictures, torch.zeros(40, dtype=torch.long), torch.zeros(40))
    before = model(pictures).routings[-1].logits
    temperature, margin = calibrate(model, [batch], 0.02, ("noise",))
    after = model(pictures).routings[-1].logits
    assert margin > 0 and not (after.argmax(dim=1) == 2).any()
    torch.testing.assert_close((after[:, 1] - after[:, 0]) * temperature, before[:, 1] - before[:, 0])


def test_an_expert_has_no_confidence() -> None:
    with pytest.raises(RecipeError, match="only a router"):
        calibrate(CompactUNet(width=4, blocks=(1, 1)), [])
    with pytest.raises(ValueError, match="no logits"):
        CompactUNet(width=4, blocks=(1, 1)).divide_logits(2.0)
    with pytest.raises(ValueError, match="no logits"):
        CompactUNet(width=4, blocks=(1, 1)).raise_logit("clean", 1.0)
