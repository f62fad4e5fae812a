"""darnet.jobs.worker: a task in three stages."""

from __future__ import annotations

import time
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
    assert [one.name for one in turn.timeline] == ["open", "repair"]
    assert not Path("out.png").exists()
    done = worker.write(turn)
    assert (done.output, done.pixels) == ("out.png", 24 * 24)
    assert [one.name for one in done.timeline] == ["open", "repair", "write"]
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
    timelines = []
    for name in ("b.png", "a.png"):
        (task,) = Job().plan([name], f"out-{name}").tasks
        done = worker(task)
        assert (done.output, done.treatment) == (None, None)
        assert done.error
        assert done.traceback
        timelines.append([one.name for one in done.timeline])
    assert timelines == [["open"], ["open", "repair"]]
    assert not list(Path().glob("out*"))


def test_the_stages_of_a_picture_add_up_to_what_it_took(pictures, restorer):
    """Each moment counts once: as much as the clock says before and after."""
    pictures("a.png", 300)
    (task,) = Job().plan(["a.png"], "out.png").tasks
    worker = Job().worker(restorer)
    restorer.experts["noise"]  # is loaded when it is first needed, which is a stage
    started = time.perf_counter()
    done = worker(task)
    took = time.perf_counter() - started
    assert done.treatment is not None
    assert list(done.treatment.stages) == ["open", "decode", "diagnose", "repair", "encode", "write"]
    assert all(seconds > 0 for seconds in done.treatment.stages.values())
    assert done.treatment.seconds == sum(done.treatment.stages.values())
    assert 0.8 * took <= done.treatment.seconds <= took


def test_what_is_inside_what(pictures, restorer):
    pictures("a.png")
    (task,) = Job().plan(["a.png"], "out.png").tasks
    restorer.experts["noise"]  # as above
    opened, repaired, written = Job().worker(restorer)(task).timeline
    assert [one.name for one in opened.inner] == ["decode"]
    look = ("diagnose", "")
    assert [(one.name, one.of) for one in repaired.inner] == [look, ("repair", "noise"), look]
    assert [one.name for one in written.inner] == ["encode"]
    for one in (opened, repaired, written):
        bounds = [one.start_ns, *(at for inner in one.inner for at in (inner.start_ns, inner.end_ns)), one.end_ns]
        assert bounds == sorted(bounds)


def test_what_is_left_alone_is_copied_and_not_encoded(pictures, restorer):
    pictures("a.png")
    job = Job(strength=0)
    (task,) = job.plan(["a.png"], "out.png").tasks
    written = job.worker(restorer)(task).timeline[-1]
    assert (written.name, written.inner) == ("write", ())
