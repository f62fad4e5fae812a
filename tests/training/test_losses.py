from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from darnet.data.synthesis import Batch
from darnet.errors import RecipeError
from darnet.models.base import Output
from darnet.routing import Routing
from darnet.training.losses import LOSSES

CLEAN = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
BATCH = Batch(CLEAN, CLEAN, torch.tensor([1, 0]), torch.tensor([25.0, 0.0]))
PIXEL_LOSSES = ["l1", "mse", "charbonnier", "ssim", "frequency"]


@pytest.mark.parametrize("name", PIXEL_LOSSES)
def test_a_pixel_loss_is_least_at_the_truth_and_grows(name: str) -> None:
    losses = [float(LOSSES[name](Output((CLEAN + error).clamp(0, 1)), BATCH)) for error in (0, 0.05, 0.2)]
    assert losses[0] == pytest.approx(0, abs=2e-3)
    assert losses[0] < losses[1] < losses[2]


@pytest.mark.parametrize("name", PIXEL_LOSSES)
def test_a_pixel_loss_pulls_towards_the_truth(name: str) -> None:
    error = 0.1 * torch.randn(CLEAN.shape, generator=torch.Generator().manual_seed(1))
    image = (CLEAN + error).requires_grad_()
    before = LOSSES[name](Output(image), BATCH)
    before.backward()
    with torch.no_grad():
        better = image - 0.01 * image.grad / image.grad.abs().max()
        assert float(LOSSES[name](Output(better), BATCH)) < float(before)


@pytest.mark.parametrize("name", PIXEL_LOSSES)
def test_a_pixel_loss_needs_an_image(name: str) -> None:
    with pytest.raises(RecipeError, match="makes an image"):
        LOSSES[name](Output(), BATCH)


def test_values_by_hand() -> None:
    image = CLEAN + 0.1
    assert float(LOSSES["l1"](Output(image), BATCH)) == pytest.approx(0.1, rel=1e-4)
    assert float(LOSSES["mse"](Output(image), BATCH)) == pytest.approx(0.01, rel=1e-4)
    # Of a constant 0.1 only the mean's coefficient is left: 0.1 · √(16·16) of 16 × 9 coefficients.
    assert float(LOSSES["frequency"](Output(image), BATCH)) == pytest.approx(0.1 * 16 / (16 * 9), rel=1e-2)


def test_classification_is_the_mean_cross_entropy_of_all_routers() -> None:
    logits = torch.tensor([[0.0, 2.0], [1.0, 0.0]])
    output = Output(routings=(Routing.hard(logits), Routing.hard(torch.zeros(2, 2))))
    right = torch.nn.functional.cross_entropy(logits, BATCH.label)
    wanted = (float(right) + torch.log(torch.tensor(2.0)).item()) / 2
    assert float(LOSSES["classification"](output, BATCH)) == pytest.approx(wanted, rel=1e-5)
    with pytest.raises(RecipeError, match="routes"):
        LOSSES["classification"](Output(), BATCH)


def test_levels_count_only_where_the_true_kind_has_one() -> None:
    def loss(levels: list[list[float]]) -> float:
        return float(LOSSES["level"](Output(levels=torch.tensor(levels)), BATCH))

    assert loss([[9.0, 25.0], [7.0, 3.0]]) == 0  # the right estimate where it counts, nonsense elsewhere
    assert loss([[9.0, 30.0], [7.0, 3.0]]) > 0
    assert loss([[9.0, 50.0], [7.0, 3.0]]) == pytest.approx(loss([[9.0, 12.5], [7.0, 3.0]]))  # a ratio is an error
    with pytest.raises(RecipeError, match="levels"):
        LOSSES["level"](Output(), BATCH)


def test_evidence_of_crops_is_averaged_before_it_is_judged() -> None:
    """A crop that says nothing does not count against the picture, and one that says much counts for it."""
    batch = replace(BATCH, label=torch.tensor([1, 1]), level=torch.tensor([25.0, 25.0]), crops_per_picture=2)
    logits = torch.tensor([[0.0, 8.0], [0.0, 0.0]])
    wanted = torch.nn.functional.cross_entropy(torch.tensor([[0.0, 4.0]]), torch.tensor([1]))
    output = Output(routings=(Routing.hard(logits),), levels=torch.tensor([[1.0, 50.0], [1.0, 12.5]]))
    assert float(LOSSES["classification"](output, batch)) == pytest.approx(float(wanted), rel=1e-5)
    assert float(LOSSES["level"](output, batch)) == pytest.approx(0, abs=1e-6)  # the geometric mean is 25


def test_distillation_keeps_what_the_teacher_said() -> None:
    """Two kinds that the teacher knows, and one that it does not, which may say what it likes."""
    taught = torch.tensor([[2.0, -1.0], [0.5, 0.0]])
    told = replace(BATCH, taught=taught)

    def loss(logits: torch.Tensor, batch: Batch = told) -> float:
        return float(LOSSES["distillation"](Output(routings=(Routing.hard(logits),)), batch))

    same = torch.cat([taught + 3.0, torch.tensor([[9.0], [-9.0]])], dim=1)  # softmax knows no constant
    assert loss(same) == pytest.approx(0, abs=1e-6)
    moved = same.clone()
    moved[0, 0] -= 1
    further = same.clone()
    further[0, 0] -= 2
    assert 0 < loss(moved) < loss(further)
    p, q = (torch.softmax(values / 2, dim=0) for values in (taught[0], moved[0, :2]))
    assert loss(moved) == pytest.approx(4 * float((p * (p / q).log()).sum()) / 2, rel=1e-4)  # T² KL, mean of two
    assert loss(moved, BATCH) == 0  # nobody to ask
    with pytest.raises(RecipeError, match="routes"):
        LOSSES["distillation"](Output(), BATCH)
