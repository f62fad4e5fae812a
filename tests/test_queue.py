"""scripts/queue: recipes are trained one after the other; what was stopped goes on, and what failed is named."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from darnet.images.image import Image

pytest.importorskip("fcntl")
pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
RECIPE = """
name = "tiny"
handles = ["noise"]
model = { kind = "compact-unet", config = { width = 4, blocks = [1, 1] } }
data = { validation = 0.3, smallest_px = 16, validation_samples = 4 }
[[stage]]
name = "only"
epochs = 5
steps_per_epoch = 1000
batch = 2
crop_px = 16
losses = { l1 = 1.0 }
degradations = [{ name = "noise" }]
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    for index in range(6):
        pixels = np.random.default_rng(index).integers(0, 256, (32, 32, 3), np.uint8)
        Image.of(pixels).write(tmp_path / "photos" / f"{index}.png")
    (tmp_path / "tiny.toml").write_text(RECIPE)
    return tmp_path


def table(place: Path, *rows: dict[str, object]) -> Path:
    path = place / "table.json"
    path.write_text(json.dumps(rows))
    return path


def queue(place: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, ROOT / "scripts" / "queue", "--data", place / "photos", "--table", place / "table.json"]
    return subprocess.Popen(
        [*map(str, command), "--out", str(place / "out"), "--every", "0.2", *options],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def until(place: Path, found, seconds: float = 90) -> list[dict[str, object]]:
    """The rows of the table, once they are as they should be."""
    deadline = time.monotonic() + seconds
    while not found(rows := json.loads((place / "table.json").read_text())):
        assert time.monotonic() < deadline, rows
        time.sleep(0.05)
    return rows


def test_rows_are_worked_off_and_written_down(place: Path) -> None:
    fast = {"recipe": str(place / "tiny.toml"), "minutes": 0.25, "options": ["--precision", "fp32"]}
    second = fast | {"name": "again", "from": "tiny", "set": ["seed=3"]}
    table(place, fast, {"name": "wrong", "recipe": "unheard-of", "minutes": 1}, second)
    process = queue(place)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 1, output  # as many as failed
    first, wrong, again = json.loads((place / "table.json").read_text())
    assert (first["state"], wrong["state"], again["state"]) == ("done", "failed", "done")
    assert "no recipe called 'unheard-of'" in wrong["reason"]
    for row in (first, again):
        assert row["steps"] > 10
        assert 0 < row["hours"] < 0.01
        assert set(row["validation"]) == {"loss", "psnr"}
        assert (Path(row["run"]) / "model" / "card.json").is_file()
    assert (Path(again["run"]) / "start" / "card.json").is_file()
    assert (first["minutes"], first["options"]) == (0.25, ["--precision", "fp32"])
    again_at_once, _ = queue(place).communicate(timeout=60)
    assert again_at_once == "", "nothing is left to do"


def test_a_queue_that_was_killed_goes_on_with_its_run(place: Path) -> None:
    table(place, {"name": "long", "recipe": str(place / "tiny.toml"), "minutes": 0.2})
    killed = queue(place)
    until(place, lambda rows: rows[0].get("steps", 0) > 0)
    killed.send_signal(signal.SIGTERM)
    killed.communicate(timeout=60)
    (row,) = json.loads((place / "table.json").read_text())
    assert row["state"] == "running"
    assert not (Path(row["run"]) / "model").exists()
    output, _ = queue(place).communicate(timeout=120)
    assert "long goes on" in output
    (done,) = json.loads((place / "table.json").read_text())
    assert (done["state"], done["run"]) == ("done", row["run"])
    assert done["steps"] > row["steps"]
    assert done["hours"] > row["hours"]


def test_one_queue_at_a_time(place: Path) -> None:
    table(place, {"recipe": str(place / "tiny.toml"), "minutes": 0.3})
    first = queue(place)
    until(place, lambda rows: rows[0].get("state") == "running")
    second = queue(place)
    assert "another one works" in second.communicate(timeout=30)[0]
    assert second.returncode == 2
    first.terminate()
    first.communicate(timeout=60)
