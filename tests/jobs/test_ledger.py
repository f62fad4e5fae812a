"""darnet.jobs.ledger: a database that says what it is, whom one run has to itself, and that is never guessed at."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest

from darnet import RestorerSpec, restore_many
from darnet.errors import ImageError
from darnet.images.image import Image
from darnet.jobs import Job
from darnet.jobs.ledger import KIND, LOCK, NAME, VERSION, Ledger
from darnet.jobs.settings import Settings
from darnet.jobs.status import Status
from darnet.restore.restorer import Restorer

USUAL = Job()


@pytest.fixture
def folder(pictures) -> None:
    for seed, name in enumerate("abc"):
        pictures(f"in/{name}.png", seed=seed)


def outcomes(spec: RestorerSpec, job: Job = USUAL, output: str = "out") -> set[str]:
    done = restore_many("in", output, spec, job)
    return {"already" if one.already else "restored" if one.error is None else one.error for one in done}


def pictures_in(folder: str) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path(folder).glob("[!.]*")}


def test_two_runs_at_once_the_second_is_refused(folder, spec):
    settings = Settings.of(Job(), spec)
    held = Ledger(Path("out"), settings)
    with pytest.raises(ImageError, match=r"out/\.darnet\.sqlite: another run is at work on this folder"):
        outcomes(spec)
    assert pictures_in("out") == {}
    held.close()
    assert outcomes(spec) == {"restored"}
    coming = restore_many("in", "new", spec)
    next(coming)
    with pytest.raises(ImageError, match="another run"):
        outcomes(spec, output="new")
    assert len(list(coming)) == 2


def test_another_thread_may_let_go_of_it(folder, spec):
    held = Ledger(Path("out"), Settings.of(Job(), spec))
    thread = Thread(target=held.close)
    thread.start()
    thread.join()
    assert outcomes(spec) == {"restored"}


@pytest.mark.parametrize("what", ["damaged", "other", "newer", "folder", "file"])
def test_a_ledger_that_cannot_be_used_is_an_error_before_any_picture(folder, spec, what):
    output, reason = "out", "damaged ledger"
    outcomes(spec)
    before, path = pictures_in("out"), Path("out", NAME)
    Path("out/a.png").unlink()
    if what == "damaged":
        path.write_bytes(b"no database at all, but long enough to be one" * 100)
    elif what == "other":
        path.unlink()
        with sqlite3.connect(path) as base:
            base.execute("CREATE TABLE notes (text)")
        base.close()
        reason = "no ledger of darnet's"
    elif what == "newer":
        with sqlite3.connect(path) as base:
            base.execute(f"PRAGMA user_version = {VERSION + 1}")
        base.close()
        reason = "written by a newer version of darnet"
    elif what == "folder":
        path.unlink()
        path.mkdir()
        reason = "cannot be read or written"
    else:
        Path("file").touch()
        output, reason = "file/deep", "not a directory"
    with pytest.raises(ImageError, match=reason):
        outcomes(spec, output=output)
    assert pictures_in("out") == {name: data for name, data in before.items() if name != "out/a.png"}


DAMAGE = {
    "there is no pictures.treatment": "ALTER TABLE pictures DROP COLUMN treatment",
    "there is no runs.began_ns": "DROP TABLE runs",
    "the settings of its last run are none": "UPDATE runs SET settings = '{}'",
    "a picture is 'hm'": "UPDATE pictures SET status = 'hm' WHERE place = x'612e706e67'",
    "treatment: steps: Field required": "UPDATE pictures SET treatment = '{}'",
    "no trace of a file": "UPDATE pictures SET files = '[{}]'",
}


@pytest.mark.parametrize("reason", DAMAGE)
def test_a_ledger_of_which_a_part_is_wrong_is_damaged(folder, spec, reason):
    outcomes(spec)
    Path("out/a.png").unlink()
    path = Path("out", NAME)
    with sqlite3.connect(path) as base:
        base.execute(DAMAGE[reason])
    base.close()
    said = f"^out/{NAME}: damaged ledger \\({reason}\\); without it nothing is known to be done$".replace("/.", r"/\.")
    with pytest.raises(ImageError, match=said):
        outcomes(spec)
    if "steps" not in reason:  # of what was found in each nothing is told
        with pytest.raises(ImageError, match=said):
            Status.read_all(Path("out"))


def test_an_output_that_can_be_no_folder_is_named(folder, spec):
    Path("file").touch()
    Path("loop").symlink_to("loop")
    Path(f"locked/{LOCK}").mkdir(parents=True)
    said = {"file": "file: not a folder", "loop": "loop: too many levels of symbolic links"}
    for output, reason in (said | {"locked": f"locked/{LOCK}: is a directory"}).items():
        with pytest.raises(ImageError) as refused:
            Ledger(Path(output), Settings.of(Job(), spec))
        assert str(refused.value) == reason


def test_an_empty_ledger_knows_nothing(folder, spec):
    Path("out").mkdir()
    Path("out", NAME).touch()
    (status,) = Status.read_all(Path("out"))
    assert (status.done, status.finished, list(status.not_done())) == (0, False, [])
    assert outcomes(spec) == {"restored"}


def test_a_folder_that_may_not_be_written_can_be_done_already(folder, spec, monkeypatch):
    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    outcomes(spec)
    monkeypatch.setattr("darnet.jobs.ledger.FileLock.acquire", refused)
    assert outcomes(spec) == {"already"}
    with pytest.raises(ImageError, match=r"out/\.darnet\.sqlite: the ledger cannot be written: permission denied"):
        outcomes(spec, Job(strength=0.5))
    with pytest.raises(ImageError, match=r"new/\.darnet\.lock: permission denied"):
        outcomes(spec, output="new")


def test_what_was_done_is_told_with_its_stages_and_without_where_none_were_noted(folder, spec):
    """As in ledgers of before they were."""
    outcomes(spec)
    (done, *_) = restore_many("in", "out", spec)
    assert done.already and done.treatment is not None
    assert done.treatment.seconds == pytest.approx(sum(done.treatment.stages.values()))
    with sqlite3.connect(Path("out", NAME)) as base:
        base.execute("UPDATE pictures SET treatment = json_remove(treatment, '$.stages')")
    base.close()
    (again, *_) = restore_many("in", "out", spec)
    assert again.already and again.treatment == replace(done.treatment, stages={})


def test_a_database_of_ours_says_so(folder, spec):
    outcomes(spec)
    with sqlite3.connect(Path("out", NAME)) as base:
        assert base.execute("PRAGMA application_id").fetchone() == (KIND,)
        assert base.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        rows = base.execute("SELECT place, status, seconds > 0, length(sha256) FROM pictures").fetchall()
    base.close()
    assert rows == [(f"{name}.png".encode(), "done", 1, 64) for name in "abc"]


def test_what_a_ledger_says_is_there_while_the_run_goes_on(folder, spec, monkeypatch):
    """Slow pictures are written down one by one."""
    whole = Restorer.__call__

    def slow(self: Restorer, source: Image, **options: object) -> object:
        time.sleep(1.1)
        return whole(self, source, **options)

    monkeypatch.setattr(Restorer, "__call__", slow)
    seen = []
    for _ in restore_many("in", "out", spec):
        with sqlite3.connect(Path("out", NAME)) as base:
            seen.append([status for (status,) in base.execute("SELECT status FROM pictures ORDER BY place")])
        base.close()
    assert seen[0] == ["done", "waiting", "waiting"]
    assert [one.count("done") for one in seen] == [1, 2, 3]
