from __future__ import annotations

import pytest
import torch

from darnet.data.batch import Batch
from darnet.engines.pytorch import TorchBackend
from darnet.models.base import Output
from darnet.models.classifier import DegradationClassifier
from darnet.restore.routers import NetworkRouter
from darnet.routing import Routing
from darnet.training.calibration import calibrate
from darnet.training.objective import Objective, scores
from darnet.training.recipe import Stage

PICTURES = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
KINDS = ("clean", "noise", "haze")
#: Noise; noise and haze; nothing; noise, where haze is too mild to say.
SEVERAL = Batch(
    PICTURES,
    PICTURES,
    torch.tensor([1, 2, 0, 1]),
    torch.zeros(4),
    presence=torch.tensor([[0.0, 1, 0], [0, 1, 1], [1, 0, 0], [0, 1, torch.nan]]),
    severities=torch.tensor([[0.0, 25, 0], [0, 25, 1], [0, 0, 0], [0, 10, 0.2]]),
)


def named(logits: list[list[float]], batch: Batch = SEVERAL) -> dict[str, float]:
    return scores(Output(routings=(Routing.hard(torch.tensor(logits)),), clean=0), batch)


def test_naming_any_kind_that_is_there_is_right() -> None:
    assert named([[0.0, 1, -1], [0, 1, 2], [1, 0, 0], [0, 1, 2]]) == {"val_accuracy": 1.0, "val_presence": 1.0}
    assert named([[0.0, 1, 2], [0, 1, 2], [0, 1, -1], [3, 1, 2]])["val_accuracy"] == 0.25


def test_presence_is_scored_kind_by_kind() -> None:
    """Noise: found twice, missed once, a false alarm: 4 / 6. Haze: found once, no mistake: 1."""
    found = named([[0.0, 1, -1], [0, 1, 2], [0, 1, -1], [0, -1, 2]])
    assert found["val_presence"] == pytest.approx((4 / 6 + 1) / 2)
    assert named([[1.0, 0, 0]] * 4, SEVERAL._replace(presence=torch.zeros(4, 3)))["val_presence"] == 1  # nothing there


def test_pictures_of_one_kind_are_named_or_not() -> None:
    found = named([[0.0, 1, 2], [0, 1, 2], [1, 0, 0], [0, 1, 2]], SEVERAL._replace(presence=None))
    assert found == {"val_accuracy": 0.5}


def test_all_of_a_batch_reaches_the_losses() -> None:
    torch.manual_seed(0)
    losses = {"presence": 1.0, "level": 0.5}
    stage = Stage(
        name="s", epochs=1, steps_per_epoch=1, batch=4, crop_px=16, degradations=[{"name": "clean"}], losses=losses
    )
    objective = Objective(DegradationClassifier(KINDS, 4), stage)

    def total(batch: Batch) -> float:
        terms, _ = objective(batch)
        assert set(terms) == set(losses)
        return float(torch.stack(list(terms.values())).sum().detach())

    assert total(SEVERAL) not in (total(SEVERAL._replace(presence=None)), total(SEVERAL._replace(severities=None)))


def mixed(count: int, rng: torch.Generator) -> Batch:
    """Smooth pictures, half of them noisy and half of them dark, each by a coin of its own; two crops of each."""
    coins = torch.rand(count, 2, generator=rng) < 0.5
    ramp = torch.linspace(0.4, 0.9, 32) * torch.ones(count, 3, 32, 1)
    sigma = 15 + 25 * torch.rand(count, generator=rng)
    noise = torch.randn(count, 2, 3, 32, 32, generator=rng) * (sigma * coins[:, 0] / 255)[:, None, None, None, None]
    dark = torch.where(coins[:, 1], 0.3, 1.0)[:, None, None, None, None]
    pictures = (ramp[:, None] * dark + noise).clamp(0, 1).flatten(0, 1)
    presence = torch.cat([torch.full((count, 1), torch.nan), coins.float()], dim=1)
    severities = torch.stack([0 * sigma, sigma * coins[:, 0], 0 * sigma], dim=1)
    label = torch.where(coins[:, 0], 1, torch.where(coins[:, 1], 2, 0))
    presence, severities, label = (values.repeat_interleave(2, dim=0) for values in (presence, severities, label))
    return Batch(pictures, pictures, label, 0 * label.float(), None, 2, presence=presence, severities=severities)


@pytest.mark.slow
def test_a_router_learns_to_see_two_kinds_in_one_picture() -> None:
    """From losses through calibration to a diagnosis."""
    torch.manual_seed(0)
    rng = torch.Generator().manual_seed(0)
    kinds, losses = ("clean", "noise", "lowlight"), {"presence": 1.0, "level": 0.3}
    model = DegradationClassifier(kinds, 8, blocks=1, ranges={"noise": [15, 40]})
    stage = Stage(
        name="s",
        epochs=1,
        steps_per_epoch=1,
        batch=32,
        crop_px=32,
        crops_per_picture=2,
        degradations=[{"name": "clean"}],
        losses=losses,
    )
    objective, optimizer = Objective(model, stage), torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.01, 200)
    for _ in range(200):
        terms, _ = objective(mixed(16, rng))
        optimizer.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        optimizer.step()
        schedule.step()
    model.eval()
    unseen = mixed(200, rng)
    assert scores(objective.look(unseen), unseen)["val_presence"] > 0.95
    calibrate(model, [mixed(300, rng)], 0.02)
    router, right, ratios = NetworkRouter(TorchBackend(model, "cpu"), crop_px=32), [], []
    for picture, truth, true in zip(unseen.degraded[::2], unseen.present(3), unseen.known_severities(3), strict=True):
        diagnosis = router(picture)
        right.append(set(diagnosis.present) == {kind for kind, there in zip(kinds, truth, strict=True) if there == 1})
        if "noise" in diagnosis.present and true[1]:
            ratios.append(diagnosis.severities["noise"] / float(true[1]))
    assert sum(right) > 0.93 * len(right)
    assert sum(0.7 < ratio < 1.4 for ratio in ratios) > 0.8 * len(ratios) > 60
