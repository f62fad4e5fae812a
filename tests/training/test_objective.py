from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from darnet.data.synthesis import Batch
from darnet.models.base import Output
from darnet.models.classifier import DegradationClassifier
from darnet.routing import Routing
from darnet.training.objective import Objective, scores, tensors
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
    severity=torch.tensor([[0.0, 25, 0], [0, 25, 1], [0, 0, 0], [0, 10, 0.2]]),
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
    assert named([[1.0, 0, 0]] * 4, replace(SEVERAL, presence=torch.zeros(4, 3)))["val_presence"] == 1  # nothing there


def test_pictures_of_one_kind_are_named_or_not() -> None:
    found = named([[0.0, 1, 2], [0, 1, 2], [1, 0, 0], [0, 1, 2]], replace(SEVERAL, presence=None))
    assert found == {"val_accuracy": 0.5}


def test_all_of_a_batch_reaches_the_losses() -> None:
    torch.manual_seed(0)
    losses = {"presence": 1.0, "level": 0.5}
    stage = Stage(
        name="s", epochs=1, steps_per_epoch=1, batch=4, crop_px=16, degradations=[{"name": "clean"}], losses=losses
    )
    objective = Objective(DegradationClassifier(KINDS, 4), stage)

    def total(batch: Batch) -> float:
        terms, _ = objective(*tensors(batch))
        assert set(terms) == set(losses)
        return float(torch.stack(list(terms.values())).sum().detach())

    assert total(SEVERAL) not in (total(replace(SEVERAL, presence=None)), total(replace(SEVERAL, severity=None)))
