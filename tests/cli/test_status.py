"""darnet status: how far a folder is, as its ledger says."""

from __future__ import annotations

import errno
import json
import os
import re
import sqlite3
from pathlib import Path

import pytest

from darnet import RestorerSpec
from darnet.jobs import Job
from darnet.jobs.ledger import NAME, VERSION, Entry
from darnet.jobs.resuming import Resumption


@pytest.fixture
def half_done(pictures, restore):
    """One is done, one failed, and a run with other settings that was killed had begun the third."""
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
    other = "with other settings than the last run's"
    assert first == f"out: 1 done (1 {other}), 1 unfinished, 1 failed earlier, {other}"
    assert failed.startswith("  in/b.png: failed earlier: not a JPEG, PNG")
    assert unfinished == "  in/c.png: unfinished"
    assert re.fullmatch(
        r"last run [\d-]+ [\d:]+; settings: darnet [\d.]+, --strength 0\.5, --backend torch, --model darnet", last
    )


def test_a_folder_that_is_finished(pictures, restore, darnet):
    for name in "ab":
        pictures(f"in/{name}.png")
    restore("in", "-o", "out")
    ran = darnet("status", "out")
    assert (ran.code, ran.out.splitlines()[0]) == (0, "out: 2 done")
    rate = r", 2 pictures in \d+\.\d s \(\d+\.\d\d a second, \d+\.\d\d s of work each\); settings: "
    assert re.search(rate, ran.out)


def test_a_failure_under_other_settings_is_none_of_the_last_run(pictures, restore, darnet):
    pictures("in/a.png")
    Path("in/b.png").write_text("no picture")
    restore("in", "-o", "out")
    assert darnet("status", "out").code == 1
    pictures("in/b.png")
    assert restore("in", "-o", "out", "--ext", "webp").code == 0
    ran = darnet("status", "out")
    other = "other settings than the last run's"
    first, earlier, _ = ran.out.splitlines()
    assert (ran.code, first) == (0, f"out: 3 done (1 with {other}), 1 failed earlier, with {other}")
    assert earlier.startswith("  in/b.png: failed earlier: not a JPEG, PNG")
    found = json.loads(darnet("status", "out", "--json").out)
    assert (found["failed"], found["failed_earlier"], found["pictures"][0]["status"]) == (0, 1, "failed earlier")
    Path("in/b.png").write_text("no picture")
    assert restore("in", "-o", "out", "--ext", "webp").code == 1
    assert darnet("status", "out").code == 1


def test_an_output_that_somebody_has_edited_is_named(pictures, restore, darnet):
    for name in "ab":
        pictures(f"in/{name}.png")
    restore("in", "-o", "out")
    pictures("out/b.png", seed=9)
    ran = darnet("status", "out")
    said = "out/b.png: somebody has changed it since it was written; --overwrite replaces it"
    assert (ran.code, ran.out.splitlines()[:2]) == (1, ["out: 1 done, 1 failed", f"  in/b.png: failed: {said}"])
    again = restore("in", "-o", "out")
    assert (again.code, said in again.err) == (1, True)


def test_one_picture_is_one_and_a_run_that_found_all_done_leaves_the_last_one_as_it_was(pictures, restore, darnet):
    pictures("in/a.png")
    restore("in", "-o", "out")
    told = darnet("status", "out").out
    assert re.search(r", 1 picture in \d+\.\d s \(\d+\.\d\d a second, \d+\.\d\d s of work\); settings: ", told)
    assert restore("in", "-o", "out").code == 0
    assert darnet("status", "out").out == told


def test_settings_are_told_as_flags(pictures, restore, darnet, tiny_system):
    pictures("in/a.png")
    flags = ("--as", "noise", "--strength", "noise=0.5", "--luma", "0.4", "--keep", "--tile", "64")
    restore("in", "-o", "out", *flags, "--ext", "webp", "--quality", "best", "--quality", "80")
    told = darnet("status", "out").out.partition("settings: ")[2].strip().split(", ")
    assert sorted(told[1:]) == sorted(
        [
            *("--as noise", "--strength noise=0.5", "--luma 0.4", "--keep", "--tile 64", "--ext webp"),
            *("--quality best", "--quality 80", f"--model {tiny_system}", "--device cpu", "--backend torch"),
        ]
    )
    pictures("other/a.png")
    restore("other", "-o", "whole", "--tile", "off")
    assert "--tile off" in darnet("status", "whole").out


def test_what_failed_is_told_as_flags_in_json_too(pictures, restore, darnet):
    pictures("in/a.png")
    Path("out").mkdir()
    Path("out/a.png").write_text("precious")
    restore("in", "-o", "out")
    (told,) = json.loads(darnet("status", "out", "--json").out)["pictures"]
    assert told["reason"] == "out/a.png: exists already; --overwrite replaces it"


def test_what_failed_and_is_gone_is_no_failure_any_more(pictures, restore, darnet):
    pictures("in/a.png")
    Path("in/b.png").write_text("no picture")
    restore("in", "-o", "out")
    assert darnet("status", "out").code == 1
    Path("in/b.png").unlink()
    assert restore("in", "-o", "out").code == 0
    ran = darnet("status", "out")
    first, gone, _ = ran.out.splitlines()
    assert (ran.code, first) == (0, "out: 1 done, 1 gone")
    assert gone.startswith("  in/b.png: gone: not a JPEG, PNG")
    found = json.loads(darnet("status", "out", "--json").out)
    assert (found["failed"], found["gone"], found["pictures"][0]["status"]) == (0, 1, "gone")
    Path("in").rename("away")
    assert darnet("status", "out").out.startswith("out: 1 done, 1 failed"), "of what is not mounted nobody knows"


def test_a_link_to_nothing_that_is_still_there_has_failed(pictures, restore, darnet):
    pictures("elsewhere/b.png")
    pictures("in/a.png")
    Path("in/b.png").symlink_to(Path("elsewhere/b.png").absolute())
    assert restore("in", "-o", "out").code == 0
    Path("elsewhere/b.png").rename("elsewhere/away.png")
    assert restore("in", "-o", "out").code == 1
    ran = darnet("status", "out")
    said = "  in/b.png: failed: no such file or directory"
    assert (ran.code, ran.out.splitlines()[:2]) == (1, ["out: 1 done, 1 failed", said])
    Path("elsewhere/away.png").rename("elsewhere/b.png")
    assert restore("in", "-o", "out").code == 0, "its output is no other picture's"
    assert darnet("status", "out").code == 0
    Path("elsewhere/b.png").unlink()
    restore("in", "-o", "out")
    Path("in/b.png").unlink()
    assert darnet("status", "out").out.startswith("out: 1 done, 1 gone")


def test_a_folder_that_nobody_may_look_into_has_failed(pictures, restore, darnet, monkeypatch):
    pictures("in/a.png")
    pictures("in/sub/b.png")
    scandir = os.scandir

    def guarded(path: str) -> object:
        if Path(path).name == "sub":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    assert restore("in", "-o", "out", "-r").code == 1
    ran = darnet("status", "out")
    assert (ran.code, ran.out.splitlines()[:2]) == (1, ["out: 1 done, 1 failed", "  in/sub: failed: permission denied"])
    assert json.loads(darnet("status", "out", "--json").out)["pictures"][0]["output"] is None


def test_as_json(half_done, darnet):
    found = json.loads(darnet("status", "out", "--json").out)
    assert (found["done"], found["failed_earlier"], found["unfinished"], found["outdated"]) == (1, 1, 1, 1)
    assert [(one["input"], one["output"], one["status"]) for one in found["pictures"]] == [
        ("in/b.png", "out/b.png", "failed earlier"),
        ("in/c.png", "out/c.png", "unfinished"),
    ]
    assert found["last_run"]["settings"]["job"]["strength"] == 0.5
    assert found["last_run"]["pictures_per_second"] is None


@pytest.mark.parametrize("made", ["empty", "half-made", "of a shard"])
def test_what_no_run_could_note_is_not_finished(pictures, restore, darnet, monkeypatch, made):
    pictures("in/a.png")
    if made == "half-made":

        def full(*_: object) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(Entry, "row", full)
            assert "database or disk is full" in restore("in", "-o", "out").err
    elif made == "of a shard":
        restore("in", "-o", "out", "--shard", "0/1")
        Path("out/.darnet-1-of-2.sqlite").touch()
    else:
        Path("out").mkdir()
        Path("out", NAME).touch()
    ran = darnet("status", "out")
    assert (ran.code, ran.err) == (1, "")
    assert "0 done\nnothing is known: no run has told the ledger of a picture yet\n" in ran.out
    assert restore("in", "-o", "out", *(("--shard", "0/1") if made == "of a shard" else ())).code == 0
    assert darnet("status", "out").code == (made == "of a shard")


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
