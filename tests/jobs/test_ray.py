"""darnet.jobs.ray: the same bytes as without, whoever dies meanwhile."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from darnet import RestorerSpec, restore_many
from darnet.errors import MissingPackageError, UsageError
from darnet.images.image import Image
from darnet.jobs import Job
from darnet.jobs.inputs import Source
from darnet.jobs.ray import Ray

JOB = Job(recursive=True)


class Deadly(Source):
    """Whoever reads it is killed, as by a system without memory."""

    def picture(self, *_: object) -> Image:  # type: ignore[override]
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


class Unreadable(Source):
    """No worker can make anything of it."""

    def __reduce__(self) -> tuple[object, ...]:
        return int, ("no number",)


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Two CPUs, on this machine."""
    ray = pytest.importorskip("ray")
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()


def workers() -> list[int]:
    """Processes of actors that this process's cluster has."""
    parents, titles = {}, {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        pid = int(status.parent.name)
        try:
            parents[pid] = int(status.read_text().rpartition(")")[2].split()[1])
            titles[pid] = (status.parent / "cmdline").read_bytes()
        except OSError:
            continue

    def ours(pid: int) -> bool:
        return pid == os.getpid() or (pid in parents and ours(parents[pid]))

    return [pid for pid, title in titles.items() if title.startswith(b"ray::Actor") and ours(pid)]


def gone() -> bool:
    """Whether no worker is left; Ray takes a moment."""
    until = time.monotonic() + 20
    while workers() and time.monotonic() < until:
        time.sleep(0.1)
    return not workers()


def contents(folder: str) -> dict[str, bytes]:
    """All files but a ledger's."""
    files = [path for path in Path(folder).rglob("*") if path.is_file() and not path.name.startswith(".darnet")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_same_bytes_as_locally_and_in_order(pictures, tiny_system, cluster):
    for name in "abcdef":
        pictures(f"in/{name}.png")
    Path("in/broken.png").write_text("no picture")
    spec = RestorerSpec(system=str(tiny_system), device="cpu")
    local = list(restore_many("in", "local", spec, JOB))
    remote = list(Ray()(JOB, JOB.plan(["in"], "ray").tasks, spec))
    assert [(done.input, done.error) for done in remote] == [(done.input, done.error) for done in local]
    assert contents("ray") == contents("local")
    assert gone()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_worker_that_is_killed_loses_nothing(pictures, tiny_system, cluster):
    for number in range(60):
        pictures(f"in/{number:02}.png")
    spec = RestorerSpec(system=str(tiny_system), device="cpu")
    outcomes = Ray()(JOB, JOB.plan(["in"], "ray").tasks, spec)
    first = next(outcomes)
    os.kill(workers()[0], signal.SIGKILL)
    found = [first, *outcomes]
    assert [done.error for done in found] == [None] * 60
    assert [done.input for done in found] == [f"in/{number:02}.png" for number in range(60)]
    assert all(done.error is None for done in restore_many("in", "local", spec, JOB))
    assert contents("ray") == contents("local")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_picture_that_kills_fails_alone(pictures, tiny_system, cluster):
    for name in "abcdef":
        pictures(f"in/{name}.png")
    tasks = list(JOB.plan(["in"], "out").tasks)
    tasks[2] = replace(tasks[2], source=Deadly(**vars(tasks[2].source)))
    spec = RestorerSpec(system=str(tiny_system), device="cpu")
    found = {done.input: done.error for done in Ray()(JOB, tasks, spec)}
    assert {name for name, error in found.items() if error is not None} == {"in/c.png"}
    assert "the worker died" in found["in/c.png"]
    assert sorted(contents("out")) == [f"{name}.png" for name in "abdef"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_task_that_no_worker_can_read_fails_alone(pictures, tiny_system, cluster):
    for name in "abcd":
        pictures(f"in/{name}.png")
    tasks = list(JOB.plan(["in"], "out").tasks)
    tasks[1] = replace(tasks[1], source=Unreadable(**vars(tasks[1].source)))
    found = list(Ray()(JOB, tasks, RestorerSpec(system=str(tiny_system), device="cpu")))
    assert [done.error is None for done in found] == [True, False, True, True]
    assert str(found[1].error).startswith("the worker died: ")
    assert gone()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_closed_it_finishes_what_is_at_hand_and_no_worker_stays(pictures, tiny_system, cluster):
    for number in range(30):
        pictures(f"in/{number:02}.png")
    spec = RestorerSpec(system=str(tiny_system), device="cpu")
    outcomes = Ray()(JOB, JOB.plan(["in"], "out").tasks, spec)
    next(outcomes)
    outcomes.close()
    assert 1 <= len(contents("out")) < 30
    assert gone()
    stop = Event()
    outcomes = Ray()(JOB, JOB.plan(["in"], "stopped").tasks, spec, stop=stop)
    told = [next(outcomes)]
    stop.set()
    told += outcomes
    assert 1 <= len(told) < 30
    assert {Path(done.output or "").name for done in told} == set(contents("stopped"))
    assert gone()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_what_no_worker_can_build_is_said_before_any_picture(pictures, cluster):
    pictures("a.png")
    with pytest.raises(UsageError, match="no system called 'nothing'"):
        Ray()(JOB, JOB.plan(["a.png"], "out.png").tasks, RestorerSpec(system="nothing"))
    assert gone()


def test_without_the_extra_it_says_how_to_install_it(pictures, monkeypatch):
    pictures("a.png")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'darnet\[ray\]'"):
        Ray()(JOB, JOB.plan(["a.png"], "out.png").tasks, RestorerSpec())


def test_neither_stdout_nor_the_memory_of_this_process_is_reached(pictures):
    photo = pictures("a.png")
    with pytest.raises(UsageError, match="`engine='ray'`: stdout"):
        Ray()(JOB, JOB.plan([str(photo)], "-").tasks, RestorerSpec())
    pytest.importorskip("fsspec")
    with pytest.raises(UsageError, match="is the memory of a process"):
        Ray()(JOB, JOB.plan([str(photo)], "memory://out.png").tasks, RestorerSpec())
