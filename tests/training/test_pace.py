"""A run that has so much time ends in time, in the weights of a fixed schedule, whether or not it was stopped."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from darnet.data.batch import Batch
from darnet.images.image import Image
from darnet.models import cards
from darnet.training import launch, pace
from darnet.training.checkpoint import load_checkpoint
from darnet.training.plan import Budget
from darnet.training.recipe import Recipe, parse_recipe
from darnet.training.stage import Position, StageRun
from darnet.training.trainer import Trainer

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
            "stage": [{**stage, **changes, "name": str(n), "batch": 2 + 2 * n} for n in range(stages)],
        }
    )


def same(first: Path, second: Path) -> bool:
    one, other = (load_file(folder / "model.safetensors") for folder in (first, second))
    return all(torch.equal(one[name], other[name]) for name in one)


class Clock:
    """A time that passes only while there is work: `step` seconds a step, and some for validation."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.step = lambda stage, number: 0.1 * (1 + stage)

    def __call__(self) -> float:
        return self.now

    def budget(self, seconds: float) -> Budget:
        return Budget(seconds / 60, self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Stands in for that of the machine."""
    clock, step, look = Clock(), StageRun.step, StageRun._look

    def stepping(self: StageRun) -> None:
        clock.now += clock.step(self.position.stage, self.position.step if self.validation else -1)  # -1: a trial
        step(self)

    def looking(self: StageRun, batches: list[Batch]) -> object:
        clock.now += 0.05 * len(batches)
        return look(self, batches)

    monkeypatch.setattr(StageRun, "step", stepping)
    monkeypatch.setattr(StageRun, "_look", looking)
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


def test_a_run_ends_in_time_with_its_rate_at_the_floor(photos: Path, tmp_path: Path, clock: Clock) -> None:
    budget = clock.budget(40)
    model = launch.start(recipe(), photos, tmp_path, CPU, budget=budget, quiet=True)
    assert 38 < clock.now - budget.began < 42
    training = cards.read_card(model).training
    first, second = (stage["knots"][-1][0] for stage in training["plan"]["stages"])
    assert first == pytest.approx(second, rel=0.1)  # as in the recipe; a step of the second takes twice as long
    assert training["plan"]["corrections"] == 0
    assert training["last"]["step"] == second
    assert training["last"]["lr_adamw"] == pytest.approx(1e-4, rel=0.05)
    rows = [json.loads(line) for line in (model.parent / "metrics.jsonl").read_text().splitlines()]
    assert 2 <= len(rows) <= 20
    assert rows[-1]["seconds"] < 40


@pytest.mark.slow
def test_so_it_does_by_a_real_clock(photos: Path, tmp_path: Path) -> None:
    budget = Budget(15 / 60)
    launch.start(recipe(), photos, tmp_path, CPU, budget=budget, quiet=True)
    assert 12.5 < time.monotonic() - budget.began < 16.5


def test_a_fitted_run_is_a_fixed_one_of_as_many_steps(photos: Path, tmp_path: Path, clock: Clock) -> None:
    """Measuring leaves no trace: not in the weights, and not in what is drawn."""
    fitted = launch.start(recipe(1), photos, tmp_path / "a", CPU, budget=clock.budget(20), quiet=True)
    (plan,) = cards.read_card(fitted).training["plan"]["stages"]
    assert len(plan["knots"]) == 2
    schedule = {"name": "cosine", "warmup_steps": plan["warmup_steps"], "floor": 0.01}
    fixed = recipe(1, epochs=1, steps_per_epoch=plan["knots"][1][0], schedule=schedule)
    assert same(fitted, launch.start(fixed, photos, tmp_path / "b", CPU, quiet=True))


def copy_before(stopped: tuple[int, int], copied: Path, patch: pytest.MonkeyPatch) -> None:
    """A copy of the folder of a run, as it is before a step of a stage. At once, it has what was planned."""
    learn = Trainer._learn

    def learning(self: Trainer, run: StageRun) -> None:
        step = run.step

        def copying() -> None:
            if (run.position.stage, run.position.step) == stopped:
                if stopped != (0, 0):
                    self._save(run.state())
                shutil.copytree(self.journal.folder, copied)
            step()

        run.step = copying  # type: ignore[method-assign]
        learn(self, run)

    patch.setattr(Trainer, "_learn", learning)


@pytest.mark.parametrize("stopped", [(0, 0), (0, 30), (1, 5)])
def test_a_run_that_goes_on_keeps_to_its_plan(
    photos: Path, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, stopped: tuple[int, int]
) -> None:
    """On a machine that has become slow, too: as a copy of its folder does, taken on the way."""
    copied = tmp_path / "copied"
    with monkeypatch.context() as patch:
        copy_before(stopped, copied, patch)
        whole = launch.start(recipe(), photos, tmp_path / "runs", CPU, budget=clock.budget(20), quiet=True)
    clock.step = lambda stage, number: 1.0
    again = launch.resume(copied, quiet=True)
    assert same(whole, again)
    assert cards.read_card(again).training["plan"] == cards.read_card(whole).training["plan"]


@pytest.mark.parametrize(("factor", "begin"), [(2.0, 40), (0.5, 40), (1.3, 0)])
def test_a_plan_is_corrected_where_the_time_would_be_missed(
    photos: Path, tmp_path: Path, clock: Clock, factor: float, begin: int
) -> None:
    """A machine becomes slower or faster, or the trial was wrong."""
    clock.step = lambda stage, number: 0.1 * (factor if stage or number >= begin else 1.0)
    budget = clock.budget(30)
    model = launch.start(recipe(), photos, tmp_path, CPU, budget=budget, quiet=True)
    assert 28.5 < clock.now - budget.began < 31.5
    training = cards.read_card(model).training
    assert training["plan"]["corrections"] > 0
    assert training["last"]["lr_adamw"] == pytest.approx(1e-4, rel=0.1)


def test_a_correction_survives_a_kill(
    photos: Path, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.step = lambda stage, number: 0.3 if number >= 20 else 0.1
    due, copied = pace.Pace.due, tmp_path / "copied"

    def copying(self: pace.Pace, position: Position) -> bool:
        if self.plan.corrections == 1 and not copied.exists():  # so a step after it was written
            shutil.copytree(self.journal.folder, copied)
            monkeypatch.setattr(pace, "TOLERANCE", 1e9)
        return due(self, position)

    with monkeypatch.context() as patch:
        patch.setattr(pace.Pace, "due", copying)
        whole = launch.start(recipe(), photos, tmp_path / "runs", CPU, budget=clock.budget(30), quiet=True)
    assert same(whole, launch.resume(copied, quiet=True))


def test_on_other_hardware_what_is_left_is_fitted_anew(
    photos: Path, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = tmp_path / "copied"
    with monkeypatch.context() as patch:
        copy_before((0, 50), copied, patch)
        launch.start(recipe(), photos, tmp_path / "runs", CPU, budget=clock.budget(30), quiet=True)
    clock.step, begun = (lambda stage, number: 0.4), clock.now
    done = load_checkpoint(copied / "checkpoints" / "last.safetensors")["seconds"]
    again = launch.resume(copied, changes={"precision": "bf16"}, quiet=True)
    assert clock.now - begun + done == pytest.approx(30, rel=0.05)
    last = cards.read_card(again).training["last"]
    assert last["seconds"] == pytest.approx(30, rel=0.06)
    assert last["lr_adamw"] == pytest.approx(1e-4, rel=0.1)


def test_a_verdict_is_fitted_to_as_many_pictures_as_there_is_time_for(photos: Path, tmp_path: Path) -> None:
    document = recipe(1, losses={"classification": 1.0}).model_dump()
    document["data"]["calibration_pictures"] = 10**6
    document["stage"][0]["degradations"] = [{"name": "clean"}, {"name": "noise"}]
    document["model"] = {"kind": "degradation-classifier", "config": {"kinds": ["clean", "noise"], "width": 4}}
    model = launch.start(parse_recipe(document), photos, tmp_path, CPU, budget=Budget(4 / 60), quiet=True)
    assert 1 <= cards.read_card(model).training["plan"]["calibration_pictures"] < 10**4
