"""Folders, hardware and settings of runs; the training itself is tested in test_trainer.py."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from darnet.errors import RecipeError, UsageError
from darnet.images.image import Image
from darnet.training import hardware, launch
from darnet.training.recipe import Recipe, parse_recipe
from darnet.training.stage import StageRun

CPU = launch.Hardware("cpu", 1, "fp32", "fp32")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(4):
        Image.of(np.random.default_rng(index).integers(0, 256, (20, 20, 3), np.uint8)).write(folder / f"{index}.png")
    return folder


def recipe(seed: int = 0) -> Recipe:
    stage = {"name": "s", "epochs": 1, "steps_per_epoch": 1, "batch": 1, "crop_px": 16, "losses": {"l1": 1.0}}
    return parse_recipe(
        {
            "name": "tiny",
            "seed": seed,
            "model": {"kind": "compact-unet", "config": {"width": 4, "blocks": [1, 1]}},
            "data": {"validation": 0.25, "smallest_px": 16, "validation_samples": 1},
            "stage": [{**stage, "degradations": [{"name": "noise"}]}],
        }
    )


def test_runs_of_the_same_second_have_folders_of_their_own(photos: Path, tmp_path: Path) -> None:
    models = [launch.start(recipe(seed), photos, tmp_path / "runs", CPU, quiet=True) for seed in range(3)]
    assert len({model.parent for model in models}) == 3
    first, second = ((model / "model.safetensors").read_bytes() for model in models[:2])
    assert first != second


def test_a_run_remembers_its_photos_and_hardware(photos: Path, tmp_path: Path) -> None:
    run = launch.start(recipe(), photos, tmp_path / "runs", CPU, quiet=True).parent
    setting = json.loads((run / "run.json").read_text())
    assert setting == {
        "data": str(photos),
        "pictures": 4,
        "hardware": {"device": "cpu", "devices": 1, "precision": "fp32", "muon": "fp32"},
    }
    (photos / "0.png").unlink()
    with pytest.raises(RecipeError, match="began with 4 pictures, and there are 3 now"):
        launch.resume(run, quiet=True)


def test_resume_needs_a_run(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("")
    with pytest.raises(RecipeError):
        launch.resume(tmp_path, quiet=True)


def test_a_folder_that_cannot_be_made_is_named(photos: Path) -> None:
    with pytest.raises(RecipeError, match=r"0\.png/tiny: Not a directory"):
        launch.start(recipe(), photos, photos / "0.png", CPU, quiet=True)


def test_one_device_is_not_several() -> None:
    with pytest.raises(UsageError, match=r"`device='cpu:0'` is one device, and `devices=2`"):
        launch.Hardware("cpu:0", 2).fabric()


def test_a_run_may_go_on_on_other_hardware_and_says_so(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = launch.start(recipe(), photos, tmp_path / "runs", CPU, quiet=True).parent
    launch.resume(run)
    assert "warning" not in capsys.readouterr().err
    launch.resume(run, changes={"precision": "bf16"})
    assert "warning: other hardware or precision" in capsys.readouterr().err
    setting = json.loads((run / "run.json").read_text())
    assert setting["hardware"]["precision"] == "bf16"
    assert [before["precision"] for before in setting["hardware_before"]] == ["fp32"]


def test_a_device_that_is_no_longer_there_is_replaced(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = launch.start(recipe(), photos, tmp_path / "runs", CPU, quiet=True).parent
    setting = json.loads((run / "run.json").read_text())
    setting["hardware"] |= {"device": "cuda:7", "precision": "bf16", "muon": "bf16"}
    (run / "run.json").write_text(json.dumps(setting))
    launch.resume(run)
    assert "warning: other hardware or precision" in capsys.readouterr().err
    found = json.loads((run / "run.json").read_text())["hardware"]
    assert found["device"] != "cuda:7"
    assert found["precision"] in {"fp32", "bf16"}
    with pytest.raises(UsageError, match="no such device"):
        launch.resume(run, changes={"device": "cuda:7"}, quiet=True)


@pytest.mark.parametrize("quick", ["fp32", "bf16"])
def test_the_precision_is_what_is_fastest_here(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: str
) -> None:
    seconds = {"fp32": 1.0, "bf16": 1.0, quick: 0.5}
    monkeypatch.setattr(hardware, "network_seconds", lambda *_: seconds)
    monkeypatch.setattr(hardware, "muon_seconds", lambda *_: seconds)
    run = launch.start(recipe(), photos, tmp_path / "runs", launch.Hardware("cpu"), quiet=True).parent
    settled = json.loads((run / "run.json").read_text())["hardware"]
    assert settled == {"device": "cpu", "devices": 1, "precision": quick, "muon": quick}
    assert json.loads((run / "run.json").read_text())["hardware"] == settled


def test_who_is_started_takes_what_the_first_process_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes must agree, and each would measure something else beside the others."""
    for name in ("LOCAL_WORLD_SIZE", "SLURM_NTASKS", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(hardware.TRIED, "")
    monkeypatch.setattr(hardware, "network_seconds", lambda *_: {"fp32": 1.0, "bf16": 0.5})
    monkeypatch.setattr(hardware, "muon_seconds", lambda *_: {"fp32": 0.5, "bf16": 1.0})
    pair = launch.Hardware("cpu", devices=2)
    first = pair.settled(recipe())
    assert (first.precision, first.muon) == ("bf16", "fp32")
    monkeypatch.setattr(hardware, "network_seconds", lambda *_: pytest.fail("tried again"))
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert pair.settled(recipe()) == first
    stated = launch.Hardware("cpu", devices=2, precision="fp32")
    assert stated.settled(recipe()).precision == "fp32"
    for name in ("LOCAL_WORLD_SIZE", "GROUP_WORLD_SIZE", "RANK"):
        monkeypatch.setenv(name, "1")
    assert pair.settled(recipe()).precision == "fp32"  # whatever has started these has told them nothing


def test_training_in_float32_is_no_tf32(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    step = StageRun.step

    def watched(self: StageRun) -> None:
        seen.append(torch.backends.cudnn.conv.fp32_precision)
        step(self)

    monkeypatch.setattr(StageRun, "step", watched)
    launch.start(recipe(), photos, tmp_path / "runs", CPU, quiet=True)
    assert seen == ["ieee"]
    assert torch.backends.cudnn.conv.fp32_precision == "tf32"  # as it was
