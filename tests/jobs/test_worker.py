"""darnet.jobs.worker: a task in three stages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from darnet import Restorer, RestorerSpec
from darnet.jobs import Job


@pytest.fixture(scope="module")
def restorer(tiny_system: Path) -> Restorer:
    """Calls everything noise, and brightens it."""
    return RestorerSpec(system=str(tiny_system), device="cpu").build()


def test_what_is_held_and_known_stage_by_stage(pictures, restorer):
    pictures("a.png")
    (task,) = Job().plan(["a.png"], "out.png").tasks
    worker = Job().worker(restorer)
    turn = worker.read(task)
    assert (turn.pixels, turn.held, turn.treatment) == (24 * 24, 24 * 24 * 3, None)
    assert not Path("out.png").exists()
    turn = worker.repair(turn)
    assert turn.held == 2 * 24 * 24 * 3
    assert turn.treatment is not None
    assert turn.treatment.seconds >= turn.seconds["read"] > 0
    assert not Path("out.png").exists()
    done = worker.write(turn)
    assert (done.output, done.pixels, set(done.seconds)) == ("out.png", 24 * 24, {"read", "repair", "write"})
    assert (turn.held, turn.image, turn.result) == (0, None, None)
    assert Path("out.png").exists()


def test_what_a_clean_picture_holds_is_counted_once(pictures, restorer):
    pictures("a.png")
    job = Job(strength=0)
    (task,) = job.plan(["a.png"], "out.png").tasks
    worker = job.worker(restorer)
    assert worker.repair(worker.read(task)).held == 24 * 24 * 3


def test_after_a_failure_no_stage_is_done(pictures, restorer):
    def fail(pixels: object) -> None:
        raise MemoryError

    Path("b.png").write_text("no picture")
    pictures("a.png")
    worker = Job().worker(replace(restorer, experts={"noise": fail}))
    seconds = []
    for name in ("b.png", "a.png"):
        (task,) = Job().plan([name], f"out-{name}").tasks
        done = worker(task)
        assert (done.output, done.treatment) == (None, None)
        assert done.error
        assert done.traceback
        seconds.append(set(done.seconds))
    assert seconds == [{"read"}, {"read", "repair"}]
    assert not list(Path().glob("out*"))
