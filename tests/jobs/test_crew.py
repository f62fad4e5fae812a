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
from darnet.errors import DarnetError, ImageError, ResourceError, UnknownNameError
from darnet.files import PROCESS
from darnet.jobs import Done, Job, Local, Task
from darnet.jobs.crew import WAITING, Crew, Ready, Report
from darnet.jobs.processes import ProcessHand, crew


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
    return list(crew(Job(**options), spec, workers, 1).outcomes(tasks, Event()))


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
    given, give = list[str](), ProcessHand.give

    def watched(self: ProcessHand, number: int, task: Task) -> None:
        given.append(task.output.name)
        if task.output.name == name and given.count(name) <= times:
            os.kill(self.process.pid or 0, signal.SIGKILL)
            self.process.join()
        give(self, number, task)

    monkeypatch.setattr(ProcessHand, "give", watched)
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
    hear, heard = ProcessHand.hear, list[object]()

    def deaf(self: ProcessHand) -> object:
        report = hear(self)
        if isinstance(report, tuple) and not heard:
            heard.append(report)
            assert self.ready is not None
            assert self.ready.process != PROCESS
            Path("out", f".{self.ready.process}half.png").write_text("half")
            self.process.kill()
            self.process.join()
            return None
        return report

    monkeypatch.setattr(ProcessHand, "hear", deaf)
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
        crew(Job("haste"), spec, 2, 1)
    with pytest.raises(ImageError, match="no such file"):
        crew(Job(mask="gone.png"), spec, 2, 1)
    assert not Path("out").exists()


def test_closed_it_finishes_what_is_at_hand(pictures, spec):
    outcomes = crew(Job(), spec, 2, 1).outcomes(tasks_of(pictures, 60), Event())
    next(outcomes)
    outcomes.close()
    written = names("out")
    assert 1 <= len(written) < 60
    assert all(name[0] != "." for name in written)


class Scripted:
    """A hand that says what is written; a task is done when it is heard, and a number in it is its death."""

    ahead = 2

    def __init__(self, *script: Report | None) -> None:
        self.script, self.ready = list(script), None
        self.tasks: dict[int, Task] = {}
        self.given, self.finished = list[int](), False
        self.fate: Exception = ResourceError("out of memory")

    def give(self, number: int, task: Task) -> None:
        self.given.append(number)

    def hear(self) -> Report | None:
        if self.script:
            return self.script.pop(0)
        number = self.given.pop(0) if self.given else None
        return None if number is None else (number, Done(self.tasks[number].source.name))

    def finish(self) -> None:
        self.finished = True


READY = Ready([], "scripted")


def hiring(*hands: Scripted) -> Crew[Scripted]:
    """Of hands of which the first is heard that has anything to say."""
    coming = iter(hands)
    return Crew(lambda: next(coming), lambda some, _: [one for one in some if one.script or one.given][:1], 2)


def test_whoever_is_killed_before_it_begins_is_missed_by_nobody(pictures):
    tasks = tasks_of(pictures, 5)
    first, second = Scripted(None), Scripted(READY)
    found = list(hiring(first, second).outcomes(tasks, Event()))
    assert [done.input for done in found] == [task.source.name for task in tasks]
    assert second.finished


def test_where_none_lives_to_begin_the_reason_is_raised_before_any_picture():
    with pytest.raises(ResourceError, match="out of memory"):
        hiring(Scripted(None), Scripted(None))


def test_what_one_says_that_cannot_begin_is_raised_unless_another_has(pictures):
    tasks, last = tasks_of(pictures, 2), Scripted(READY)
    with pytest.raises(DarnetError, match="no such system"):
        hiring(Scripted(DarnetError("no such system")), last)
    assert last.finished
    found = list(hiring(Scripted(READY), Scripted(DarnetError("no such system"), None)).outcomes(tasks, Event()))
    assert [done.error for done in found] == [None, None]


def test_what_is_left_when_the_last_has_died_has_failed(pictures):
    """Each that is ready is followed by another; here by one that cannot begin."""
    tasks = tasks_of(pictures, 4)
    crew = hiring(Scripted(READY, None), Scripted(None), Scripted(None))
    found = list(crew.outcomes([*tasks, None], Event()))
    assert [(done.input, done.error, done.exit_code) for done in found] == [
        (task.source.name, "out of memory", 5) for task in tasks
    ]


def test_no_more_are_given_than_may_wait_for_the_first(pictures):
    """The first hand never ends its first task, and the other one does what it is given."""
    (task,) = tasks_of(pictures, 1)
    slow, quick, asked = Scripted(READY), Scripted(READY), list[int]()
    slow.hear = lambda: slow.script.pop(0) if slow.script else None  # type: ignore[method-assign]
    stop = Event()

    def coming() -> Iterator[Task]:
        for number in range(1000):
            asked.append(number)
            yield task

    def heard(hands: Sequence[Scripted], _: float) -> list[Scripted]:
        found = [one for one in hands if one.script or (one is quick and one.given)]
        if not found:
            stop.set()
        return found

    hands = iter([slow, quick])
    list(Crew(lambda: next(hands), heard, 2).outcomes(coming(), stop))
    assert len(asked) == 2 * WAITING
