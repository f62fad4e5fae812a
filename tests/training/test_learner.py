"""What the stages of a run share: chance, and batches. Parts of the material, replay: test_trainer.py."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from darnet.data.batch import Batch
from darnet.data.material import Material
from darnet.errors import RecipeError
from darnet.models.classifier import DegradationClassifier
from darnet.training import launch
from darnet.training.learner import CALIBRATION_CROPS, VALIDATION_BATCH, VALIDATION_STEP, Learner
from darnet.training.objective import Objective
from darnet.training.recipe import parse_recipe

CPU = launch.Hardware("cpu", 1, "fp32", "fp32")
KINDS = ("clean", "noise")


def made(photos: int = 6, start: DegradationClassifier | None = None, hardware: launch.Hardware = CPU) -> Learner:
    stage = {"name": "s", "epochs": 1, "steps_per_epoch": 1, "batch": 4, "crop_px": 16, "scene_px": 24}
    stage |= {"losses": {"classification": 1.0, "level": 1.0}, "degradations": [{"name": "noise"}, {"name": "clean"}]}
    recipe = parse_recipe(
        {
            "name": "tiny",
            "model": {"kind": "degradation-classifier", "config": {"kinds": KINDS, "width": 4, "thumbnail_px": 16}},
            "data": {"validation": 0.3, "smallest_px": 16, "calibration_pictures": 4},
            "stage": [stage],
        }
    )
    rng = torch.Generator().manual_seed(0)
    pictures = [torch.randint(0, 256, (3, 24, 24), generator=rng, dtype=torch.uint8) for _ in range(photos)]
    return Learner.of(recipe, Material(Path(), pictures), hardware.fabric(), start)


def test_chance_follows_from_stage_and_step() -> None:
    learner = made()
    seeds = [learner.generator(*where).initial_seed() for where in ((0, 0), (0, 1), (1, 0), (0, VALIDATION_STEP))]
    assert len(set(seeds)) == 4
    assert seeds[0] == made().generator(0, 0).initial_seed()


def test_a_verdict_is_fitted_to_many_crops_of_each_picture() -> None:
    learner = made()
    first, second = learner.calibration_batch(0), learner.calibration_batch(1)
    assert (len(first.degraded), first.crops_per_picture) == (VALIDATION_BATCH, CALIBRATION_CROPS)
    assert torch.equal(first.degraded, learner.calibration_batch(0).degraded)
    assert not torch.equal(first.degraded, second.degraded)


def test_what_was_known_before_is_the_teachers() -> None:
    assert made().known == ()
    assert made(start=DegradationClassifier(["clean"], 4, thumbnail_px=16)).known == ("clean",)


def test_too_few_pictures_are_refused() -> None:
    with pytest.raises(RecipeError, match="1 pictures are too few"):
        made(photos=1)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_batch_reaches_the_losses_through_the_wrapper_as_it_is(
    precision: launch.Precision, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Fabric makes of a module hands a batch on whole; in bf16 it rounds what is in it."""
    learner = made(hardware=launch.Hardware("cpu", 1, precision, "fp32"))
    stage, seen = learner.recipe.stage[0], []
    batch = learner.synthesis(stage, learner.training, augment=True)(4, learner.generator(0, 0))
    look = Objective.look
    monkeypatch.setattr(Objective, "look", lambda self, given: seen.append(given) or look(self, given))
    learner.fabric.setup(Objective(learner.model, stage))(batch)
    assert type(seen[0]) is Batch
    assert batch.views is not None and batch.box is not None
    for given, shown in zip(batch, seen[0], strict=True):
        assert given is shown or torch.equal(given.to(shown), shown)
