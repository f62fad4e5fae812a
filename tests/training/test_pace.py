"""A run that has so much time ends in time, in the weights of a fixed schedule, whether or not it was stopped."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from darnet import store
from darnet.image import Image
from darnet.training import launch, pace
from darnet.training.plan import Budget
from darnet.training.recipe import Recipe, parse_recipe
from darnet.training.stage import StageRun

CPU = launch.Hardware("cpu", 1, "fp32", "fp32")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for index in range(6):
        Image.of(np.random.default_rng(index).integers(0, 256, (32, 32, 3), np.uint8)).write(folder / f"{index}.png")
    return folder


def recipe(stages: int = 2, **changes: object) -> Recipe:
    stage = {
        "name": "0",
        "epochs": 10,
        "steps_per_epoch": 1000,
        "batch": 2,
        "crop_px": 16,
        "losses": {"l1": 1.0},
        "keep": "last",
        "optimizer": {"name": "muon", "lr": 1e-2},
        "schedule": {"name": "cosine", "warmup_steps": 20, "floor": 0.01},
        "degradations": [{"name": "noise"}],
    }
    return parse_recipe(
        {
            "name": "tiny",
            "model": {"kind": "compact-unet", "config": {"width": 4, "blocks": [1, 1]}},
            "data": {"validation": 0.3, "smallest_px": 16, "validation_samples": 4},
            "ema_decay": 0.9,
            "stage": [{**stage, **changes, "name": str(number)} for number in range(stages)],
        }
    )


def same(first: Path, second: Path) -> bool:
    one, other = (load_file(folder / "model.safetensors") for folder in (first, second))
    return all(torch.equal(one[name], other[name]) for name in one)


def test_a_run_ends_in_time_with_its_rate_at_the_floor(photos: Path, tmp_path: Path) -> None:
    budget = Budget(4 / 60)
    model = launch.start(recipe(), photos, tmp_path, CPU, budget=budget, quiet=True)
    taken = time.monotonic() - budget.began
    assert 2 < taken < 5
    card = store.read_card(model)
    steps = [stage["knots"][-1][0] for stage in card.training["plan"]["stages"]]
    assert min(steps) > 20
    assert card.training["last"]["step"] == steps[1]
    assert card.training["last"]["lr_adamw"] == pytest.approx(1e-4, rel=0.05)


def test_a_fitted_run_is_a_fixed_one_of_as_many_steps(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measuring leaves no trace: not in the weights, and not in what is drawn."""
    monkeypatch.setattr(pace, "TOLERANCE", 1e9)
    fitted = launch.start(recipe(1), photos, tmp_path / "a", CPU, budget=Budget(2 / 60), quiet=True)
    (plan,) = store.read_card(fitted).training["plan"]["stages"]
    assert len(plan["knots"]) == 2
    schedule = {"name": "cosine", "warmup_steps": plan["warmup_steps"], "floor": 0.01}
    fixed = recipe(1, epochs=1, steps_per_epoch=plan["knots"][1][0], schedule=schedule)
    assert same(fitted, launch.start(fixed, photos, tmp_path / "b", CPU, quiet=True))


def test_a_run_that_goes_on_keeps_to_its_plan(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a copy of its folder, taken in the second stage, does; on a machine that has become slow."""
    monkeypatch.setattr(pace, "TOLERANCE", 1e9)
    step, copied = StageRun._step, tmp_path / "copied"

    def copying(self: StageRun) -> dict[str, torch.Tensor]:
        if (self.index, self.position.step) == (1, 5) and self.validation:  # not while it is measured
            self._save()
            shutil.copytree(self.trainer.checkpoint.parents[1], copied)
        return step(self)

    with monkeypatch.context() as patch:
        patch.setattr(StageRun, "_step", copying)
        whole = launch.start(recipe(), photos, tmp_path / "runs", CPU, budget=Budget(2 / 60), quiet=True)
    monkeypatch.setattr(pace, "TOLERANCE", 0)

    def slow(self: StageRun) -> dict[str, torch.Tensor]:
        time.sleep(0.01)
        return step(self)

    monkeypatch.setattr(StageRun, "_step", slow)
    assert same(whole, launch.resume(copied, quiet=True))


def test_a_plan_is_corrected_where_the_machine_becomes_slow(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = StageRun._step

    def slower(self: StageRun) -> dict[str, torch.Tensor]:
        if self.validation:  # but not while it is measured
            time.sleep(0.02)
        return step(self)

    monkeypatch.setattr(StageRun, "_step", slower)
    budget = Budget(4 / 60)
    model = launch.start(recipe(), photos, tmp_path, CPU, budget=budget, quiet=True)
    assert 2 < time.monotonic() - budget.began < 5.5
    training = store.read_card(model).training
    assert training["plan"]["corrections"] > 0
    assert training["last"]["lr_adamw"] == pytest.approx(1e-4, rel=0.3)


def test_a_verdict_is_fitted_to_as_many_pictures_as_there_is_time_for(photos: Path, tmp_path: Path) -> None:
    document = recipe(1, losses={"classification": 1.0}).model_dump()
    document["data"]["calibration_pictures"] = 10**6
    document["stage"][0]["degradations"] = [{"name": "clean"}, {"name": "noise"}]
    document["model"] = {"kind": "degradation-classifier", "config": {"kinds": ["clean", "noise"], "width": 4}}
    budget = Budget(4 / 60)
    model = launch.start(parse_recipe(document), photos, tmp_path, CPU, budget=budget, quiet=True)
    assert time.monotonic() - budget.began < 6
    assert 1 <= store.read_card(model).training["plan"]["calibration_pictures"] < 10**6
