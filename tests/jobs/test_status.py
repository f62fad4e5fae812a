"""darnet.jobs.status: what a ledger says to who only reads it. What is printed of it: tests/cli/test_status.py."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from darnet import RestorerSpec, restore_many
from darnet.errors import NoInputError
from darnet.images.image import Image
from darnet.jobs import Job, ledger
from darnet.jobs.resuming import Resumption
from darnet.jobs.status import Status


def test_a_folder_is_looked_at_while_a_run_is_at_work(pictures, tiny_system):
    for name in "abc":
        pictures(f"in/{name}.png")
    outcomes = restore_many("in", "out", RestorerSpec(system=str(tiny_system), device="cpu"), Job(strength=0.5))
    next(outcomes)
    status = Status.read_all(Path("out"))[0]
    assert status.done + status.unfinished == 3
    assert status.unfinished == len(list(status.not_done())) > 0
    assert status.settings["job"]["strength"] == 0.5
    assert len(list(outcomes)) == 2
    status = Status.read_all(Path("out"))[0]
    assert (status.done, status.failed, status.unfinished, status.outdated, status.written) == (3, 0, 0, 0, 3)
    assert status.rate > 0
    assert 0 < status.seconds_each < 60
    assert list(status.not_done()) == []


@pytest.fixture
def closed(monkeypatch):
    """Folders that nobody may look into, by their names; root may look into every one, so that a mode means nothing."""
    names, scandir = set[str](), os.scandir

    def guarded(path: str | int) -> object:
        if Path(str(path)).name in names:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    return names


def test_a_folder_that_could_not_be_looked_into_is_a_failure_until_it_is(pictures, tiny_system, closed):
    for name in ("in/a.png", "in/sub/b.png", "in/other/c.png"):
        pictures(name)
    spec, job = RestorerSpec(system=str(tiny_system), device="cpu"), Job(recursive=True)

    def after(*inputs: str, job: Job = job) -> tuple[int, list[tuple[str, str | None, str, str | None]]]:
        list(restore_many(inputs or ["in"], "out", spec, job))
        (status,) = Status.read_all(Path("out"))
        assert status.failed == len(list(status.not_done()))
        return status.done, [(one.input, one.output, one.status, one.reason) for one in status.not_done()]

    refused = [("in/sub", None, "failed", "permission denied")]
    closed |= {"sub"}
    assert after() == (2, refused)
    assert after() == (2, refused), "everything else is done already"
    closed.clear()
    assert after(job=Job()) == (2, refused), "who does not look into it knows nothing of it"
    assert after("in/other") == (3, refused)
    assert after() == (4, [])
    closed |= {"sub"}
    assert after() == (4, refused)
    shutil.rmtree("in/sub")
    assert Status.read_all(Path("out"))[0].gone == 1


def test_of_a_folder_beside_its_outputs_too(pictures, tiny_system, closed):
    pictures("in/a.png")
    pictures("in/sub/b.png")
    closed |= {"sub"}
    list(restore_many("in", None, RestorerSpec(system=str(tiny_system), device="cpu"), Job(recursive=True)))
    (status,) = Status.read_all(Path("in"))
    assert (status.done, status.failed) == (1, 1)


def test_no_ledger_is_no_input(tmp_path):
    with pytest.raises(NoInputError, match="no ledger in it"):
        Status.read_all(tmp_path)


def test_what_nobody_may_look_at_is_not_gone(pictures, tiny_system, monkeypatch):
    Path("in").mkdir()
    Path("in/a.png").write_text("no picture")
    list(restore_many("in", "out", RestorerSpec(system=str(tiny_system), device="cpu")))

    def refused(path: bytes) -> None:
        raise PermissionError(path)

    (status,) = Status.read_all(Path("out"))
    assert (status.failed, status.gone) == (1, 0)
    with monkeypatch.context() as patch:
        patch.setattr(os, "lstat", refused)  # as in a folder without the right to enter it
        found = Status.read(status.path)
    assert (found.failed, found.gone) == (1, 0)
    Path("in/a.png").unlink()
    assert Status.read(status.path).gone == 1


def link_to_nothing(path: Path) -> None:
    path.unlink()
    path.symlink_to("nothing")


def folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


LOST = {
    "missing": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "without a sidecar": lambda path: path.with_name("b.png.json").unlink(),
}
CHANGED = {
    "edited": lambda path: Image(np.zeros((8, 8, 3), np.uint8)).write(path),
    "a folder": folder_instead,
    "a link to nothing": link_to_nothing,
}


@pytest.mark.parametrize("what", [*LOST, *CHANGED])
def test_an_output_is_what_the_next_run_finds_it_to_be(pictures, spec, what):
    for name in "ab":
        pictures(f"in/{name}.png")
    job = Job(sidecar=True)
    list(restore_many("in", "out", spec, job))
    (LOST | CHANGED)[what](Path("out/b.png"))
    (status,) = Status.read_all(Path("out"))
    (found,) = status.not_done()
    assert (status.done, status.failed, status.unfinished) == (1, what in CHANGED, what in LOST)
    again = {done.input: done for done in restore_many("in", "out", spec, job)}
    assert (again["in/a.png"].already, again["in/b.png"].already) == (True, False)
    assert (found.input, found.reason) == ("in/b.png", again["in/b.png"].error)
    (status,) = Status.read_all(Path("out"))
    assert status.done == (2 if what in LOST else 1)


def test_a_picture_that_has_changed_since_is_unfinished_and_one_that_went_is_done(pictures, spec):
    pictures("in/a.png", seed=1)
    pictures("in/b.png", seed=2)
    list(restore_many("in", "out", spec))
    pictures("in/a.png", seed=3)
    Path("in/b.png").unlink()
    (status,) = Status.read_all(Path("out"))
    assert [(one.input, one.status) for one in status.not_done()] == [("in/a.png", "unfinished")]
    assert status.done == 1


def test_what_a_run_with_other_settings_left_as_it_was_is_done(pictures, spec):
    for name in "ab":
        pictures(f"in/{name}.png")
    list(restore_many("in", "out", spec))
    job = Job(strength=0.5)
    tasks = job.plan(["in"], "out").tasks
    resumption = Resumption.of(job, spec, tasks)
    next(resumption.claimed(resumption.outstanding(tasks)[0]))
    resumption.close()
    assert Status.read_all(Path("out"))[0].unfinished == 2
    assert [done.already for done in restore_many("in", "out", spec)].count(True) == 1
    (status,) = Status.read_all(Path("out"))
    assert (status.done, status.unfinished, status.outdated) == (2, 0, 0)


def test_what_failed_with_other_settings_and_is_to_be_tried_again_is_unfinished(pictures, spec):
    pictures("in/a.png")
    list(restore_many("in", "out", spec))
    Path("in/a.png").write_text("no picture")
    list(restore_many("in", "out", spec, other := Job(strength=0.5)))
    assert Status.read_all(Path("out"))[0].failed == 1
    job = Job(strength=0.6)
    tasks = (*job.plan(["in"], "out").tasks, *job.plan([str(pictures("in/b.png"))], "out/").tasks)
    resumption = Resumption.of(job, spec, tasks)
    resumption.outstanding(tasks)
    next(resumption.claimed(tasks[::-1]))
    resumption.close()
    (status,) = Status.read_all(Path("out"))
    assert (status.failed, status.earlier, status.unfinished) == (0, 0, 2)
    (done,) = restore_many("in/a.png", "out/", spec, other)
    assert done.error is not None, "what lies there is of an earlier success with yet other settings"


def test_who_reads_lets_others_write_meanwhile(pictures, spec, monkeypatch):
    for name in "abc":
        pictures(f"in/{name}.png")
    list(restore_many("in", "out", spec))
    for path in Path("out").glob("*.png"):
        path.unlink()
    monkeypatch.setattr(ledger, "PATIENCE_SECONDS", 0)
    reading = Status.read(Path("out", ledger.NAME)).not_done()
    assert next(reading).input == "in/a.png"
    assert all(done.error is None for done in restore_many("in", "out", spec))
