"""darnet.jobs.pipeline: stages side by side, outcomes in order, few pictures held, nothing left behind."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from darnet import Restorer, RestorerSpec
from darnet.jobs import Done, Encoding, Job, Task, pipeline
from darnet.jobs.pipeline import Pipeline
from darnet.jobs.worker import Turn, Worker

LONG = 30.0


@pytest.fixture(scope="module")
def restorer(tiny_system: Path) -> Restorer:
    """Calls everything noise, and brightens it."""
    return RestorerSpec(system=str(tiny_system), device="cpu").build()


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def tasks_of(pictures: Any, count: int) -> tuple[Task, ...]:
    for number in range(count):
        pictures(f"in/{number:02}.png", seed=number)
    return tuple(Job().plan(["in"], "out").tasks)


class Watched:
    """A worker that says which stage is at which task, and waits where it is told to."""

    def __init__(self, worker: Worker) -> None:
        self.worker, self.restorer, self.began = worker, worker.restorer, dict[tuple[str, str], Event]()
        self.gates = dict[tuple[str, str], Event]()

    def event(self, stage: str, name: str) -> Event:
        return self.began.setdefault((stage, name), Event())

    def _pass(self, stage: str, task: Task) -> None:
        key = (stage, task.output.name)
        self.event(*key).set()
        if key in self.gates:
            assert self.gates[key].wait(LONG)

    def read(self, task: Task) -> Turn:
        self._pass("read", task)
        return self.worker.read(task)

    def repair(self, turn: Turn) -> Turn:
        self._pass("repair", turn.task)
        return self.worker.repair(turn)

    def write(self, turn: Turn) -> Done:
        self._pass("write", turn.task)
        return self.worker.write(turn)


def test_outcomes_and_bytes_are_those_of_one_after_the_other(pictures, restorer):
    tasks_of(pictures, 9)
    Path("in/03.png").write_text("no picture")
    pictures.damaged("in/05.tif")
    job = Job(encoding=Encoding("jpg"))
    known = list(job.run(job.plan(["in"], "alone").tasks, restorer))
    found = list(Pipeline(job.worker(restorer))(job.plan(["in"], "out").tasks))
    assert [done.input for done in found] == [done.input for done in known]
    assert [done.error for done in found] == [done.error for done in known]
    assert sum(done.error is not None for done in found) == 1
    told = [[done.treatment.warnings for done in some if done.treatment] for some in (known, found)]
    assert [list(map(len, some)) for some in told] == [[0, 0, 0, 0, 0, 3, 0, 0, 0]] * 2
    for done in filter(lambda done: done.output, found):
        assert Path(done.output).read_bytes() == Path("alone", Path(done.output).name).read_bytes()
        assert (done.pixels, [one.name for one in done.timeline]) == (576, ["open", "repair", "write"])
        assert len({one.thread for one in done.timeline}) == 3
        assert all(one.end_ns <= later.start_ns for one, later in pairwise(done.timeline))


def test_stages_work_side_by_side(pictures, restorer):
    """While the network has the second picture the first is written and the third read."""
    watched = Watched(Job().worker(restorer))
    gate = watched.gates["repair", "01.png"] = Event()
    outcomes = Pipeline(watched)(tasks_of(pictures, 3))
    assert next(outcomes).input == "in/00.png"
    assert watched.event("repair", "01.png").wait(LONG)
    assert watched.event("read", "02.png").wait(LONG)
    assert not watched.event("write", "01.png").is_set()
    gate.set()
    assert [done.input for done in outcomes] == ["in/01.png", "in/02.png"]


def test_nothing_more_is_read_while_large_pictures_are_held(pictures, restorer, monkeypatch):
    monkeypatch.setattr(pipeline, "MOST_HELD", 1000)
    read, most = Worker.read, list[int]()
    known: list[weakref.ref[Any]] = []

    def counted(self: Worker, task: Task) -> Turn:
        gc.collect()
        most.append(sum(image() is not None for image in known))
        turn = read(self, task)
        known.append(weakref.ref(turn.image))
        return turn

    monkeypatch.setattr(Worker, "read", counted)
    assert len(list(Pipeline(Job().worker(restorer))(tasks_of(pictures, 6)))) == 6
    assert most == [0] * 6
    assert len(known) == 6


def test_who_takes_no_outcomes_holds_up_the_work(pictures, restorer):
    tasks = tasks_of(pictures, 40)
    outcomes = Pipeline(Job().worker(restorer))(tasks)
    next(outcomes)
    threading.Event().wait(1.0)
    assert len(list(Path("out").iterdir())) < 20
    outcomes.close()


def test_closed_it_finishes_what_is_at_hand_and_begins_nothing(pictures, restorer):
    watched = Watched(Job().worker(restorer))
    gate = watched.gates["repair", "01.png"] = Event()
    outcomes = Pipeline(watched)(tasks_of(pictures, 8))
    next(outcomes)
    assert watched.event("repair", "01.png").wait(LONG)
    threading.Timer(0.2, gate.set).start()
    outcomes.close()
    assert sorted(path.name for path in Path("out").iterdir()) == ["00.png", "01.png"]


def test_ctrl_c_gives_the_picture_at_hand_and_is_raised(pictures, restorer):
    watched = Watched(Job().worker(restorer))
    gate = watched.gates["repair", "01.png"] = Event()
    line = Pipeline(watched)
    get, waits = line._done.get, iter([False, True])

    def interrupted() -> Any:
        if next(waits, False):
            assert watched.event("repair", "01.png").wait(LONG)
            threading.Timer(0.2, gate.set).start()
            raise KeyboardInterrupt
        return get()

    line._done.get = interrupted
    outcomes, found = line(tasks_of(pictures, 8)), list[str]()
    with pytest.raises(KeyboardInterrupt):
        for done in outcomes:
            found.append(done.input)
    assert found == ["in/00.png", "in/01.png"]
    assert len(list(Path("out").iterdir())) == 2


def test_what_the_tasks_raise_is_raised_after_their_outcomes(pictures, restorer):
    tasks, found = tasks_of(pictures, 2), list[Done]()

    def given() -> Iterator[Task]:
        yield from tasks
        raise RuntimeError("the list ends here")

    with pytest.raises(RuntimeError, match="ends here"):
        for done in Pipeline(Job().worker(restorer))(given()):
            found.append(done)
    assert len(found) == 2


def test_a_failure_of_any_stage_is_that_of_its_picture(pictures, restorer):
    def fail(pixels: object) -> None:
        raise MemoryError

    tasks = tasks_of(pictures, 2)
    broken = replace(restorer, experts={"noise": fail})
    found = list(Pipeline(Job().worker(broken))(tasks))
    assert [(done.error, done.exit_code) for done in found] == [("out of memory", 5)] * 2
    Path("out").write_text("in the way")
    found = list(Pipeline(Job(overwrite=True).worker(restorer))(tasks))
    assert all(done.error for done in found)
