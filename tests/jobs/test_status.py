"""darnet.jobs.status: what a ledger says to who only reads it. What is printed of it: tests/cli/test_status.py."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from darnet import RestorerSpec, restore_many
from darnet.errors import NoInputError
from darnet.jobs import Job
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
