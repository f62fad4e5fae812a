from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from darnet.data.batch import Batch
from darnet.errors import RecipeError
from darnet.models.base import Output
from darnet.routing import Routing
from darnet.training.losses import LOSSES

CLEAN = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
BATCH = Batch(CLEAN, CLEAN, torch.tensor([1, 0]), torch.tensor([25.0, 0.0]))
PIXEL_LOSSES = ["l1", "mse", "psnr", "charbonnier", "ssim", "frequency"]


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
    assert float(LOSSES["psnr"](Output(image), BATCH)) == pytest.approx(20, abs=0.1)  # 20 dB, of 40
    # Of a constant 0.1 only the mean's coefficient is left: 0.1 · √(16·16) of 16 × 9 coefficients.
    assert float(LOSSES["frequency"](Output(image), BATCH)) == pytest.approx(0.1 * 16 / (16 * 9), rel=1e-2)


def test_a_decibel_counts_alike_in_every_picture() -> None:
    """The slope along a picture's own error is the same, however large that error is."""
    image = (CLEAN + torch.tensor([0.5, 0.1]).view(2, 1, 1, 1)).requires_grad_()
    LOSSES["psnr"](Output(image), BATCH).backward()
    assert image.grad is not None
    slopes = (image.grad * (image.detach() - CLEAN)).sum(dim=(1, 2, 3))
    assert float(slopes[0] / slopes[1]) == pytest.approx(1, abs=0.02)


def test_classification_is_the_mean_cross_entropy_of_all_routers() -> None:
    logits = torch.tensor([[0.0, 2.0], [1.0, 0.0]])
    output = Output(routings=(Routing.hard(logits), Routing.hard(torch.zeros(2, 2))))
    right = torch.nn.functional.cross_entropy(logits, BATCH.label)
    wanted = (float(right) + torch.log(torch.tensor(2.0)).item()) / 2
    assert float(LOSSES["classification"](output, BATCH)) == pytest.approx(wanted, rel=1e-5)
    with pytest.raises(RecipeError, match="routes"):
        LOSSES["classification"](Output(), BATCH)


def test_levels_count_only_where_the_true_kind_has_one() -> None:
    def loss(severities: list[list[float]]) -> float:
        return float(LOSSES["level"](Output(severities=torch.tensor(severities)), BATCH))

    assert loss([[9.0, 25.0], [7.0, 3.0]]) == 0  # the right estimate where it counts, nonsense elsewhere
    assert loss([[9.0, 30.0], [7.0, 3.0]]) > 0
    assert loss([[9.0, 50.0], [7.0, 3.0]]) == pytest.approx(loss([[9.0, 12.5], [7.0, 3.0]]))  # a ratio is an error
    with pytest.raises(RecipeError, match="severities"):
        LOSSES["level"](Output(), BATCH)


#: Noise and haze, where blur is too mild to say; nothing; of clean, blur, noise and haze.
SEVERAL = BATCH._replace(
    presence=torch.tensor([[0.0, torch.nan, 1.0, 1.0], [1.0, 0.0, 0.0, 0.0]]),
    severities=torch.tensor([[0.0, 0.5, 25.0, 0.0], [0.0, 0.0, 0.0, 0.0]]),
)


def presence(logits: list[list[float]], batch: Batch = SEVERAL, clean: int | None = 0) -> float:
    output = Output(routings=(Routing.hard(torch.tensor(logits)),), clean=clean)
    return float(LOSSES["presence"](output, batch))


def test_several_kinds_may_be_present_at_once() -> None:
    certain = [[0.0, 0.0, 9.0, 9.0], [9.0, 0.0, 0.0, 0.0]]
    assert presence(certain) == pytest.approx(0, abs=0.01)
    assert presence([[3.0, 3.0, 12.0, 12.0], [8.0, -1.0, -1.0, -1.0]]) == pytest.approx(presence(certain), abs=1e-5)
    assert presence([[0.0, 7.0, 9.0, 9.0], [9.0, 0.0, 0.0, 0.0]]) == presence(certain)  # nobody can say
    assert presence([[0.0, 0.0, 9.0, 0.0], [9.0, 0.0, 0.0, 0.0]]) > presence(certain) + 0.3
    with pytest.raises(RecipeError, match="'clean'"):
        presence(certain, clean=None)


def test_an_alarm_on_a_clean_picture_weighs_twice() -> None:
    half = torch.log(torch.tensor(2.0)).item()  # of a presence of 1/2, whatever is true
    assert presence([[0.0] * 4, [0.0] * 4]) == pytest.approx((2 * half + 3 * 2 * half) / 2)


def test_presence_without_more_is_that_of_the_label() -> None:
    logits = [[0.0, 1.0, -2.0, 3.0], [2.0, 0.5, 0.0, 1.0]]
    one = BATCH._replace(presence=torch.tensor([[0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]]))
    assert presence(logits, BATCH) == presence(logits, one)


def test_the_level_of_every_kind_that_is_known_counts() -> None:
    def loss(*first: float) -> float:
        severities = torch.tensor([list(first), [7.0, 7.0, 7.0, 7.0]])
        return float(LOSSES["level"](Output(severities=severities), SEVERAL))

    assert loss(3.0, 0.5, 25.0, 9.0) == 0
    blur, noise = loss(3.0, 1.0, 25.0, 9.0), loss(3.0, 0.5, 50.0, 9.0)
    assert min(blur, noise) > 0.1
    assert loss(3.0, 1.0, 50.0, 9.0) == pytest.approx(blur + noise)


def test_evidence_of_crops_is_averaged_before_it_is_judged() -> None:
    """A crop that says nothing does not count against the picture, and one that says much counts for it."""
    batch = BATCH._replace(label=torch.tensor([1, 1]), severity=torch.tensor([25.0, 25.0]), crops_per_picture=2)
    logits = torch.tensor([[0.0, 8.0], [0.0, 0.0]])
    wanted = torch.nn.functional.cross_entropy(torch.tensor([[0.0, 4.0]]), torch.tensor([1]))
    output = Output(routings=(Routing.hard(logits),), severities=torch.tensor([[1.0, 50.0], [1.0, 12.5]]))
    assert float(LOSSES["classification"](output, batch)) == pytest.approx(float(wanted), rel=1e-5)
    there = F.binary_cross_entropy_with_logits(torch.tensor(4.0), torch.tensor(1.0))
    assert float(LOSSES["presence"](replace(output, clean=0), batch)) == pytest.approx(float(there), rel=1e-5)
    assert float(LOSSES["level"](output, batch)) == pytest.approx(0, abs=1e-6)  # the geometric mean is 25


def test_distillation_keeps_what_the_teacher_said() -> None:
    """Two kinds that the teacher knows, and one that it does not, which may say what it likes."""
    taught = torch.tensor([[2.0, -1.0], [0.5, 0.0]])
    told = BATCH._replace(taught=taught)

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


def on_sphere(*layers: torch.Tensor) -> Output:
    zeros = torch.zeros(len(layers[0]), 3)
    return Output(routings=tuple(Routing.soft(zeros, layer) for layer in layers))


def contrast(labels: list[int], *layers: torch.Tensor, crops: int = 1, name: str = "contrast") -> torch.Tensor:
    label = torch.tensor(labels)
    pictures = CLEAN[:1].expand(len(labels), -1, -1, -1)
    batch = Batch(pictures, pictures, label, label.float(), crops_per_picture=crops)
    return LOSSES[name](on_sphere(*layers), batch)


EAST, NORTH = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])


def test_contrast_by_hand() -> None:
    apart = torch.stack([EAST, EAST, NORTH, NORTH])
    alike = EAST.expand(4, 2)
    assert float(contrast([0, 0, 1, 1], apart)) == 0  # E_N 0, E_P 1: more than the margin apart
    assert float(contrast([0, 0, 1, 1], alike)) == pytest.approx(0.5)  # E_N 1, E_P 1: the margin is missed by itself
    assert float(contrast([0, 1, 0, 1], apart)) == pytest.approx(0.5 - 0 + 0.5)  # E_N (two of four) 0.5, E_P 0
    assert float(contrast([0, 0, 1, 1], apart, alike)) == pytest.approx(0.25)  # the mean over the layers
    with pytest.raises(RecipeError, match="embeds"):
        LOSSES["contrast"](Output(routings=(Routing.hard(torch.zeros(2, 2)),)), BATCH)


def test_contrast_of_labels_that_occur_once() -> None:
    three = torch.stack([EAST, NORTH, EAST])
    assert float(contrast([0, 1, 2], three)) == 0  # E_N 1/3, E_P 1: each is its own pair, 1/3 - 1 + 0.5 < 0
    assert float(contrast([0, 1, 2], EAST.expand(3, 2))) == pytest.approx(0.5)
    assert float(contrast([0, 0, 1], three)) == pytest.approx(0.5 - 0 + 0.5)  # the lonely one is a negative only


@pytest.mark.parametrize("name", ["contrast", "triplet"])
def test_contrast_of_one_label_says_nothing_and_can_be_trained_through(name: str) -> None:
    embedding = torch.stack([EAST, NORTH]).requires_grad_()
    loss = contrast([4, 4], embedding, name=name)
    loss.backward()
    assert float(loss.detach()) == 0
    assert embedding.grad is not None and not bool(embedding.grad.any())


def test_crops_of_one_picture_are_no_pair() -> None:
    four = torch.stack([EAST, EAST, NORTH, NORTH])
    assert float(contrast([1, 1, 1, 1], four, crops=2)) == 0
    assert float(contrast([0, 0, 1, 1], four, crops=2)) == float(contrast([0, 1], torch.stack([EAST, NORTH])))


def test_triplets_by_hand() -> None:
    """Labels 0 0 1: of the six pairs two are alike, and each of these has one stranger."""
    three = torch.stack([EAST, NORTH, EAST])
    wanted = ((1 - 0 + 0.5) + (0 - 0 + 0.5)) / 2
    assert float(contrast([0, 0, 1], three, name="triplet")) == pytest.approx(wanted)
    assert float(contrast([0, 1, 2], three, name="triplet")) == pytest.approx((2 * 0.5) / 6)  # each its own pair
    with pytest.raises(RecipeError, match="'triplet' needs a model that embeds what it routes by"):
        LOSSES["triplet"](Output(), BATCH)


def test_triplets_see_what_the_mean_forgives() -> None:
    """Two kinds on one spot, and a third on the other side of the sphere."""
    crowd = torch.stack([EAST] * 4 + [-EAST] * 2)
    labels = [0, 0, 1, 1, 2, 2]
    assert float(contrast(labels, crowd)) == 0
    assert float(contrast(labels, crowd, name="triplet")) > 0.1


@pytest.mark.parametrize("name", ["contrast", "triplet"])
def test_contrast_draws_the_alike_together_and_pushes_others_apart(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    free = torch.randn(12, 8, generator=generator).requires_grad_()
    labels = [0, 1, 2] * 4
    descent = torch.optim.SGD([free], lr=2.0)
    for _ in range(100):
        descent.zero_grad()
        contrast(labels, F.normalize(free, dim=1), name=name).backward()
        descent.step()
    cosines = (F.normalize(free, dim=1) @ F.normalize(free, dim=1).T).detach()
    same = torch.tensor(labels)[:, None] == torch.tensor(labels)
    assert float(cosines[~same].mean()) < float(cosines[same & ~torch.eye(12, dtype=bool)].mean()) - 0.49


def test_classification_is_no_loss_for_who_names_no_kind() -> None:
    with pytest.raises(RecipeError, match="kind of damage"):
        LOSSES["classification"](on_sphere(torch.stack([EAST, NORTH])), BATCH)


def test_classification_asks_the_head_that_names_kinds_where_there_is_one() -> None:
    logits = torch.tensor([[0.0, 2.0], [1.0, 0.0]])
    output = replace(on_sphere(torch.stack([EAST, NORTH])), kinds=logits)
    wanted = torch.nn.functional.cross_entropy(logits, BATCH.label)
    assert float(LOSSES["classification"](output, BATCH)) == pytest.approx(float(wanted))
