"""darnet.jobs.profile: what a trace holds, and what it never replaces."""

from __future__ import annotations

import json
import os
import time
import tracemalloc
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import cycle, pairwise, takewhile
from pathlib import Path
from typing import Any

import pytest

from darnet.errors import ImageError, UsageError
from darnet.jobs import Done, Job, Local, Profile, Task, check_profile
from darnet.jobs.profile import BEGINNING
from darnet.timeline import Span


def written(profile: Profile) -> list[dict[str, Any]]:
    """The events of its file."""
    profile.write("deep/trace.json")
    assert [path.name for path in Path("deep").iterdir()] == ["trace.json"]
    events: list[dict[str, Any]] = json.loads(Path("deep/trace.json").read_bytes())["traceEvents"]
    return events


def rows(events: list[dict[str, Any]]) -> dict[tuple[int, int], list[dict[str, Any]]]:
    """The complete ones by process and thread, in the order in which they began."""
    found = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            found[event["pid"], event["tid"]].append(event)
    return {row: sorted(events, key=lambda one: (one["ts"], -one["dur"])) for row, events in found.items()}


def check_nested(events: list[dict[str, Any]]) -> None:
    """Those of a thread lie inside or beside each other, which is all that viewers nest them by."""
    ends = list[float]()
    for event in events:
        start, end = event["ts"], event["ts"] + event["dur"]
        while ends and ends[-1] <= start:
            ends.pop()
        assert not ends or end <= ends[-1] + 1e-3
        ends.append(end)


def test_a_process_has_a_row_for_each_thread_and_pictures_do_not_overlap_in_it(pictures, spec):
    for number in range(4):
        pictures(f"in/{number}.png", seed=number)
    profile = Profile()
    for done in Local(1)(Job(), Job().plan(["in"], "out").tasks, spec):
        profile.add(done)
    found = rows(written(profile))
    assert {process for process, _ in found} == {os.getpid()}
    names = sorted(sorted({event["name"] for event in events}) for events in found.values())
    assert names == [["decode", "open"], ["diagnose", "load", "repair", "repair noise"], ["encode", "write"]]
    for events in found.values():
        check_nested(events)
        assert events[0]["ts"] > 0
        outer = [event for event in events if event["name"] in {"open", "repair", "write"}]
        assert [event["args"]["picture"] for event in outer] == [f"in/{number}.png" for number in range(4)]
        assert all(first["ts"] + first["dur"] <= later["ts"] for first, later in pairwise(outer))


def test_several_processes_are_told_apart_on_one_clock(pictures, spec):
    for number in range(4):
        pictures(f"in/{number}.png", seed=number)
    job, profile, processes = Job(dry_run=True), Profile(), set[int]()

    def claim(tasks: Sequence[Task]) -> Iterator[Task]:
        """Until both are at work: one may take a second longer to begin."""
        return takewhile(lambda _: len(processes) < 2, cycle(tasks))

    for done in Local(2)(job, job.plan(["in"], "out").tasks, spec, claim):
        assert done.error is None
        processes.add(done.timeline[0].process)
        profile.add(done)
    took = (time.perf_counter_ns() - profile.began_ns) / 1000
    events = written(profile)
    found = rows(events)
    assert os.getpid() not in processes
    assert sorted(process for process, _ in found) == sorted([*processes] * 2)
    for some in found.values():
        check_nested(some)
        assert all(0 < event["ts"] <= event["ts"] + event["dur"] < took for event in some)  # by the clock here
    assert {event["pid"] for event in events if event["name"] == "process_name"} == processes | {os.getpid()}
    threads = [event["args"]["name"] for event in events if event["name"] == "thread_name"]
    assert sorted(threads) == ["open", "open", "repair", "repair"]


def test_what_failed_has_its_time_and_what_was_done_already_none(pictures, spec):
    pictures("in/a.png")
    Path("in/b.png").write_text("no picture")
    profile = Profile()
    for done in Local(1)(Job(), Job().plan(["in"], "out").tasks, spec):
        profile.add(done)
    profile.add(Done("in/c.png", "out/c.png", already=True))
    events = json.loads(b"".join(profile.parts()))["traceEvents"]
    named = {event["args"]["picture"] for event in events if event["ph"] == "X"}
    assert named == {"in/a.png", "in/b.png"}


def test_any_name_and_none_at_all():
    profile = Profile()
    assert len(json.loads(b"".join(profile.parts()))["traceEvents"]) == 1
    profile.add(Done('a"\udcff\n.png', timeline=(Span("open", "", 0, 1, 1, 1),)))
    data = b"".join(profile.parts())
    assert data.startswith(BEGINNING)
    assert "".join(BEGINNING.decode().split()).startswith('{"traceEvents":[')  # which Perfetto looks for
    assert json.loads(data)["traceEvents"][1]["args"]["picture"] == 'a"?\n.png'


def test_memory_does_not_grow_with_the_pictures_of_a_profile(pictures):
    profile, used = Profile(), list[int]()
    tracemalloc.start()
    for number in range(3 * 2048):
        inner = Span("decode", "", 0, 1, 1, 1)
        profile.add(Done(f"{number}.jpg", timeline=(Span("open", "", 0, 1, 1, 1, (inner,)),)))
        if not (number + 1) % 2048:
            used.append(tracemalloc.get_traced_memory()[0])
    profile.write("trace.json")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert used[2] < used[0] + 100_000
    assert peak < used[2] + 2_000_000
    assert Path("trace.json").stat().st_size > 1_000_000


def test_a_profile_replaces_an_earlier_one_and_nothing_else(pictures, spec):
    pictures("a.png")
    Path("link.json").symlink_to("a.png")
    Path("mine.json").write_text('{"traceEvents": []}')
    tasks = Job().plan(["a.png"], "out.png").tasks
    for path in ("a.png", "out.png", "link.json"):
        with pytest.raises(UsageError, match=f"`profile='{path}'`: that is a picture of this run"):
            check_profile(Path(path), tasks)
    for path in ("r.json", "../work/r.json"):
        with pytest.raises(UsageError, match=f"`profile='{path}'`: that is where the report goes"):
            check_profile(Path(path), tasks, Path("r.json"))
    for use in (lambda: check_profile(Path("mine.json"), tasks), lambda: Profile().write("mine.json")):
        with pytest.raises((ImageError, UsageError), match="exists already and is no such report of darnet's"):
            use()
    assert Path("mine.json").read_text() == '{"traceEvents": []}'
    for _ in range(2):
        check_profile(Path("trace.json"), tasks)
        Profile().write("trace.json")
