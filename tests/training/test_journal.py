from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from darnet.backends import environment
from darnet.image import Image
from darnet.training.journal import Journal

CPU = torch.device("cpu")


def test_what_is_recorded_is_a_line_of_json_and_a_point_on_a_curve(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with Journal(tmp_path, CPU, quiet=True) as journal:
        journal.record("first", 5, {"val_psnr": 30.5})
        journal.record("first", 10, {"val_psnr": 31.0})
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [(line["stage"], line["step"], line["val_psnr"]) for line in lines] == [
        ("first", 5, 30.5),
        ("first", 10, 31),
    ]
    assert 0 <= lines[0]["seconds"] <= lines[1]["seconds"]
    curves = EventAccumulator(str(tmp_path / "curves")).Reload()
    assert [(point.step, point.value) for point in curves.Scalars("first/val_psnr")] == [(5, 30.5), (10, 31.0)]


def test_samples_stand_side_by_side(tmp_path: Path) -> None:
    dark, bright = torch.zeros(2, 3, 4, 5), torch.full((2, 3, 4, 5), 2.0)
    with Journal(tmp_path, CPU, quiet=True) as journal:
        journal.sample("a", dark, bright)
    array = Image.read(tmp_path / "samples" / "a.png").array
    assert array.shape == (8, 10, 3)  # two rows of pictures, two columns
    assert array[:, :5].max() == 0
    assert array[:, 5:].min() == 255  # clamped


def test_a_silent_one_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Journal(tmp_path / "run", CPU, speaks=False) as journal:
        journal.record("first", 1, {"loss": 1.0})
        journal.say("hello")
        journal.sample("a", torch.zeros(1, 3, 4, 4))
    assert not (tmp_path / "run").exists()
    assert capsys.readouterr() == ("", "")


def test_progress_goes_to_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Journal(tmp_path, CPU) as journal:
        journal.say("epoch 1 done")
    said = capsys.readouterr()
    assert said.out == ""
    assert "epoch 1 done" in said.err


def test_the_environment_is_written_down(tmp_path: Path) -> None:
    with Journal(tmp_path, CPU, quiet=True):
        assert json.loads((tmp_path / "env.json").read_text()) == environment(CPU)
