"""darnet status: how far a folder is, as its ledger says."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path

import pytest

from darnet import RestorerSpec
from darnet.jobs import Job
from darnet.jobs.ledger import NAME, VERSION
from darnet.jobs.resuming import Resumption


@pytest.fixture
def half_done(pictures, restore):
    """One is done, one failed, and a run that was killed had begun the third."""
    pictures("in/a.png")
    Path("in/b.png").write_text("no picture")
    restore("in", "-o", "out", "--strength", "0.5")
    pictures("in/c.png")
    job, spec = Job(strength=0.5), RestorerSpec()
    tasks = job.plan(["in"], "out").tasks
    resumption = Resumption.of(job, spec, tasks)
    left, _ = resumption.outstanding(tasks)
    next(resumption.claimed([task for task in left if task.output.name == "c.png"]))
    resumption.close()


def test_what_is_done_what_failed_and_what_is_left(half_done, darnet):
    ran = darnet("status", "out")
    first, failed, unfinished, last = ran.out.splitlines()
    assert (ran.code, ran.err) == (1, "")
    assert first == "out: 1 done (1 with other settings than the last run's), 1 failed, 1 unfinished"
    assert failed.startswith("  in/b.png: failed: not a JPEG, PNG")
    assert unfinished == "  in/c.png: unfinished"
    assert re.fullmatch(r"last run [\d-]+ [\d:]+; settings: darnet [\d.]+, strength 0\.5, system darnet", last)


def test_a_folder_that_is_finished(pictures, restore, darnet):
    for name in "ab":
        pictures(f"in/{name}.png")
    restore("in", "-o", "out")
    ran = darnet("status", "out")
    assert (ran.code, ran.out.splitlines()[0]) == (0, "out: 2 done")
    rate = r", 2 pictures in \d+\.\d s \(\d+\.\d\d a second, \d+\.\d\d s of work each\); settings: "
    assert re.search(rate, ran.out)


def test_as_json(half_done, darnet):
    found = json.loads(darnet("status", "out", "--json").out)
    assert (found["done"], found["failed"], found["unfinished"], found["outdated"]) == (1, 1, 1, 1)
    assert [(one["input"], one["output"], one["status"]) for one in found["pictures"]] == [
        ("in/b.png", "out/b.png", "failed"),
        ("in/c.png", "out/c.png", "unfinished"),
    ]
    assert found["last_run"]["settings"]["job"]["strength"] == 0.5
    assert found["last_run"]["pictures_per_second"] is None


def test_what_cannot_be_read_is_an_error(pictures, restore, darnet):
    Path("empty").mkdir()
    pictures("in/a.png")
    said = {"empty": "no ledger in it", "gone": "no such folder", "in/a.png": "is no folder"}
    for folder, reason in said.items():
        ran = darnet("status", folder)
        assert (ran.code, ran.out) == (3, "")
        assert ran.err.startswith(f"darnet: {folder}: {reason}")
    restore("in", "-o", "out")
    with sqlite3.connect(Path("out", NAME)) as base:
        base.execute(f"PRAGMA user_version = {VERSION + 1}")
    base.close()
    assert "newer version" in darnet("status", "out").err
    Path("out", NAME).write_bytes(b"damaged" * 1000)
    ran = darnet("status", "out")
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert "out/.darnet.sqlite: damaged ledger" in ran.err
