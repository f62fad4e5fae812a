"""darnet.jobs.status: what a ledger says to who only reads it. What is printed of it: tests/cli/test_status.py."""

from __future__ import annotations

import os
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
