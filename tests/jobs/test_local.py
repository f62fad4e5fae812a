"""darnet.jobs.local: the engine of this machine, and how many processes it takes."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from darnet import RestorerSpec
from darnet.engines import devices
from darnet.errors import ResourceError, UsageError
from darnet.jobs import Engine, Job, Local, Task, local


def tasks_of(pictures: Any, count: int) -> tuple[Task, ...]:
    for number in range(count):
        pictures(f"in/{number:02}.png", seed=number)
    return tuple(Job().plan(["in"], "out").tasks)


def names(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def test_it_is_an_engine(pictures, spec):
    engine: Engine = Local(1)
    tasks = tasks_of(pictures, 3)
    assert [done.output for done in engine(Job(), tasks, spec)] == [str(task.output) for task in tasks]


def test_processes_share_the_cores_however_few_pictures_there_are(pictures, spec, monkeypatch):
    """Networks round by the number of threads: a rerun on what is left gives the same bytes."""
    found = list[tuple[int, int]]()

    class Noted:
        def __init__(self, job: Job, spec: object, workers: int, threads: int) -> None:
            found.append((workers, threads))

        def outcomes(self, tasks: object, stop: object) -> list[object]:
            return []

    monkeypatch.setattr(local, "crew", Noted)
    monkeypatch.setattr(local, "cores", lambda: 8)
    tasks = tasks_of(pictures, 3)
    for count in (1, 2, 3):
        Local(4)(Job(), tasks[:count], spec)
    Local(16)(Job(), tasks, spec)
    assert found == [(1, 2), (2, 2), (3, 2), (3, 1)]


def test_no_process_at_all_is_refused():
    for jobs in (0, -1):
        with pytest.raises(UsageError, match=f"jobs={jobs}"):
            Local(jobs)


def test_as_many_processes_as_pay(pictures, spec, monkeypatch):
    tasks = tasks_of(pictures, 4)
    monkeypatch.setattr(local, "cores", lambda: 8)
    monkeypatch.setattr(local, "fitting", lambda spec, wanted: min(3, wanted))
    assert local.suitable(tasks, spec) == 1
    assert local.suitable(tasks * 32, spec) == 2
    assert local.suitable(tasks * 320, spec) == 3
    monkeypatch.setattr(local, "fitting", lambda spec, wanted: wanted)
    assert local.suitable(tasks * 320, spec) == 8
    Path("in/00.png").write_bytes(bytes(5 * 2**20))
    assert local.suitable(tasks, spec) == 2
    monkeypatch.setattr(devices, "pick_device", lambda name: torch.device("cuda"))
    assert local.suitable(tasks, spec) == 1


def test_memory_bounds_the_processes(spec):
    """Each has tiles as large as a single process has, so that the answers are the same."""
    stated = spec.model_copy(update={"max_memory": 4_000_000_000})
    count = local.fitting(stated, 100)
    assert 1 < count < 20
    assert local.sharing(stated, count).settled().tiles == stated.settled().tiles
    with suppress(ResourceError):
        assert local.sharing(stated, count + 1).settled().tiles != stated.settled().tiles
    assert local.fitting(spec.model_copy(update={"max_memory": 600_000_000}), 100) == 1
    assert local.cores() >= 1


def test_a_stream_and_the_first_failure_take_no_process_more(pictures, spec, monkeypatch):
    tasks = tasks_of(pictures, 3)
    monkeypatch.setattr(local, "crew", None)
    assert [done.error for done in Local()(Job(), tasks[:1], spec)] == [None]
    (stream,) = Job().plan(["in/02.png"], "-").tasks
    assert [done.error for done in Local(4)(Job(dry_run=True), [stream], spec)] == [None]
    Path("in/01.png").write_text("no picture")
    found = list(Local(4)(Job(fail_fast=True, overwrite=True), tasks, spec))
    assert len(found) == 2
    assert names("out") == ["00.png"]


def test_a_runtime_for_graphs_is_not_loaded_for_a_few_small_pictures(pictures, spec, monkeypatch):
    """It takes a second, and saves less; a backend that is stated stays."""
    monkeypatch.delenv("DARNET_BACKEND")
    built = list[str]()
    build = RestorerSpec.build
    monkeypatch.setattr(RestorerSpec, "build", lambda spec: (built.append(spec.backend), build(spec))[1])
    tasks, auto = tasks_of(pictures, 3), spec.model_copy(update={"backend": "auto"})
    list(Local(1)(Job(), tasks, auto))
    monkeypatch.setattr(local, "WORTH_BYTES", 1)
    list(Local(1)(Job(overwrite=True), tasks, auto))
    monkeypatch.setattr(local, "WORTH_BYTES", 2**21)
    list(Local(1, growing=True)(Job(overwrite=True), tasks, auto))
    list(Local(1)(Job(overwrite=True), tasks, spec.model_copy(update={"backend": "torch"})))
    assert built == ["torch", "auto", "auto", "torch"]


def test_8_bits_are_not_given_to_torch_for_a_few_small_pictures(spec, monkeypatch):
    monkeypatch.delenv("DARNET_BACKEND")
    auto = spec.model_copy(update={"backend": "auto"})
    assert local.plainly(auto).backend == "torch"
    assert local.plainly(auto.model_copy(update={"precision": "int8"})).backend == "auto"
