"""darnet.jobs.job: pictures one by one, what became of each, and nothing of a command line."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import weakref
from dataclasses import replace
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import numpy as np
import pytest

import darnet
from darnet import Restorer, RestorerSpec, restore_many
from darnet.errors import ImageError, UnknownNameError, UsageError, WeightsError
from darnet.images.image import Image
from darnet.jobs import Done, Encoding, Job
from darnet.jobs.ledger import LOCK, NAME


def files(folder: str) -> list[str]:
    found = (path for path in Path(folder).rglob("*") if path.is_file() and path.name not in {LOCK, NAME})
    return sorted(str(path.relative_to(folder)) for path in found)


@pytest.fixture(scope="module")
def restorer(tiny_system: Path) -> Restorer:
    """Calls everything noise, and brightens it."""
    return RestorerSpec(system=str(tiny_system), device="cpu").build()


def test_a_folder_is_restored_and_originals_are_not_touched(pictures, tiny_system):
    photos = [pictures("in/a.png"), pictures("in/sub/b.jpg")]
    before = [photo.read_bytes() for photo in photos]
    outcomes = list(restore_many("in", "out", tiny_system, Job(recursive=True)))
    assert [(done.input, done.output) for done in outcomes] == [
        ("in/a.png", "out/a.png"),
        ("in/sub/b.jpg", "out/sub/b.jpg"),
    ]
    for done in outcomes:
        assert (done.error, done.exit_code, done.traceback) == (None, 0, "")
        assert done.treatment.diagnosis.label == "noise"
        assert (done.treatment.experts, done.treatment.changed) == (("noise",), True)
        assert done.treatment.seconds > 0
        assert (Image.read(done.output).array > Image.read(done.input).array).mean() > 0.99
    assert [photo.read_bytes() for photo in photos] == before


@pytest.mark.parametrize("given", [str, Path, lambda path: [path], lambda path: iter([str(path)])])
def test_inputs_are_paths_or_several(pictures, restorer, given):
    photo = pictures("a.png")
    (done,) = restore_many(given(photo), Path("out.png"), restorer)
    assert done.output == "out.png"


def test_each_is_restored_when_it_is_asked_for(pictures, restorer):
    for name in ("in/a.png", "in/b.png"):
        pictures(name)
    outcomes = restore_many("in", "out", restorer)
    assert not Path("out").exists()
    next(outcomes)
    assert files("out") == ["a.png"]


def test_who_restores_is_a_name_a_spec_or_built(pictures, tiny_system, restorer):
    pictures("a.png")
    spec = RestorerSpec(system=str(tiny_system), device="cpu")
    job = Job(overwrite=True)
    written = []
    for one in (str(tiny_system), tiny_system, spec, restorer):
        (done,) = restore_many("a.png", "out.png", one, job)
        written.append(Path(done.output).read_bytes())
    assert len(set(written)) == 1


def test_kinds_and_strength(pictures, restorer):
    photo = Image.read(pictures("a.png")).array.astype(int)
    full, half = (
        next(restore_many("a.png", f"{strength}.png", restorer, Job("noise", strength))) for strength in (1, 0.5)
    )
    assert full.treatment.diagnosis is None
    brighter = [Image.read(done.output).array - photo for done in (full, half)]
    assert np.abs(brighter[1] * 2 - brighter[0]).max() <= 1
    assert hash(Job("noise")) == hash(Job(("noise",)))
    assert Job("noise") == Job(("noise",)) != Job()


def test_a_failure_is_an_outcome_and_the_others_go_on(pictures, restorer):
    pictures("a.png")
    Path("b.png").write_text("no picture")
    pictures("c.png")
    missing, good, bad, last = restore_many(["a.png", "b.png", "gone.png", "c.png"], "out", restorer)
    assert missing == Done("gone.png", error="no such file or folder", exit_code=1)
    assert (good.output, last.output) == ("out/a.png", "out/c.png")
    assert (bad.input, bad.output, bad.treatment, bad.exit_code) == ("b.png", None, None, 1)
    assert bad.error == "not a JPEG, PNG, TIFF, WebP, AVIF, GIF, BMP, PPM, JPEG 2000, JPEG XL or HEIC picture"
    assert "ImageError" in bad.traceback
    assert files("out") == ["a.png", "c.png"]


def test_the_first_failure_is_the_last_outcome_where_that_was_asked_for(pictures, restorer):
    Path("b.png").write_text("no picture")
    for name in ("a.png", "c.png"):
        pictures(name)
    job = Job(fail_fast=True)
    good, bad = restore_many(["a.png", "b.png", "c.png"], "out", restorer, job)
    assert (good.output, bad.error) == (
        "out/a.png",
        "not a JPEG, PNG, TIFF, WebP, AVIF, GIF, BMP, PPM, JPEG 2000, JPEG XL or HEIC picture",
    )
    assert files("out") == ["a.png"]
    for inputs in (["c.png", "gone.png", "lost.png"], ["gone.png", "lost.png"]):
        (missing,) = restore_many(inputs, "out", restorer, job)
        assert missing.error == "no such file or folder"
    assert files("out") == ["a.png"]


def test_what_is_said_of_a_picture_is_in_its_outcome_and_nowhere_else(pictures, restorer, recwarn):
    """A damaged profile is met by the restorer, damaged EXIF by who reads, and transparency is lost in writing."""
    pictures.damaged("a.tif")
    (done,) = restore_many("a.tif", restorer=restorer, job=Job("noise", encoding=Encoding("jpg")))
    warnings = list(done.treatment.warnings)
    assert warnings == [
        "the ICC profile is damaged; its colours are taken for sRGB",
        warnings[1],
        "a.restored.jpg: JPEG files are written without transparency",
    ]
    assert warnings[1].startswith("the EXIF is damaged")
    assert not recwarn.list


@pytest.mark.parametrize(
    ("error", "said", "code"), [(MemoryError(), "out of memory", 5), (KeyError("x"), "unexpected KeyError: 'x'", 1)]
)
def test_whatever_goes_wrong_in_a_picture_is_its_own(pictures, restorer, error, said, code):
    def fail(pixels: object) -> None:
        raise error

    pictures("a.png")
    broken = replace(restorer, experts={"noise": fail})
    (done,) = restore_many("a.png", restorer=broken)
    assert (done.error, done.exit_code) == (said, code)
    assert "in fail" in done.traceback
    assert files(".") == ["a.png"]


def test_what_was_found_out_is_kept_where_writing_fails(pictures, restorer):
    wide = np.random.default_rng(0).integers(0, 256, (4, 20_000, 3), np.uint8)
    Image.of(wide).write("wide.png")
    (done,) = restore_many("wide.png", restorer=restorer, job=Job("noise", encoding=Encoding("webp")))
    assert "cannot be written as WebP" in done.error
    assert (done.output, done.treatment.experts) == (None, ("noise",))
    assert files(".") == ["wide.png"]


def test_an_output_that_exists_fails_before_the_work(pictures, restorer):
    pictures("a.png")
    Path("a.restored.png").write_text("precious")
    (done,) = restore_many("a.png", restorer=restorer)
    assert done.error == "a.restored.png: exists already; `overwrite=True` replaces it"
    assert done.treatment is None
    assert Path("a.restored.png").read_text() == "precious"
    (done,) = restore_many("a.png", restorer=restorer, job=Job(overwrite=True))
    assert Image.read(done.output).width == 24


def test_a_rehearsal_decides_the_same_and_writes_nothing(pictures, restorer):
    pictures("a.png")
    Path("a.restored.png").write_text("precious")
    job = Job(dry_run=True)
    warned = {None: ("a.restored.png: exists already; `overwrite=True` replaces it",), "new/b.png": ()}
    for output, warnings in warned.items():
        (done,) = restore_many("a.png", output, restorer, job)
        assert (done.output, done.error, done.treatment.changed) == (None, None, False)
        assert [repair.kind for repair in done.treatment.plan] == ["noise"]
        assert done.treatment.warnings == warnings
    assert files(".") == ["a.png", "a.restored.png"]


def test_a_limit_is_an_argument(pictures, restorer):
    pictures("a.png")
    (done,) = restore_many("a.png", restorer=restorer, job=Job(max_pixels=100))
    assert done.error == "24 x 24 is more than 100 pixels"


def test_what_no_picture_can_be_restored_with_is_raised_before_any(pictures, restorer, damaged_system):
    pictures("a.png")
    for job, error in {Job("haste"): UnknownNameError, Job(strength=2): UsageError}.items():
        with pytest.raises(error):
            restore_many("a.png", "out.png", restorer, job)
    with pytest.raises(WeightsError, match="noise"):
        restore_many("a.png", "out.png", damaged_system, Job("noise"))
    with pytest.raises(UnknownNameError, match="no system called 'nothing'"):
        restore_many("a.png", "out.png", "nothing")
    assert files(".") == ["a.png"]


def test_a_mask_is_read_once_before_any_picture(pictures, restorer, monkeypatch):
    """One that cannot be is no failure of each picture; one of another size is."""
    for name in ("in/a.png", "in/b.png", "mask.png"):
        pictures(name)
    pictures("in/small.png", side=20)
    Path("bad.png").write_text("no picture")
    for mask, reason in {"gone.png": "no such file", "bad.png": "not a JPEG", "in": "is a directory"}.items():
        with pytest.raises(ImageError, match=f"^{mask}: {reason}"):
            restore_many("in", "out", restorer, Job(mask=mask))
    assert not Path("out").exists()
    read, looks = Image.read.__func__, list[str]()
    seen = classmethod(lambda cls, path, **options: looks.append(str(path)) or read(cls, path, **options))
    monkeypatch.setattr(Image, "read", seen)
    errors = [done.error for done in restore_many("in", "out", restorer, Job(mask="mask.png"))]
    assert looks == ["mask.png", "in/a.png", "in/b.png", "in/small.png"]
    assert errors == [None, None, "`mask`: mask.png has 24 × 24 pixels, and the picture has 20 × 20"]


def test_where_there_is_nothing_to_restore_nothing_is_loaded(pictures):
    assert list(restore_many([], "out", "nothing")) == []
    Path("empty").mkdir()
    (done,) = restore_many("empty", "out", "nothing")
    assert done.error == "no pictures in this folder (`recursive=True` looks into subfolders)"


def test_an_outcome_is_small_and_can_be_sent(pictures, restorer):
    pictures("a.png", side=256)
    Path("bad.png").write_text("no picture")
    for done in restore_many(["a.png", "bad.png"], "out", restorer):
        sent = ForkingPickler.dumps(done)
        assert ForkingPickler.loads(sent) == done
        assert len(bytes(sent)) < 8000  # of a picture of 196 kB
        assert set(json.loads(json.dumps(done.to_dict()))) == {"input", "output", "already", "result", "error"}


def test_no_picture_is_held_when_its_outcome_is_given(pictures, restorer, monkeypatch):
    """A folder may hold more than memory does. The error of one that fails would hold its frames, and so its pixels."""
    for name in "abcd":
        pictures(f"in/{name}.png")
    known: list[weakref.ref[Image]] = []
    whole = Restorer.__call__

    def watched(self: Restorer, source: Image, **options: object) -> object:
        known.append(weakref.ref(source))
        if source.path and source.path.name == "b.png":
            raise RuntimeError("boom")
        result = whole(self, source, **options)
        known.append(weakref.ref(result.restored))
        return result

    monkeypatch.setattr(Restorer, "__call__", watched)
    outcomes = []
    for done in restore_many("in", "out", restorer):
        outcomes.append(done)
        gc.collect()
        assert [image() for image in known] == [None] * len(known)
    assert [done.error for done in outcomes] == [None, "unexpected RuntimeError: boom", None, None]


PROGRAM = """
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from darnet import RestorerSpec
from darnet.jobs import Done, Job, Task


def work(spec: str, job: Job, tasks: list[Task]) -> list[Done]:
    return list(job.run(tasks, RestorerSpec.from_json(spec).build()))


def modules(spec: RestorerSpec) -> list[str]:
    return [spec.system, *sys.modules]


if __name__ == "__main__":
    spec, job = RestorerSpec(system=sys.argv[1], device="cpu"), Job()
    tasks = job.plan(["in"], "out").tasks
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for part in [pool.submit(work, spec.to_json(), job, tasks[start::2]) for start in range(2)]:
            for done in part.result():
                print(done.input, done.output, done.error, done.treatment and done.treatment.experts, sep=" | ")
        system, *there = pool.submit(modules, spec).result()
    assert system == spec.system
    print([name for name in ("typer", "click", "rich", "darnet.cli") if name in {*sys.modules, *there}])
"""


def test_a_pool_of_processes_restores_by_a_spec_that_was_sent(pictures, tiny_system, restorer):
    for name in ("a.png", "c.png"):
        pictures(f"in/{name}")
    Path("in/b.png").write_text("no picture")
    Path("program.py").write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": str(Path(darnet.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(
        [sys.executable, "program.py", str(tiny_system)], capture_output=True, text=True, env=environment, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [
        "in/a.png | out/a.png | None | ('noise',)",
        "in/c.png | out/c.png | None | ('noise',)",
        "in/b.png | None | not a JPEG, PNG, TIFF, WebP, AVIF, GIF, BMP, PPM, JPEG 2000, JPEG XL or HEIC picture | None",
        "[]",
    ]
    list(restore_many("in", "alone", restorer))
    for name in ("a.png", "c.png"):
        assert Path("out", name).read_bytes() == Path("alone", name).read_bytes()


def test_a_name_that_no_file_can_have_is_an_outcome_as_any_other() -> None:
    done = list(restore_many(["a\0b.png", "a\ud800.png"]))
    assert [one.error for one in done] == ["no file can be called so"] * 2
