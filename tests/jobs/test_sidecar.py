"""darnet.jobs.sidecar: what was done, beside the output, and enough to do it again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from darnet import restore_many
from darnet.errors import ImageError, UsageError
from darnet.jobs import Encoding, Job, sidecar
from darnet.restore.strength import Strength


def test_it_says_what_was_done_and_can_be_done_again(pictures, spec):
    pictures("in/a.png")
    pictures("mask.png", grey=True)
    how = Job("noise", Strength({"noise": 0.5}, luma=0.7), Encoding("webp", 80), mask="mask.png", sidecar=True)
    (done,) = restore_many("in", "out", spec, how)
    file = Path("out/a.webp.json")
    known = json.loads(file.read_text())
    assert (known["input"], known["result"]["experts"]) == ("../in/a.png", ["noise"])
    assert known["settings"]["job"]["mask"] == "../mask.png"
    again = sidecar.read(file)
    assert (again.spec, again.other) == (spec.model_copy(update={"backend": "torch"}), ()), "as DARNET_BACKEND states"
    assert again.picture.path.samefile("in/a.png")
    (repeated,) = restore_many(again.picture.path, "again.webp", again.spec, again.job)
    assert Path(repeated.output).read_bytes() == Path(done.output).read_bytes()
    assert Path("again.webp.json").exists()


def test_a_folder_that_is_done_has_its_sidecars(pictures, spec):
    for name in "ab":
        pictures(f"in/{name}.png")
    job = Job(sidecar=True)
    list(restore_many("in", "out", spec, job))
    Path("out/a.png.json").unlink()
    assert [done.already for done in restore_many("in", "out", spec, job)] == [True, False]
    assert Path("out/a.png.json").exists()
    assert all(done.already for done in restore_many("in", "out", spec, job))


def test_somebodys_file_is_not_replaced(pictures, spec):
    pictures("a.png")
    Path("b.png.json").write_text("mine")
    (done,) = restore_many("a.png", "b.png", spec, Job(sidecar=True))
    assert done.error == "b.png.json: exists already; `overwrite=True` replaces it"
    assert not Path("b.png").exists()


def test_a_sidecar_that_cannot_be_written_is_a_failure(pictures, spec, monkeypatch):
    def fail(*_: object) -> None:
        raise ImageError(Path("out/a.png.json"), "no space left on device")

    pictures("in/a.png")
    with monkeypatch.context() as patch:
        patch.setattr(sidecar, "write", fail)
        (done,) = restore_many("in", "out", spec, Job(sidecar=True))
    assert (done.output, done.error) == (None, "out/a.png.json: no space left on device")
    assert not Path("out/a.png").exists()
    (done,) = restore_many("in", "out", spec, Job(sidecar=True))
    assert done.error is None


def test_what_is_not_as_it_was_is_said(pictures, spec, tmp_path):
    system = Path(shutil.copytree(spec.system, tmp_path / "system"))
    pictures("a.png")
    pictures("mask.png", grey=True)
    own = spec.model_copy(update={"system": str(system)})
    list(restore_many("a.png", "b.png", own, Job(mask="mask.png", sidecar=True)))
    pictures("mask.png", grey=True, seed=1)
    known = json.loads((system / "system.json").read_text())
    (system / "system.json").write_text(json.dumps(known | {"name": "other"}))
    assert sidecar.read(Path("b.png.json")).other == ("its weights are others", "its mask is")


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"darnet": "1"}', None])
def test_what_is_no_sidecar_is_an_error(pictures, spec, content):
    path = Path("a.json")
    if content is None:
        pictures("a.png")
        list(restore_many("a.png", "b.png", spec, Job(sidecar=True)))
        known = json.loads(Path("b.png.json").read_text())
        known["settings"]["job"]["encoding"]["quality"] = 700
        content = json.dumps(known)
    path.write_text(content)
    with pytest.raises(ImageError, match=r"^a\.json: (no|damaged) sidecar"):
        sidecar.read(path)
    with pytest.raises(ImageError, match="no such file"):
        sidecar.read(Path("gone.json"))


def test_what_cannot_be_told_is_refused(pictures, spec):
    pictures("a.png")
    with pytest.raises(UsageError, match="`sidecar=True`: takes a system's name"):
        restore_many("a.png", "b.png", spec.build(), Job(sidecar=True))
    with pytest.raises(UsageError, match="`sidecar=True`: lies beside the output, which is stdout"):
        Job(sidecar=True).plan(["a.png"], "-")


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        ("input", "a\0.png", "no sidecar, as `sidecar=True` writes them: input: String should match"),
        ("settings.job.strength", None, "damaged sidecar: settings.job.strength.float: Input should be a valid number"),
        ("settings.job.first", "maybe", "damaged sidecar: settings.job.first: Input should be a valid boolean"),
        ("settings.job.first", "yes", "damaged sidecar: settings.job.first: is nothing that darnet writes"),
        ("settings.job.hm", 1, "damaged sidecar: settings.job.hm: is nothing that darnet writes"),
        ("settings.job.encoding.hm", 1, "damaged sidecar: settings.job.encoding: is nothing that darnet writes"),
        ("settings.job.mask", "gone.png", "its settings cannot be had any more: gone.png: no such file"),
        ("settings.job.mask", "a\0", "its settings cannot be had any more: embedded null byte"),
        ("settings.job", 5, "damaged sidecar: settings.job: Input should be"),
        ("settings.restorer", {}, "damaged sidecar: settings.restorer.device: is missing"),
        ("settings.restorer.system", "darnett", "its settings cannot be had any more: no system called 'darnett'"),
        ("settings.restorer.tiles", 5, "damaged sidecar: settings.restorer: `tiles=5`: expected a"),
        ("", "[]", "no sidecar, as `sidecar=True` writes them: Input should be an object"),
        ("", "\x89PNG", "no sidecar, as `sidecar=True` writes them: Invalid JSON"),
    ],
)
def test_an_edited_sidecar_is_one_line_that_names_it_and_the_field(pictures, spec, place, value, reason):
    pictures("a.png")
    list(restore_many("a.png", "b.png", spec, Job(sidecar=True)))
    file = Path("b.png.json")
    if place:
        known = json.loads(file.read_text())
        *folders, name = place.split(".")
        part = known
        for folder in folders:
            part = part[folder]
        part[name] = value
        value = json.dumps(known)
    file.write_text(value)
    with pytest.raises(ImageError) as refused:
        sidecar.read(file)
    assert str(refused.value).startswith(f"b.png.json: {reason}")
    assert "\n" not in str(refused.value)


def test_a_sidecar_older_than_the_setting_backend_means_the_usual_one(pictures, spec):
    pictures("a.png")
    list(restore_many("a.png", "b.png", spec, Job(sidecar=True)))
    file = Path("b.png.json")
    known = json.loads(file.read_text())
    assert known["settings"]["restorer"].pop("backend") == "torch"
    file.write_text(json.dumps(known))
    again = sidecar.read(file)
    assert again.spec == spec.model_copy(update={"backend": "auto"})
