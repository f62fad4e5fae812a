"""darnet train: options are checked, and handed on; training itself has its own tests."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from darnet.training.launch import Hardware

RECIPE = """
name = "tiny"
handles = ["noise"]
[model]
kind = "compact-unet"
[[stage]]
name = "only"
epochs = 1
steps_per_epoch = 1
batch = 1
crop_px = 16
losses = { l1 = 1.0 }
[[stage.degradations]]
name = "noise"
"""


@pytest.fixture
def calls(pictures, monkeypatch):
    """Stands in for the launcher; remembers what it was told."""
    pictures("photos/a.png")
    Path("tiny.toml").write_text(RECIPE)
    Path("runs/tiny/1").mkdir(parents=True)
    told: list[tuple[object, ...]] = []

    def answer(*arguments: object, **options: object) -> Path:
        told.append((*arguments, options))
        return Path("runs/tiny/1/model")

    for name in ("start", "resume"):
        monkeypatch.setattr(f"darnet.training.launch.{name}", answer)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    return told


def test_the_working_directory_is_no_place_for_modules(darnet, calls):
    """A stray tomli_w.py among the photos would run."""
    before = sys.path.copy()
    assert darnet("train", "tiny.toml", "--data", "photos").code == 0
    assert sys.path == before


def test_start(darnet, calls):
    options = ["--set", "stage.0.epochs=3", "--out", "elsewhere", "-d", "cpu", "--devices", "2", "--precision", "fp32"]
    ran = darnet("train", "tiny.toml", "--data", "photos", *options, "--quiet")
    assert ran == (0, "runs/tiny/1/model\n", "")
    recipe, data, runs, hardware, rest = calls[0]
    wanted = Hardware(device="cpu", devices=2, precision="fp32")
    assert recipe.stage[0].epochs == 3
    assert (data, runs, hardware, rest) == (
        Path("photos"),
        Path("elsewhere"),
        wanted,
        {"weights": None, "budget": None, "quiet": True},
    )


def test_start_from_weights(darnet, calls):
    Path("card").mkdir()
    assert darnet("train", "tiny.toml", "--data", "photos", "--from", "card").code == 0
    assert calls[0][-1] == {"weights": Path("card"), "budget": None, "quiet": False}


def test_resume(darnet, calls):
    assert darnet("train", "--resume", "runs/tiny/1").code == 0
    assert calls == [(Path("runs/tiny/1"), None, {"changes": {}, "quiet": False})]


def test_the_hardware_may_be_another_when_a_run_goes_on(darnet, calls):
    assert darnet("train", "--resume", "runs/tiny/1", "--precision", "fp32", "-d", "cpu").code == 0
    assert calls[0][-1]["changes"] == {"precision": "fp32", "device": "cpu"}


def test_minutes_count_from_the_first_moment(darnet, calls):
    begun = time.monotonic()
    assert darnet("train", "tiny.toml", "--data", "photos", "--minutes", "1.5").code == 0
    budget = calls[0][-1]["budget"]
    assert budget.seconds == 90
    assert begun <= budget.began <= time.monotonic()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--devices", "2"), "RECIPE"),
        (("tiny.toml",), "--data"),
        (("tiny.toml", "--data", "nowhere"), "nowhere: no such folder"),
        (("tiny.toml", "--data", "photos", "--resume", "runs/tiny/1"), "RECIPE"),
        (("--resume", "nowhere"), "nowhere: no such folder"),
        (("--resume", "runs/tiny/1", "--set", "seed=1"), "--set"),
        (("--resume", "runs/tiny/1", "--from", "photos"), "--from: a run goes on"),
        (("tiny.toml", "--data", "photos", "--from", "nowhere"), "--from nowhere: no such folder"),
        (("--resume", "runs/tiny/1", "--minutes", "5"), "--minutes: a run goes on"),
        (("tiny.toml", "--data", "photos", "--minutes", "0"), "--minutes"),
        (("phases", "--data", "photos", "--minutes", "5"), "--minutes: for one recipe"),
        (("unheard-of", "--data", "photos"), "no recipe called 'unheard-of'"),
        (("tiny.toml", "--data", "photos", "--set", "stage.0.epoch=3"), "did you mean 'epochs'"),
        (("tiny.toml", "--data", "photos", "--devices", "0"), "--devices"),
        (("tiny.toml", "--data", "photos", "--precision", "fp16"), "'bf16'"),
    ],
)
def test_options_that_make_no_sense(darnet, calls, arguments, reason):
    ran = darnet("train", *arguments)
    assert (ran.code, ran.out, calls) == (2, "", [])
    assert reason in ran.err
    assert ran.err.count("\n") == 1


def test_a_missing_extra_says_how_to_install_it(darnet, calls, monkeypatch):
    for name in ("experiments", "continual", "ablation", "series", "launch"):
        monkeypatch.delitem(sys.modules, f"darnet.training.{name}")
        monkeypatch.delattr(f"darnet.training.{name}")
    monkeypatch.setitem(sys.modules, "tomli_w", None)
    ran = darnet("train", "tiny.toml", "--data", "photos")
    assert ran.code == 2
    assert "pip install 'darnet[train]'" in ran.err


def test_a_curriculum_is_run_phase_by_phase_and_drawn(darnet, calls, monkeypatch):
    from darnet.training import figure
    from darnet.training.continual import ClassIncremental

    told, drawn = [], []

    def start(plan, data, runs, hardware, *, weights, budget, quiet):
        told.append((plan, data, runs))
        Path("runs/phases/1").mkdir(parents=True)
        Path("runs/phases/1/continual.json").write_text('{"phases": []}')
        return Path("runs/phases/1")

    monkeypatch.setattr(ClassIncremental, "start", start)
    monkeypatch.setattr(figure, "draw", lambda report, path: drawn.append((report, path)))
    ran = darnet("train", "phases", "--data", "photos", "--set", "evaluated=7")
    assert ran == (0, "runs/phases/1\n", "")
    plan, data, runs = told[0]
    assert (plan.name, plan.evaluated, data, runs) == ("phases", 7, Path("photos"), Path("runs"))
    assert drawn == [({"phases": []}, Path("runs/phases/1/continual.png"))]
    assert not calls


def test_a_study_is_run_variant_by_variant(darnet, calls, monkeypatch):
    from darnet.training.ablation import Ablation

    told = []

    def start(plan, data, runs, hardware, *, weights, budget, quiet):
        told.append((plan, data, runs))
        return Path("runs/ablation/1")

    monkeypatch.setattr(Ablation, "start", start)
    ran = darnet("train", "ablation/daair", "--data", "photos", "--set", "recipe.stage.0.epochs=7")
    assert ran == (0, "runs/ablation/1\n", "")
    plan, data, runs = told[0]
    assert (plan.plan(plan.variant[0]).stage[0].epochs, data, runs) == (7, Path("photos"), Path("runs"))
    assert not calls


def test_a_curriculum_begins_with_chance(darnet, calls):
    Path("card").mkdir()
    ran = darnet("train", "phases", "--data", "photos", "--from", "card")
    assert ran.code == 2 and "begin with chance" in ran.err


def test_a_dry_run_says_what_it_takes_and_begins_nothing(darnet, calls, monkeypatch):
    monkeypatch.setattr("darnet.training.estimate.network_seconds", lambda *_: {"fp32": 0.5, "bf16": 1.0})
    ran = darnet("train", "tiny.toml", "--dry-run", "--set", "stage.0.epochs=10")
    assert (ran.code, ran.err, calls) == (0, "", [])
    whole, stage = ran.out.splitlines()
    assert whole.startswith("tiny: ") and whole.endswith(" M parameters, 5 s here in fp32")
    assert "only: 10 steps of 1 crops of 16 px" in stage and stage.endswith("here 2 steps/s, 5 s")


def test_a_dry_run_of_several_runs_names_each(darnet, calls, monkeypatch):
    monkeypatch.setattr("darnet.training.estimate.network_seconds", lambda *_: {"fp32": 0.5, "bf16": 1.0})
    ran = darnet("train", "ablation/daair", "--dry-run")
    assert ran.code == 0
    assert [line.partition(":")[0] for line in ran.out.splitlines() if "parameters" in line][:2] == ["daair", "plain"]
