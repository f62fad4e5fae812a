"""darnet.jobs.resuming: what an earlier run has done is not done again, and what it did not is, whatever ended it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

import darnet
from darnet import RestorerSpec, restore_many
from darnet.images.image import Image
from darnet.jobs import Done, Job
from darnet.jobs.ledger import LOCK, NAME
from darnet.jobs.resuming import Resumption
from darnet.restore.restorer import Restorer

CHANGED = "somebody has changed it since it was written; `overwrite=True` replaces it"


@pytest.fixture
def folder(pictures) -> None:
    for seed, name in enumerate("abc"):
        pictures(f"in/{name}.png", seed=seed)


USUAL = Job()


def run(spec: RestorerSpec, job: Job = USUAL, output: str | None = "out") -> dict[str, str]:
    """What became of each picture, by its name."""

    def told(done: Done) -> str:
        return "already" if done.already else "restored" if done.error is None else done.error

    return {Path(done.input).stem: told(done) for done in restore_many("in", output, spec, job)}


def contents(folder: str = "out") -> dict[str, bytes]:
    """All that lies there but the ledger and its lock."""
    found = {str(path): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}
    return {path: data for path, data in found.items() if Path(path).name not in {NAME, LOCK}}


def test_what_is_done_is_done_already_and_says_what_was_done(folder, spec, monkeypatch):
    first = list(restore_many("in", "out", spec))
    before = contents()
    monkeypatch.setattr(RestorerSpec, "build", None)  # no network is loaded
    monkeypatch.setattr(Image, "read", None)  # nor is any picture
    again = list(restore_many("in", "out", spec))
    assert again == [replace(done, already=True) for done in first]
    assert [done.treatment.experts for done in again] == [("noise",)] * 3
    assert contents() == before


def test_beside_the_inputs_of_a_folder_the_ledger_lies_in_it(folder, spec):
    assert set(run(spec, output=None).values()) == {"restored"}
    assert Path("in", NAME).exists()
    assert set(run(spec, output=None).values()) == {"already"}
    assert sorted(contents("in")) == [f"in/{name}" for name in ("a.png", "a.restored.png", "b.png")] + [
        "in/b.restored.png",
        "in/c.png",
        "in/c.restored.png",
    ]


def test_a_single_file_has_no_ledger_and_neither_has_who_nobody_knows(folder, spec):
    list(restore_many("in/a.png", None, spec))
    list(restore_many("in/a.png", "b.png", spec))
    list(restore_many("in", "out", spec.build()))
    list(restore_many("in", "dry", spec, Job(dry_run=True)))
    assert not list(Path().rglob(NAME))
    assert not Path("dry").exists()


@pytest.mark.parametrize("damage", ["missing", "truncated", "empty"])
def test_an_output_that_is_lost_is_made_again(folder, spec, damage):
    run(spec)
    before, path = contents(), Path("out/b.png")
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(b"" if damage == "empty" else path.read_bytes()[:-100])
    assert run(spec) == {"a": "already", "b": "restored", "c": "already"}
    assert contents() == before


def test_an_output_that_somebody_has_changed_stays(folder, spec, pictures):
    run(spec)
    pictures("out/b.png", seed=9)
    before = contents()
    assert run(spec) == {"a": "already", "b": f"out/b.png: {CHANGED}", "c": "already"}
    assert contents() == before
    assert run(spec, Job(overwrite=True)) == {"a": "already", "b": "restored", "c": "already"}
    assert contents() != before
    assert set(run(spec).values()) == {"already"}


def test_an_output_with_another_date_is_still_the_same(folder, spec):
    run(spec)
    os.utime("out/a.png", (1, 1))
    os.utime("in/b.png", (1, 1))
    assert set(run(spec).values()) == {"already"}


def test_other_settings_replace_what_is_ours_and_nothing_else(folder, spec, pictures):
    pictures("out/c.png", seed=9)
    refused = "out/c.png: exists already; `overwrite=True` replaces it"
    assert run(spec) == {"a": "restored", "b": "restored", "c": refused}
    before = contents()
    assert run(spec, Job(strength=0.5)) == {"a": "restored", "b": "restored", "c": refused}
    assert {name for name, data in contents().items() if data == before[name]} == {"out/c.png"}
    assert run(spec.model_copy(update={"max_steps": 1}), Job(strength=0.5))["a"] == "restored"
    assert run(spec) == {"a": "restored", "b": "restored", "c": refused}
    assert contents() == before


def test_another_input_is_restored_again(folder, spec, pictures):
    run(spec)
    pictures("in/b.png", seed=9)
    assert run(spec) == {"a": "already", "b": "restored", "c": "already"}


def test_folders_that_were_moved_are_known(folder, spec):
    run(spec)
    Path("deep").mkdir()
    Path("in").rename("deep/in")
    Path("out").rename("deep/out")
    outcomes = list(restore_many("deep/in", "deep/out", spec))
    assert [(done.already, done.output) for done in outcomes] == [(True, f"deep/out/{name}.png") for name in "abc"]


def test_a_failure_is_tried_again_and_its_place_is_nobodys(folder, spec, pictures):
    whole = Path("in/b.png").read_bytes()
    Path("in/b.png").write_text("no picture")
    assert run(spec)["b"].startswith("not a JPEG")
    Path("in/b.png").write_bytes(whole)
    pictures("out/b.png", seed=9)  # somebody's own, in place of what failed
    assert run(spec)["b"] == "out/b.png: exists already; `overwrite=True` replaces it"
    Path("out/b.png").unlink()
    assert run(spec) == {"a": "already", "b": "restored", "c": "already"}


def test_residuals_belong_to_what_was_written(folder, spec):
    job = Job(keep=True)
    run(spec, job)
    before = contents()
    assert len(before) == 6
    Path("out/a.png.residuals").unlink()
    assert run(spec, job) == {"a": "restored", "b": "already", "c": "already"}
    assert contents() == before
    assert set(run(spec, Job("noise", keep=True)).values()) == {"restored"}


def test_names_that_are_no_text(folder, spec):
    try:
        Path("in", os.fsdecode(b"\xff.png")).write_bytes(Path("in/a.png").read_bytes())
    except OSError:
        pytest.skip("the file system takes text alone")
    assert len(run(spec)) == 4
    assert list(run(spec).values()) == ["already"] * 4


def test_tasks_may_run_in_any_order(folder, spec):
    job, restorer = Job(), spec.build()
    tasks = job.plan(["in"], "out").tasks
    resumption = Resumption.of(job, spec, tasks)
    left, known = resumption.outstanding(tasks)
    assert (len(left), len(known)) == (3, 0)
    begun = list(resumption.claimed(left))
    assert len({task.mark for task in begun}) == 1
    outcomes = [done for task in reversed(begun) for done in job.run([task], restorer)]
    assert len(list(resumption.recorded(outcomes))) == 3
    assert set(run(spec).values()) == {"already"}


PROGRAM = """
import sys, time
from pathlib import Path
from darnet import RestorerSpec, restore_many
from darnet.images.image import Image
from darnet.restore.restorer import Restorer

whole, written = Restorer.__call__, Path.replace

def slow(self, source, **options):
    time.sleep(0.03)
    return whole(self, source, **options)

def slowly(self, target):
    time.sleep(0.03)  # so that a run is often killed here, with a temporary file
    return written(self, target)

Restorer.__call__, Path.replace = slow, slowly
for done in restore_many("in", "out", RestorerSpec(system=sys.argv[1], device="cpu")):
    assert done.error is None, done.error
    print("already" if done.already else "restored", done.input, flush=True)
"""


def test_killed_at_any_moment_it_goes_on_to_the_same_bytes(pictures, spec):
    """Nothing is lost, nothing is done twice but what was at hand, and nothing unfinished is left."""
    for number in range(40):
        pictures(f"in/{number % 3}/{number}.png", seed=number)
    job = Job(recursive=True)
    list(restore_many("in", "whole", spec, job))
    whole = contents("whole")
    Path("program.py").write_text(
        PROGRAM.replace('device="cpu")', 'device="cpu"), Job(recursive=True)').replace(
            "from darnet.images", "from darnet.jobs import Job\nfrom darnet.images", 1
        )
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(darnet.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "program.py", spec.system]
    restored: list[str] = []
    Path("out").mkdir()
    Path("out/.0123456789abcdef.png").write_text("somebody's")
    for lines in (4, 9, 17, None):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
            assert process.stdout is not None
            told = []
            for line in process.stdout:
                told.append(line)
                if lines is not None and sum(one.startswith("restored") for one in told) == lines:
                    time.sleep(0.04)
                    process.send_signal(signal.SIGKILL)
                    break
            process.wait()
            assert process.returncode == (0 if lines is None else -signal.SIGKILL)
            restored += [line for line in told if line.startswith("restored")]
    assert len(set(restored)) == 40
    found = contents()
    assert found.pop("out/.0123456789abcdef.png") == b"somebody's"
    assert found == {name.replace("whole", "out", 1): data for name, data in whole.items()}


def test_another_picture_of_the_same_name_replaces_nothing(folder, spec, pictures):
    pictures("other/a.png", seed=7)
    assert run(spec) == dict.fromkeys("abc", "restored")
    before = contents()
    (done,) = restore_many("other", "out", spec)
    assert done.error is not None
    assert done.error.startswith(f"out/a.png: was made of {Path('in/a.png').resolve()}; `overwrite=True`")
    assert contents() == before
    (done,) = restore_many("other", "out", spec, Job(overwrite=True))
    assert done.error is None
    assert contents() != before


def test_a_folder_that_was_moved_is_done_already(folder, spec):
    run(spec)
    Path("in").rename("elsewhere")
    assert {done.already for done in restore_many("elsewhere", "out", spec)} == {True}


def test_what_lay_beside_an_output_of_other_settings_goes_with_it(folder, spec):
    """It would tell of another picture, and stand in the way of the next."""
    usual, more = Job(kinds="noise"), Job(kinds="noise", sidecar=True, keep=True)
    assert run(spec, more) == dict.fromkeys("abc", "restored")
    assert len(contents()) == 9
    assert run(spec, usual) == dict.fromkeys("abc", "restored")
    assert sorted(contents()) == ["out/a.png", "out/b.png", "out/c.png"]
    assert run(spec, more) == dict.fromkeys("abc", "restored")
    Path("out/a.png.json").write_text("mine")
    assert run(spec, usual) == {**dict.fromkeys("bc", "restored"), "a": "restored"}
    assert Path("out/a.png.json").read_text() == "mine"


def test_what_a_killed_run_did_not_write_is_somebodys(folder, spec, pictures):
    """Of pictures that were begun some were written and nobody could say so; in place of another lies a file since."""
    job, restorer = Job(keep=True, sidecar=True), spec.build()
    run(spec, job, "whole")
    tasks = job.plan(["in"], "out").tasks
    killed = Resumption.of(job, spec, tasks)
    begun = list(killed.claimed(killed.outstanding(tasks)[0]))
    list(map(job.worker(restorer), begun[::2]))
    for ledger in killed._ledgers.values():  # nothing is recorded
        ledger.close()
    pictures("out/b.png", seed=9)
    mine = Path("out/b.png").read_bytes()
    refused = "out/b.png: exists already; `overwrite=True` replaces it"
    assert run(spec, job) == {"a": "restored", "b": refused, "c": "restored"}
    assert Path("out/b.png").read_bytes() == mine
    assert run(spec, job) == {"a": "already", "b": refused, "c": "already"}
    assert run(spec, replace(job, overwrite=True))["b"] == "restored"
    pixels = {name: data for name, data in contents().items() if not name.endswith(".json")}
    assert pixels == {
        f"out/{Path(name).name}": data for name, data in contents("whole").items() if name[-5:] != ".json"
    }


def test_a_file_put_there_while_a_run_goes_on_stays(folder, spec, pictures):
    job = Job()
    tasks = job.plan(["in"], "out").tasks
    killed = Resumption.of(job, spec, tasks)
    list(killed.claimed(killed.outstanding(tasks)[0]))
    for ledger in killed._ledgers.values():
        ledger.close()
    coming = restore_many("in", "out", spec)
    next(coming)
    pictures("out/c.png", seed=9)
    assert [done.error for done in coming] == [None, "out/c.png: exists already; `overwrite=True` replaces it"]


def test_an_input_that_changes_while_it_is_restored_is_restored_again(folder, spec, pictures, monkeypatch):
    whole = Restorer.__call__

    def changing(self, source, **options):
        if source.path.name == "b.png":
            pictures("in/b.png", seed=9)
        return whole(self, source, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Restorer, "__call__", changing)
        run(spec)
    assert run(spec) == {"a": "already", "b": "restored", "c": "already"}
    assert {path.name for path in Path("out").glob(".*")} == {NAME, LOCK}
