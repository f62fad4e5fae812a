from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from darnet.engines.devices import environment
from darnet.images.image import Image
from darnet.training import journal as journal_module
from darnet.training.journal import Journal, duration

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


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in a list of one."""
    now = [100.0]
    monkeypatch.setattr(journal_module.time, "monotonic", lambda: now[0])
    return now


def test_without_a_terminal_there_is_a_line_soon_and_then_one_a_minute(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], clock: list[float]
) -> None:
    with Journal(tmp_path, CPU) as journal:
        for step in range(1, 401):
            clock[0] += 0.5
            journal.pulse("first", step, 1000)
        journal.say("a line that is longer than a terminal is wide, " * 4)
    written = capsys.readouterr().err.splitlines()
    assert len(written) == 5  # after 2, 62, 122 and 182 seconds, and what was said
    assert written[0] == "first 5/1000: 2 steps/s, 8 min left"
    assert written[3].startswith("first 365/1000: 2 steps/s, 5 min left")


def test_a_terminal_has_a_bar_that_says_how_fast_it_goes(
    tmp_path: Path, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with Journal(tmp_path, CPU) as journal:
        for step in range(1, 10):
            clock[0] += 0.5
            journal.pulse("first", step, 20)
        journal.pulse("second", 8, 30)  # a run that was taken up
    first, second = journal.progress.tasks
    assert (first.completed, first.total, first.fields["pace"]) == (9, 20, "2 steps/s, 6 s left")
    assert (second.completed, second.total, second.fields["pace"]) == (8, 30, "")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (99, "99 s"), (150, "2 min"), (3599, "1 h 0 min"), (12000, "3 h 20 min")]
)
def test_durations_are_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text
