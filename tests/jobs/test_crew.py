"""darnet.jobs.crew: processes that share tasks; one that dies loses no picture."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from darnet import RestorerSpec
from darnet.errors import ImageError, UnknownNameError
from darnet.files import PROCESS
from darnet.jobs import Done, Job, Local, Task
from darnet.jobs.crew import Crew
from darnet.jobs.processes import Hand


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    yield
    assert not multiprocessing.active_children()


def tasks_of(pictures: Any, count: int) -> tuple[Task, ...]:
    for number in range(count):
        pictures(f"in/{number:02}.png", seed=number)
    return tuple(Job().plan(["in"], "out").tasks)


def names(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def run(tasks: Sequence[Task], spec: RestorerSpec, workers: int = 1, **options: Any) -> list[Done]:
    return list(Crew(Job(**options), spec, workers, 1).outcomes(tasks, Event()))


def test_outcomes_are_those_of_one_process(pictures, spec):
    tasks = tasks_of(pictures, 8)
    Path("in/03.png").write_text("no picture")
    found = run(tasks, spec, 2)
    alone = list(Local(1)(Job(), Job().plan(["in"], "alone").tasks, spec))
    assert [done.input for done in found] == [done.input for done in alone]
    assert [done.error for done in found] == [done.error for done in alone]
    assert [done.treatment and done.treatment.experts for done in found][2:4] == [("noise",), None]
    assert names("out") == names("alone")
    assert all(Path("out", name).read_bytes() == Path("alone", name).read_bytes() for name in names("out"))


def killing(monkeypatch: pytest.MonkeyPatch, name: str, times: int) -> list[str]:
    """Whoever is given a task of this name is killed, so often."""
    given, give = list[str](), Hand.give

    def watched(self: Hand, number: int, task: Task) -> None:
        given.append(task.output.name)
        if task.output.name == name and given.count(name) <= times:
            os.kill(self.process.pid or 0, signal.SIGKILL)
            self.process.join()
        give(self, number, task)

    monkeypatch.setattr(Hand, "give", watched)
    return given


def test_a_process_that_is_killed_loses_nothing(pictures, spec, monkeypatch):
    tasks = tasks_of(pictures, 8)
    given = killing(monkeypatch, "02.png", times=1)
    found = run(tasks, spec)
    assert [(done.output, done.error) for done in found] == [(str(task.output), None) for task in tasks]
    assert names("out") == [task.output.name for task in tasks]
    assert given.count("02.png") == 2


@pytest.mark.slow
def test_who_kills_a_process_twice_has_failed_and_the_others_go_on(pictures, spec, monkeypatch):
    tasks = tasks_of(pictures, 8)
    given = killing(monkeypatch, "02.png", times=2)
    found = run(tasks, spec)
    reason = "the worker was killed (SIGKILL), as happens where memory runs out"
    assert [(done.error, done.exit_code) for done in found if done.error] == [(reason, 5)]
    assert found[2].input == "in/02.png"
    assert names("out") == [task.output.name for task in tasks if task.output.name != "02.png"]
    assert given.count("02.png") == 2


def test_what_a_dead_process_wrote_is_written_anew_and_what_it_left_is_removed(pictures, spec, monkeypatch):
    """A picture is written, and its process dies before it says so; of another half is written."""
    tasks = tasks_of(pictures, 2)
    hear, heard = Hand.hear, list[object]()

    def deaf(self: Hand) -> object:
        report = hear(self)
        if isinstance(report, tuple) and not heard:
            heard.append(report)
            self.tasks[report[0]] = tasks[report[0]]
            assert self.ready is not None
            assert self.ready.process != PROCESS
            Path("out", f".{self.ready.process}half.png").write_text("half")
            self.process.kill()
            self.process.join()
            return None
        return report

    monkeypatch.setattr(Hand, "hear", deaf)
    found = run(tasks, spec)
    assert [done.error for done in found] == [None, None]
    assert names("out") == ["00.png", "01.png"]


def test_an_output_that_was_there_before_is_not_removed(pictures, spec, monkeypatch):
    tasks = tasks_of(pictures, 3)
    Path("out").mkdir()
    Path("out/01.png").write_text("precious")
    killing(monkeypatch, "02.png", times=1)
    found = run(tasks, spec)
    assert found[1].error == "out/01.png: exists already; `overwrite=True` replaces it"
    assert Path("out/01.png").read_text() == "precious"


def test_what_no_picture_can_be_restored_with_is_raised_before_any(spec):
    with pytest.raises(UnknownNameError, match="haste"):
        Crew(Job("haste"), spec, 2, 1)
    with pytest.raises(ImageError, match="no such file"):
        Crew(Job(mask="gone.png"), spec, 2, 1)
    assert not Path("out").exists()


def test_closed_it_finishes_what_is_at_hand(pictures, spec):
    outcomes = Crew(Job(), spec, 2, 1).outcomes(tasks_of(pictures, 60), Event())
    next(outcomes)
    outcomes.close()
    written = names("out")
    assert 1 <= len(written) < 60
    assert all(name[0] != "." for name in written)
