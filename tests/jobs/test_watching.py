"""darnet.jobs.watching: what arrives in a folder is restored once it is whole, and once."""

from __future__ import annotations

import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from darnet import RestorerSpec
from darnet.errors import ImageError, UsageError
from darnet.jobs import Done, Encoding, Job, Local, Shard, Task
from darnet.jobs.resuming import Resumption
from darnet.jobs.settings import Settings
from darnet.jobs.watching import AT_ONCE, Watch

USUAL = Job()


class Watched:
    """A watch of the folder `in`, looked through by hand; what it gives is done, one after the other."""

    def __init__(self, spec: RestorerSpec, job: Job = USUAL, output: str | None = "out") -> None:
        Path("in").mkdir(exist_ok=True)
        self.left_out = list[tuple[str, str]]()
        self.now = 0.0
        self.watch = Watch(job, 1, self.left_out.extend, lambda: self.now, lambda _: None)
        self.agenda = self.watch.plan(["in"], output)
        self.resumption = Resumption(job, Settings.of(job, spec))
        self.left, _ = self.resumption.outstanding(self.agenda.tasks)
        self.resumption.open(self.watch.ledger)
        self.tasks = self.resumption.claimed(self.left, self.watch.later(self.resumption))
        self.turn = deque[Task]()
        coming: Iterator[Task] = iter(self.turn.popleft, None)
        self.outcomes = self.resumption.recorded(map(job.worker(spec.build()), coming))

    def given(self) -> list[Task]:
        """What the next look finds."""
        self.now += 1
        return list(iter(lambda: next(self.tasks, None), None))

    def do(self, tasks: list[Task]) -> list[Done]:
        self.turn.extend(tasks)
        return [next(self.outcomes) for _ in tasks]


@pytest.fixture
def watched(spec: RestorerSpec, pictures: object) -> Iterator[Callable[..., Watched]]:
    made = list[Watched]()

    def watch(job: Job = USUAL, output: str | None = "out") -> Watched:
        made.append(Watched(spec, job, output))
        return made[-1]

    yield watch
    for one in made:
        one.resumption.close()


def names(tasks: list[Task]) -> list[str]:
    return [task.name for task in tasks]


def test_what_is_there_is_planned_and_what_arrives_follows(pictures, watched):
    pictures("in/a.png")
    found = watched()
    assert names(found.left) == ["out/a.png"]
    assert names(found.given()) == ["out/a.png"]
    pictures("in/b.png")
    assert found.given() == []  # it may be half of it
    assert names(found.given()) == ["out/b.png"]
    assert found.given() == found.given() == []


def test_what_grows_is_waited_for_from_the_beginning(pictures, watched):
    whole = pictures("in/a.png").read_bytes()
    Path("in/a.png").write_bytes(whole[:50])
    watch = Watch(USUAL, pause=lambda _: Path("in/a.png").write_bytes(whole[:99]))
    assert not watch.plan(["in"], "out").tasks
    found = watched()
    assert len(found.left) == 1  # nobody can know
    found.given()
    for size in (110, 120, 130):
        Path("in/a.png").write_bytes(whole[:size])
        assert found.given() == []


def test_what_failed_is_tried_again_when_it_changes(pictures, watched):
    found = watched()
    whole = pictures("in/a.png").read_bytes()
    Path("in/a.png").write_bytes(whole[:50])
    found.given()
    (failed,) = found.do(found.given())
    assert failed.error is not None
    assert found.given() == []
    assert found.given() == []
    Path("in/a.png").write_bytes(whole)
    found.given()
    (done,) = found.do(found.given())
    assert (done.error, done.output) == (None, "out/a.png")


def test_what_changes_is_done_anew_after_its_turn_and_what_is_done_is_not(pictures, watched):
    found = watched()
    path = pictures("in/a.png")
    found.given()
    at_hand = found.given()
    pictures("in/a.png", seed=7)
    assert found.given() == found.given() == found.given() == []  # nobody does one picture twice at a time
    assert [done.error for done in found.do(at_hand)] == [None]
    assert [done.error for done in found.do(found.given())] == [None]
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))
    assert found.given() == found.given() == []  # the same picture, of another date


def test_what_went_and_came_back_is_done_where_its_output_is_gone(pictures, watched):
    found = watched()
    pictures("in/a.png")
    found.given()
    found.do(found.given())
    for gone in (False, True):
        shutil.move("in/a.png", "a.png")
        assert found.given() == []
        shutil.move("a.png", "in/a.png")
        if gone:
            Path("out/a.png").unlink()
        assert found.given() == []
        assert len(found.given()) == gone


def test_an_output_that_somebody_has_changed_stays(pictures, watched):
    found = watched()
    pictures("in/a.png")
    found.given()
    found.do(found.given())
    edited = pictures("out/a.png", seed=9).read_bytes()
    pictures("in/a.png", seed=3)
    found.given()
    (failed,) = found.do(found.given())
    assert failed.error == "out/a.png: somebody has changed it since it was written; `overwrite=True` replaces it"
    assert Path("out/a.png").read_bytes() == edited


def test_choice_shard_and_subfolders_hold_for_what_arrives(pictures, watched):
    job = Job(recursive=True, exclude=["raw"], min_size=40)
    found = watched(job)
    pictures("in/new/deep/a.png", 48)
    pictures("in/raw/b.png", 48)
    pictures("in/c.png", 16)
    Path("in/notes.txt").write_text("no picture")
    found.given()
    assert names(found.given()) == ["out/new/deep/a.png"]
    assert [name for name, _ in found.left_out] == ["in/c.png", "in/notes.txt"]
    assert found.given() == []
    assert len(found.left_out) == 2
    pictures("in/sub/d.png", 48)
    flat = watched(replace(job, recursive=False), None)
    assert flat.given() == flat.given() == []
    shards = [watched(Job(shard=Shard(number, 2)), f"out{number}") for number in range(2)]
    for number in range(6):
        pictures(f"in/e{number}.png")
    for shard in shards:
        shard.given()
    parts = [{task.source.name for task in shard.given()} for shard in shards]
    assert parts[0] and parts[1]
    assert not parts[0] & parts[1]
    assert parts[0] | parts[1] == {f"in/e{number}.png" for number in range(6)}


def test_one_more_of_a_name_keeps_its_suffix(pictures, watched):
    found = watched(Job(encoding=Encoding("webp"), overwrite=True))
    pictures("in/a.png")
    found.given()
    found.do(found.given())
    pictures("in/a.tiff")
    found.given()
    assert names(found.given()) == ["out/a.tiff.webp"]


def test_what_a_format_cannot_hold_fails_alone(pictures, watched):
    found = watched(Job(encoding=Encoding(bit_depth="16")))
    pictures("in/a.jpg")
    pictures("in/b.png")
    found.given()
    first, second = found.do(found.given())
    assert "a JPEG file, which holds 8 bits" in str(first.error)
    assert second.error is None


def test_many_arrive_at_once(pictures, watched):
    found = watched()
    total = 2 * AT_ONCE + 1
    for number in range(total):
        Path(f"in/{number}.png").write_bytes(b"x")
    found.given()
    assert len(set(names(found.given()))) == total


def test_a_folder_that_is_gone_ends_it(pictures, watched):
    found = watched()
    pictures("in/a.png")
    assert found.given() == []
    shutil.rmtree("in")
    assert found.given() == []
    with pytest.raises(ImageError, match="in: cannot be watched any more: no such file or directory"):
        list(found.watch.checked([]))


@pytest.mark.parametrize("jobs", [1, 2])
def test_engines_wait_for_what_arrives(pictures, spec, jobs):
    """With one restorer, until they are told to stop."""
    Path("in").mkdir()
    stop, told = Event(), list[str]()
    watch = Watch(USUAL, 0.05)
    agenda = watch.plan(["in"], "out")
    resumption = Resumption(USUAL, Settings.of(USUAL, spec))
    resumption.open(watch.ledger)

    def claim(tasks: object) -> Iterator[Task | None]:
        return resumption.claimed([], watch.later(resumption))

    pictures("in/a.png")
    for done in resumption.recorded(Local(jobs, growing=True)(USUAL, agenda.tasks, spec, claim, stop)):
        told.append(f"{done.output} {done.error}")
        if len(told) == 1:
            pictures("in/b.png", seed=1)
        else:
            stop.set()
    assert told == ["out/a.png None", "out/b.png None"]


@pytest.mark.parametrize(
    ("inputs", "output", "job", "said"),
    [
        (["-"], None, USUAL, "- is no folder of this machine"),
        (["a.png"], None, USUAL, "a.png is no folder of this machine"),
        (["s3://b/in"], None, USUAL, "s3://b/in is no folder of this machine"),
        (["in", "more"], None, USUAL, "one folder is watched, and 2 inputs were given"),
        (["in"], "s3://b/out", USUAL, "is no folder of this machine"),
        (["in"], ".", Job(recursive=True), "outputs would lie among the pictures that are watched"),
        (["in"], "out.png", USUAL, "a file holds one picture"),
        (["in"], None, Job(dry_run=True), "nothing arrives for it"),
    ],
)
def test_what_cannot_be_watched_is_refused(pictures, inputs, output, job, said):
    pictures("a.png")
    Path("in").mkdir()
    with pytest.raises(UsageError, match=said):
        Watch(job, 0).plan(inputs, output)
    with pytest.raises(ImageError, match="no such file or directory"):
        Watch(USUAL, 0).plan(["gone"], "out")
