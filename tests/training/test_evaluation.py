from __future__ import annotations

from pathlib import Path

import pytest
import torch

from darnet.data.material import Material
from darnet.data.pairs import Pairs
from darnet.degradations import Clean, GaussianNoise, Overexposure
from darnet.errors import UsageError
from darnet.restore.diagnosis import Diagnosis
from darnet.training.evaluation import Confusion, compose, forgotten
from darnet.training.recipe import Stage

PHOTOS = [torch.randint(40, 90, (3, 300, 280), generator=torch.Generator().manual_seed(i)).byte() for i in range(3)]
MATERIAL = Material(Path(), PHOTOS)


STAGE = Stage(
    name="s",
    epochs=1,
    steps_per_epoch=1,
    batch=1,
    crop_px=32,
    losses={"classification": 1},
    degradations=({"name": "clean"},),
)


class ByBrightness:
    """Calls bright pictures overexposed."""

    def __call__(self, pixels: torch.Tensor) -> Diagnosis:
        return Diagnosis({"overexposure": 1.0} if float(pixels.mean()) > 0.35 else {"clean": 1.0})


def test_marks_are_counted_kind_by_kind() -> None:
    evaluation = compose(MATERIAL, {"clean": [Clean()], "overexposure": [Overexposure((1.9, 2.0))]}, STAGE, 8, seed=0)
    assert [kind for kind, _ in evaluation.pictures] == ["clean"] * 8 + ["overexposure"] * 8
    confusion = evaluation(ByBrightness())
    assert confusion["clean"].accuracy == confusion["overexposure"].accuracy == 1
    assert confusion["clean"].to_dict() == {"accuracy": 1, "pictures": 8, "named": {"clean": 8}}


def test_the_same_seed_makes_the_same_pictures() -> None:
    first, again, other = (
        compose(MATERIAL, {"noise": [GaussianNoise()]}, STAGE, 3, seed).pictures for seed in (1, 1, 2)
    )
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(first, again, strict=True))
    assert not all(torch.equal(a, b) for (_, a), (_, b) in zip(first, other, strict=True))


def test_the_sources_of_a_kind_take_turns() -> None:
    dark, bright = (Pairs("rain", [(torch.full((3, 260, 260), v).byte(), PHOTOS[0][:, :260, :260])]) for v in (0, 255))
    pictures = compose(MATERIAL, {"rain": [dark, bright]}, STAGE, 6, seed=0).pictures
    assert [round(float(pixels.float().mean())) for _, pixels in pictures] == [0, 0, 0, 255, 255, 255]


def test_a_kind_without_a_source() -> None:
    with pytest.raises(UsageError, match="rain"):
        compose(MATERIAL, {"rain": []}, STAGE, 3, seed=0)


def test_what_was_forgotten_is_counted_in_points() -> None:
    before = {"a": Confusion("a", {"a": 9, "b": 1}), "b": Confusion("b", {"b": 10})}
    after = {"a": Confusion("a", {"a": 10}), "b": Confusion("b", {"b": 8, "c": 2}), "c": Confusion("c", {"c": 1})}
    assert forgotten(before, after) == pytest.approx({"a": -10, "b": 20})


def test_small_photos_are_examined_as_they_are() -> None:
    """STL-10's are 96 px a side: mirrored to a larger one they would be others."""
    small = Material(Path(), [photo[:, :96, :96] for photo in PHOTOS])
    pictures = compose(small, {"clean": [Clean()]}, STAGE, 2, seed=0).pictures
    assert all(picture.shape == (3, 96, 96) for _, picture in pictures)


def test_pictures_are_stored_as_in_the_lesson() -> None:
    stored = STAGE.model_copy(update={"jpeg_share": 1.0, "jpeg_quality": (30.0, 30.0)})
    sources = {"clean": [Clean()]}
    plain, saved = (compose(MATERIAL, sources, stage, 1, seed=0).pictures[0][1] for stage in (STAGE, stored))
    assert not torch.equal(plain, saved)
    steps = (saved.float()[:, :, 1:] - saved.float()[:, :, :-1]).abs().mean(dim=(0, 1))
    inside = torch.cat([steps[1::8], steps[3::8], steps[5::8]])
    assert float(steps[7::8].mean()) > 1.2 * float(inside.mean())  # blocks of 8 px from the corner
