from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from darnet.data.batch import Batch
from darnet.errors import RecipeError
from darnet.models.classifier import EVIDENCE, DegradationClassifier
from darnet.models.compact import CompactUNet
from darnet.training.calibration import calibrate, fit_verdict, least_margin, of_labels, of_presence

KINDS = ("clean", "noise", "blur")


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Networks start from chance: from the same every time."""
    torch.manual_seed(0)


def router() -> DegradationClassifier:
    return DegradationClassifier(KINDS, width=4).eval()


def evidence(mean: Tensor, others: Tensor | None = None) -> Tensor:
    """Of the mean logits, and of what else is seen."""
    rest = torch.zeros(len(mean), (EVIDENCE - 1) * len(KINDS)) if others is None else others
    return torch.cat([mean, rest], dim=1)


def overconfident(count: int = 4000) -> tuple[Tensor, Tensor]:
    """Labels drawn from softmax(z), and logits 3z."""
    rng = Generator().manual_seed(0)
    logits = 2 * torch.randn(count, 3, generator=rng)
    labels = torch.multinomial(logits.softmax(dim=1), 1, generator=rng)[:, 0]
    return 3 * logits, labels


ALL = torch.ones(3, dtype=torch.bool)


def verdicts(model: DegradationClassifier, seen: Tensor) -> Tensor:
    return F.linear(seen, model.weighing, model.bias)


def test_overconfidence_is_undone() -> None:
    model = router()
    logits, labels = overconfident()
    fit_verdict(model, evidence(logits), of_labels(labels), ALL)
    torch.testing.assert_close(model.weighing[:, :3], torch.eye(3) / 3, rtol=0, atol=0.03)
    torch.testing.assert_close(model.bias, torch.zeros(3), rtol=0, atol=0.15)


def test_no_other_scale_is_better() -> None:
    model = router()
    logits, labels = overconfident()
    least = fit_verdict(model, evidence(logits), of_labels(labels), ALL)
    found = verdicts(model, evidence(logits))
    weight = 1 / labels.bincount()[labels].float()
    entropies = [
        F.cross_entropy(found * scale, labels, reduction="none") @ weight / weight.sum() for scale in (0.9, 1, 1.1)
    ]
    assert entropies[1] == pytest.approx(least, rel=1e-5)
    assert entropies[1] < min(entropies[0], entropies[2])


def test_a_kind_that_is_rare_weighs_as_much_as_the_others() -> None:
    """All pictures look alike: kinds that weigh alike are as likely, however many pictures there are of each."""
    model = router()
    labels = torch.tensor([0] * 3900 + [1] * 50 + [2] * 50)
    fit_verdict(model, evidence(torch.tensor([[0.5, 0.0, -0.5]]).expand(4000, 3)), of_labels(labels), ALL)
    found = verdicts(model, evidence(torch.tensor([[0.5, 0.0, -0.5]]))).softmax(dim=1)
    torch.testing.assert_close(found, torch.full((1, 3), 1 / 3), rtol=0, atol=0.01)


def test_what_the_mean_does_not_say_is_learnt_from_enough_pictures() -> None:
    """Noise shows in the highest logit of all crops alone."""
    rng = Generator().manual_seed(0)
    labels = torch.randint(0, 3, (4000,), generator=rng)
    mean = 0.1 * torch.randn(4000, 3, generator=rng)
    others = torch.randn(4000, 9, generator=rng)
    others[:, 1] += 3 * (labels == 1)
    many, few = router(), router()
    fit_verdict(many, evidence(mean, others), of_labels(labels), ALL)
    fit_verdict(few, evidence(mean, others)[:20], of_labels(labels[:20]), ALL)
    shares = [
        float((verdicts(model, evidence(mean, others)).argmax(1) == 1)[labels == 1].float().mean())
        for model in (many, few)
    ]
    assert shares[0] > 0.85
    changes = [float(model.weighing[:, 3:].abs().max()) for model in (many, few)]
    assert changes[1] < changes[0] / 2  # a few pictures change little


def test_the_verdict_goes_on_from_what_it_was() -> None:
    """Fitted again to a handful of pictures that fit it already, it hardly changes."""
    model = router()
    logits, labels = overconfident()
    fit_verdict(model, evidence(logits), of_labels(labels), ALL)
    before = model.weighing.clone()
    fit_verdict(model, evidence(logits)[:60], of_labels(labels[:60]), ALL)
    assert (model.weighing - before).abs().max() < 0.15


def pictures(count: int, labels: Tensor, crops: int = 1) -> Batch:
    seen = torch.rand(count * crops, 3, 16, 16, generator=Generator().manual_seed(0))
    return Batch(seen, seen, labels.repeat_interleave(crops), torch.zeros(count * crops), crops_per_picture=crops)


@pytest.mark.parametrize(("alarms", "margin"), [(0.2, 1.0), (0.4, 0.5), (0.5, 0.5), (0.6, 0.0), (1.0, 0.0)])
def test_the_margin_is_the_least_that_leaves_so_many_alarms(alarms: float, margin: float) -> None:
    logits = torch.tensor([[0.0, 2.0, 0.0], [1.0, 0.0, 2.0], [0.0, 0.5, 0.0], [3.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    assert least_margin(logits, 0, alarms) == pytest.approx(margin, abs=1e-3)
    raised = logits + torch.tensor([least_margin(logits, 0, alarms), 0.0, 0.0])
    assert int((raised.argmax(dim=1) != 0).sum()) <= alarms * 5


@pytest.mark.parametrize("crops", [1, 3])
def test_clean_pictures_are_called_damaged_no_more_often_than_allowed(crops: int) -> None:
    model = router()
    with torch.no_grad():
        model.classify.weight.mul_(50)
        model.classify.bias.copy_(torch.tensor([-1.0, 0.0, 0.0]))
    labels = torch.arange(60) % 3 // 2 * (1 + torch.arange(60) % 2)  # two thirds are clean
    batch = pictures(60, labels, crops)
    entropy, margin = calibrate(model, [batch], 0.1)
    assert 0 < entropy < 2
    assert margin > 0
    named = model.verdict(model(batch.degraded), crops).argmax(dim=1)
    assert len(named) == 60
    assert 0 < int((named != 0)[labels == 0].sum()) <= 4


def test_kinds_that_were_known_are_judged_as_they_were() -> None:
    """A new kind is fitted beside them; where none is new, all are."""
    model, labels = router(), torch.arange(60) % 3
    batch = pictures(60, labels)
    before = model.verdict(model(batch.degraded), 1)
    calibrate(model, [batch], known=("clean", "noise"))
    after = model.verdict(model(batch.degraded), 1)
    torch.testing.assert_close(after[:, :2], before[:, :2])
    assert (after[:, 2] - before[:, 2]).abs().mean() > 0.05
    calibrate(model, [batch], known=KINDS)
    assert (model.verdict(model(batch.degraded), 1) - after).abs().mean(dim=0).min() > 0.01


def test_evidence_that_differs_by_rounding_alone_is_not_read() -> None:
    """Which of float's last digits go with noise is chance, and other on another machine."""
    rng = Generator().manual_seed(0)
    labels = torch.randint(0, 3, (600,), generator=rng)
    others = torch.zeros(600, 9)
    others[:, 6] = 1e-7 * (labels == 1)
    model = router()
    fit_verdict(model, evidence(torch.randn(600, 3, generator=rng), others), of_labels(labels), ALL)
    assert float(model.weighing[:, 9].abs().max()) < 1


def test_the_presence_of_each_kind_is_fitted_by_itself() -> None:
    """Noise in one of sixteen crops, haze in all: both may be there. Presence says how often it is so."""
    rng = Generator().manual_seed(0)
    truth = torch.cat([torch.full((6000, 1), torch.nan), (torch.rand(6000, 2, generator=rng) < 0.3).float()], dim=1)
    mean, others = torch.zeros(6000, 3), torch.zeros(6000, 9)
    mean[:, 2] = 2 * torch.randn(6000, generator=rng) + 3 * truth[:, 2]
    others[:, 1] = 2 * torch.randn(6000, generator=rng) + 4 * truth[:, 1]  # the highest crop less the mean
    truth[::7, 1] = torch.nan  # too mild to say
    model = router()
    lost = fit_verdict(model, evidence(mean, others), of_presence(truth, 0), ALL)
    found = verdicts(model, evidence(mean, others))
    sure = (found - found[:, :1]).sigmoid()
    assert 0 < lost < 1
    for kind, least in ((1, 0.85), (2, 0.78)):  # the best there is: 0.87 and 0.81
        known = truth[:, kind].isfinite()
        right = ((sure[:, kind] > 0.5) == (truth[:, kind] == 1))[known]
        assert float(right.float().mean()) > least
    likely = (sure[:, 2] > 0.6) & (sure[:, 2] < 0.9)
    assert float(truth[likely, 2].mean()) == pytest.approx(float(sure[likely, 2].mean()), abs=0.06)


def test_pictures_of_several_kinds_are_judged_by_presence() -> None:
    """Clean pictures have no kind; the rest has both. The logit of clean is what others are measured from."""
    model = router()
    with torch.no_grad():
        model.classify.weight.mul_(50)
        model.classify.bias.copy_(torch.tensor([-1.0, 0.0, 0.0]))
    labels = torch.arange(60) % 2
    batch = pictures(60, labels, 2)
    presence = torch.stack([0 * batch.label, batch.label, batch.label], dim=1).float()
    several = batch._replace(presence=presence)
    before = model(batch.degraded).routings[0].logits
    calibrate(model, [several], 0.1)
    output = model(batch.degraded)
    after = output.routings[0].logits
    torch.testing.assert_close(after, before - before[:, :1], rtol=0, atol=1e-4)
    logits = model.verdict(output, 2)
    alarms = (logits[:, 1:] > logits[:, :1])[labels == 0].sum(dim=0)
    assert int(alarms.max()) <= 3  # of each kind by itself


def test_a_router_that_knows_no_clean_pictures_needs_no_margin() -> None:
    model = DegradationClassifier(KINDS[1:], width=4).eval()
    assert calibrate(model, [pictures(8, torch.arange(8) % 2)], 0.01)[1] == 0


def test_an_expert_has_no_confidence() -> None:
    with pytest.raises(RecipeError, match="only a router"):
        calibrate(CompactUNet(width=4, blocks=(1, 1)), [])
