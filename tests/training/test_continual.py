"""Phases: each knows more than the one before, begins with its weights, and replays what it remembers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from darnet.data.memory import Exemplar, Memory, Scene, load_memory
from darnet.errors import RecipeError
from darnet.images.image import Image
from darnet.models import cards
from darnet.training import continual, experiments, launch
from darnet.training.continual import ClassIncremental
from darnet.training.evaluation import Confusion
from darnet.training.recipe import find_recipe

SMALL = [
    "evaluated=4",
    "recipe.model.config.width=4",
    "recipe.memory.exemplars=16",
    "recipe.memory.scene_px=32",
    "recipe.data.validation_samples=8",
    "recipe.data.smallest_px=16",
    "recipe.stage.0.epochs=2",
    "phase.2.epochs=2",
    "recipe.stage.0.steps_per_epoch=1",
    "recipe.stage.0.batch=8",
    "recipe.stage.0.crop_px=32",
]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(10):
        Image.of(np.random.default_rng(index).integers(0, 256, (40, 40, 3), np.uint8)).write(folder / f"{index}.png")
    return folder


@pytest.fixture
def small() -> ClassIncremental:
    return experiments.load(find_recipe("phases"), SMALL)


def test_phases_follow_one_another(small: ClassIncremental, photos: Path, tmp_path: Path) -> None:
    folder = small.start(photos, tmp_path / "runs", launch.Hardware("cpu", 1, "fp32"), quiet=True)
    runs = [next((folder / phase.name).iterdir()) for phase in small.phase]
    trained = [cards.read_card(run / "model") for run in runs]
    assert [len(card.handles) for card in trained] == [2, 3, 4]
    assert trained[2].training["from"]["sha256"] == trained[1].sha256
    assert load_memory(runs[1] / "model" / "memory").kinds == ("clean", "noise", "blur")
    report = json.loads((folder / "continual.json").read_text())
    assert report["starts"] == [0, 2, 4]
    assert [len(values) for values in report["validation_accuracy"]] == [2, 2, 2]
    assert [list(row) for row in report["matrix"]] == [small.kinds(index) for index in range(3)]
    assert set(report["forgetting"]) == {"clean", "noise", "blur"}


def test_a_stopped_curriculum_goes_on_and_ends_in_the_same_weights(
    small: ClassIncremental, photos: Path, tmp_path: Path
) -> None:
    cpu = launch.Hardware("cpu", 1, "fp32")
    folder = small.start(photos, tmp_path / "runs", cpu, quiet=True)
    last = next((folder / "3-overexposure").iterdir())
    weights = (last / "model" / "model.safetensors").read_bytes()
    shutil.rmtree(folder / "3-overexposure")
    (folder / "continual.json").unlink()
    assert ClassIncremental.resume(folder, quiet=True) == folder
    again = next((folder / "3-overexposure").iterdir())
    assert (again / "model" / "model.safetensors").read_bytes() == weights
    assert (folder / "continual.json").is_file()


def test_what_is_remembered_is_made_anew_on_the_photos_at_hand() -> None:
    found = experiments.load(find_recipe("phases"), ["phase.2.remade=0.25"])
    memory = Memory((Scene(b""),), (Exemplar("blur", 0, "blur", (1.5,)), Exemplar("blur", 0, "blur", (2.0,))))
    sources = {spec.name: spec for spec in found.plan(2, memory).stage[0].degradations}
    assert (sources["blur"].share, sources["blur"].ranges) == (0.25, {"sigma_px": (1.5, 2.0)})
    assert "blur" not in {spec.name for spec in found.plan(2).stage[0].degradations}


def test_a_phase_may_take_longer() -> None:
    found = experiments.load(find_recipe("phases"), ["phase.1.epochs=3", "recipe.stage.0.epochs=2"])
    assert [found.plan(index).stage[0].epochs for index in range(3)] == [2, 3, 20]


@pytest.mark.parametrize("name", ["phases", "paper/phases"])
def test_the_papers_three_phases(name: str) -> None:
    found = experiments.load(find_recipe(name))
    assert [found.kinds(index) for index in range(3)] == [
        ["clean", "noise"],
        ["clean", "noise", "blur"],
        ["clean", "noise", "blur", "overexposure"],
    ]
    assert not found.plan(0).stage[0].replay and found.plan(2).stage[0].replay
    assert found.plan(1).data.test == pytest.approx(0.2)  # paper §IV-A: 70/10/20


def test_a_first_phase_has_no_teacher() -> None:
    found = experiments.load(find_recipe("phases"), ["recipe.stage.0.losses.distillation=1.0"])
    assert "distillation" not in found.plan(0).stage[0].losses
    assert "distillation" in found.plan(1).stage[0].losses
    alone = ["recipe.stage.0.losses.distillation=1.0", "phase.1.replay=0"]
    assert "distillation" in experiments.load(find_recipe("phases"), alone).plan(1).stage[0].losses


@pytest.mark.parametrize(
    "override", ["phases=1", "phase.0.replay=2", "recipe.stage.0.batch=0", "recipe.seeds=1", "recipe.data.test=0"]
)
def test_documents_that_make_no_sense(override: str) -> None:
    with pytest.raises(RecipeError):
        experiments.load(find_recipe("phases"), [override])


def test_forgetting_and_transfer(small: ClassIncremental) -> None:
    """Noise is learnt at 100 %, falls to 80 and ends at 90; blur is learnt at 70 % and ends at 80."""

    def confusion(**right: int) -> dict[str, Confusion]:
        return {kind: Confusion(kind, {kind: n, "other": 10 - n}) for kind, n in right.items()}

    phases = [
        confusion(clean=10, noise=10, blur=0, overexposure=0),
        confusion(clean=10, noise=8, blur=7, overexposure=0),
        confusion(clean=10, noise=9, blur=8, overexposure=10),
    ]
    report = continual.summary(small, phases, [[0.5, 1.0], [0.8], [0.9]])
    assert report["starts"] == [0, 2, 3]
    assert report["accuracy"] == pytest.approx([1, 25 / 30, 37 / 40])
    assert report["forgetting"] == pytest.approx({"clean": 0, "noise": 10, "blur": 0})
    assert report["backward_transfer"] == pytest.approx((0 - 10 + 10) / 3)
