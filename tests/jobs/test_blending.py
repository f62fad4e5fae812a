"""Many pictures blended anew: as a new run at that strength, without a network, and nothing is lost."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from darnet import Restorer, RestorerSpec, restore_many
from darnet.errors import UnknownNameError, UsageError
from darnet.images.image import Image
from darnet.jobs import Encoding, Job, Report, archive, check_report
from darnet.jobs.blending import blend_many
from darnet.jobs.job import Done
from darnet.restore.diagnosis import Diagnosis
from darnet.restore.strength import Strength

KINDS = ("noise", "blur")


def files(folder: str = ".") -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def restorer(tiny_system: Path) -> Restorer:
    return RestorerSpec(system=str(tiny_system), device="cpu").build()


@pytest.fixture
def keep(pictures, restorer):
    """Restore a picture, which is made, and keep what each step changed."""

    def run(name: str = "a.png", output: str | None = None, **options: object) -> str:
        pictures(name)
        (done,) = restore_many(name, output, restorer, Job(KINDS, keep=True, **options))
        assert done.error is None
        return f"{done.output}.residuals"

    return run


def fail(*_: object) -> None:
    raise OSError(28, "No space left on device")


def only(outcomes) -> Done:
    (done,) = outcomes
    return done


def test_what_each_step_changed_lies_beside_the_output(keep):
    assert keep() == "a.restored.png.residuals"
    assert files() == ["a.png", "a.restored.png", "a.restored.png.residuals"]


def test_a_blend_tells_what_the_repair_told(pictures, restorer):
    """Severity and confidence are those of the first look that found a kind, not of one after another repair."""
    looks = [
        Diagnosis({"clean": 0.1, "noise": 0.9, "blur": 0.72, "overexposure": 0.3}, {"noise": 24.0, "blur": 1.5}),
        Diagnosis({"clean": 0.2, "noise": 0.0, "blur": 0.8, "overexposure": 0.9}, {"blur": 2.5, "overexposure": 1.4}),
        Diagnosis({"clean": 0.1, "noise": 0.0, "blur": 0.0, "overexposure": 0.9}, {"overexposure": 1.7}),
    ]
    pictures("a.png")
    system = replace(restorer, router=lambda _: looks.pop(0), order=("noise", "blur", "overexposure"))
    (done,) = restore_many("a.png", None, system, Job(keep=True))
    told = {repair.kind: repair for step in reversed(done.treatment.steps) for repair in step.plan}
    blended = only(blend_many("a.restored.png.residuals", "b.png")).treatment
    assert blended.experts == done.treatment.experts == ("noise", "blur", "overexposure")
    assert [repair.to_dict() for repair in blended.plan] == [told[kind].to_dict() for kind in blended.experts]
    assert [repair.severity for repair in blended.plan] == [24.0, 1.5, 1.4]
    assert [round(repair.confidence, 2) for repair in blended.plan[:2]] == [0.9, 0.72]


def test_a_clean_picture_has_none(pictures, tiny_clean_system):
    pictures("a.png")
    (done,) = restore_many("a.png", None, tiny_clean_system, Job(keep=True))
    assert done.error is None
    assert files() == ["a.png", "a.restored.png"]


@pytest.mark.parametrize("options", [{"strength": 0}, {"dry_run": True}])
def test_where_nothing_is_done_nothing_is_kept(pictures, restorer, options):
    pictures("a.png")
    (done,) = restore_many("a.png", None, restorer, Job(KINDS, keep=True, **options))
    assert done.error is None
    assert not [name for name in files() if "residuals" in name]


@pytest.mark.parametrize(
    "strength", [1.0, 0.5, {"noise": 0.3}, Strength({"noise": 0.0}, luma=0.4), Strength(luma=0, chroma=1)], ids=str
)
@pytest.mark.parametrize("options", [{}, {"encoding": Encoding("tiff", bit_depth="16")}], ids=["as it came", "TIFF"])
def test_it_is_what_a_new_run_writes_to_one_level(keep, restorer, strength, options):
    kept = keep(strength=0.7, **options)
    before = Path(kept).read_bytes()
    done = only(blend_many(kept, strength=strength, overwrite=True))
    assert (done.error, done.input, done.output) == (None, kept, kept.removesuffix(".residuals"))
    assert done.treatment.experts == KINDS
    again = f"again{Path(done.output).suffix}"
    assert only(restore_many("a.png", again, restorer, Job(KINDS, strength, **options))).error is None
    new, blended = Image.read(again), Image.read(done.output)
    assert blended.array.dtype == new.array.dtype
    level = 257 if blended.array.dtype == np.uint16 else 1  # one of the picture, which has 8 bits
    assert np.abs(blended.array.astype(int) - new.array).max() <= level
    assert Path(kept).read_bytes() == before


def test_the_first_of_several_pages_is_blended_alone(pictures, restorer):
    pages = [PIL.Image.open(pictures(f"{seed}.png", seed=seed)) for seed in range(3)]
    pages[0].save("a.tif", save_all=True, append_images=pages[1:])
    (done,) = restore_many("a.tif", "b.tif", restorer, Job(KINDS, keep=True, first=True))
    assert only(blend_many("b.tif.residuals", "c.tif")).error is None
    assert Path("c.tif").read_bytes() == Path("b.tif").read_bytes()
    for done in (
        *restore_many("a.tif", "d.tif", restorer, Job(KINDS, 0.5, first=True)),
        *blend_many("b.tif.residuals", "e.tif", 0.5),
    ):
        assert done.error is None
    difference = Image.read("e.tif").array.astype(int) - Image.read("d.tif").array
    assert np.abs(difference).max() <= 1


def test_strength_0_is_the_file_that_came_in(keep):
    kept = keep("a.jpg")
    assert only(blend_many(kept, strength=0, overwrite=True)).treatment.changed is False
    assert Path("a.restored.jpg").read_bytes() == Path("a.jpg").read_bytes()


def test_at_full_strength_it_is_the_file_that_was_written(keep):
    kept = keep("a.jpg", encoding=Encoding(quality=20, metadata="strip"))
    before = Path("a.restored.jpg").read_bytes()
    assert only(blend_many(kept, strength=0.5, overwrite=True)).error is None
    assert "exif-data" not in Image.read("a.restored.jpg").metadata
    assert Path("a.restored.jpg").read_bytes() != before
    assert only(blend_many(kept, overwrite=True)).error is None
    assert Path("a.restored.jpg").read_bytes() == before


def test_no_network_is_imported(keep):
    kept = keep()
    program = f"""
import sys
from darnet import cli
code = cli.run(["blend", {kept!r}, "-o", "out.png", "-s", "noise=0.5"])
heavy = ("darnet.models", "darnet.engines", "darnet.systems", "darnet.restore.routers", "darnet.restore.experts",
         "darnet.restore.restorer", "safetensors")
print(code, [name for name in heavy if name in sys.modules])
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "0 []"
    assert Image.read("out.png")


def test_both_files_are_kept_without_leave_and_written_together(keep, restorer, monkeypatch):
    kept = keep()
    before = {name: Path(name).read_bytes() for name in files()}
    Path("a.restored.png").unlink()
    (done,) = restore_many("a.png", None, restorer, Job(KINDS, keep=True))
    assert done.error == "a.restored.png.residuals: exists already; `overwrite=True` replaces it"
    assert files() == ["a.png", kept]

    put = archive._put
    monkeypatch.setattr(archive, "_put", fail)
    (done,) = restore_many("a.png", None, restorer, Job(KINDS, keep=True, overwrite=True))
    assert done.error == f"{kept}: no space left on device"
    assert files() == ["a.png", kept]
    assert Path(kept).read_bytes() == before[kept]
    monkeypatch.setattr(archive, "_put", put)

    def refuse(*_: object) -> None:
        raise UsageError("no")

    monkeypatch.setattr(Encoding, "write", refuse)
    Path(kept).unlink()
    assert only(restore_many("a.png", None, restorer, Job(KINDS, keep=True))).error == "no"
    assert files() == ["a.png"]


@pytest.mark.parametrize("options", [{"strength": 0}, {"kinds": ()}])
def test_where_nothing_is_repaired_the_file_of_an_earlier_run_goes_with_its_output(
    keep, restorer, tiny_clean_system, monkeypatch, options
):
    """Else it lies beside an output that it does not belong to. Where the output cannot be written, both stay."""
    kept = keep()
    before = {name: Path(name).read_bytes() for name in files()}
    job = Job(**{"kinds": KINDS, "keep": True, **options})
    system = restorer if job.kinds else tiny_clean_system
    assert "exists already" in only(restore_many("a.png", None, system, job)).error
    assert only(restore_many("a.png", None, system, replace(job, overwrite=True, dry_run=True))).error is None
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", fail)
        assert only(restore_many("a.png", None, system, replace(job, overwrite=True))).error == (
            "a.restored.png: no space left on device"
        )
    assert {name: Path(name).read_bytes() for name in files()} == before

    assert only(restore_many("a.png", None, system, replace(job, overwrite=True))).error is None
    assert files() == ["a.png", "a.restored.png"]
    assert Path("a.restored.png").read_bytes() == before["a.png"]
    assert kept not in files()


def test_who_does_not_keep_takes_away_what_was_kept(keep, restorer):
    """It would tell of another output; where that is not replaced, or this is no such file, nothing is taken away."""
    kept = keep()
    assert only(restore_many("a.png", "c.png", restorer)).error is None
    assert only(blend_many(kept, "b.png")).error is None
    assert only(restore_many("a.png", None, restorer, Job(strength=0.5, overwrite=True))).error is None
    assert not Path(kept).exists()
    Path(kept).write_bytes(b"somebody's")
    assert only(restore_many("a.png", None, restorer, Job(strength=0.5, overwrite=True))).error is None
    assert Path(kept).read_bytes() == b"somebody's"


def test_no_output_is_an_input_or_another_output(pictures, keep, restorer):
    kept = keep()
    pictures("b.png")
    shutil.copy("b.png", "b.restored.png.residuals")  # a picture of an odd name
    with pytest.raises(UsageError, match=r"b\.restored\.png\.residuals: the output would be an input"):
        restore_many(["b.png", "b.restored.png.residuals"], None, restorer, Job(keep=True, overwrite=True))
    Path("link.png").symlink_to("a.png")
    for output in ("a.png", "link.png"):
        with pytest.raises(UsageError, match=r"originals are never touched"):
            blend_many(kept, output, overwrite=True)
    Path("sub").mkdir()
    shutil.copy(kept, f"sub/{kept}")
    with pytest.raises(UsageError, match=rf"would both become out/{kept.removesuffix('.residuals')}"):
        blend_many([kept, f"sub/{kept}"], "out")


def test_stdout_holds_no_residuals(pictures, keep, restorer):
    kept = keep()
    with pytest.raises(UsageError, match=r"`keep=True`: lies beside the output, which is stdout"):
        restore_many("a.png", "-", restorer, Job(keep=True))
    with pytest.raises(UsageError, match=r"`output='-'`: pictures are blended into files"):
        blend_many(kept, "-")


def test_a_report_replaces_no_residuals(keep):
    kept = keep()
    before = Path(kept).read_bytes()
    with pytest.raises(UsageError, match=r"is a picture of this run|that is a picture"):
        check_report(Path(kept), Job(keep=True).plan(["a.png"]).tasks)
    assert Path(kept).read_bytes() == before


def test_an_output_that_exists_is_kept_without_leave(keep):
    kept = keep()
    before = Path("a.restored.png").read_bytes()
    done = only(blend_many(kept, strength=0.5))
    assert done.error == "a.restored.png: exists already; `overwrite=True` replaces it"
    assert Path("a.restored.png").read_bytes() == before


def test_outputs_are_files_or_lie_in_a_folder(keep):
    kept = [keep("a.png"), keep("sub/b.jpg")]
    assert [done.output for done in blend_many(kept, "out")] == ["out/a.restored.png", "out/b.restored.jpg"]
    assert only(blend_many(kept[0], "new/")).output == "new/a.restored.png"
    assert only(blend_many(kept[0], "new/other.webp")).output == "new/other.webp"
    assert Image.read("new/other.webp").format == "webp"
    with pytest.raises(UsageError, match=r"unknown suffix '.psd'"):
        blend_many(kept[0], "a.psd")


def test_an_output_is_a_file_or_a_folder_as_that_of_a_restoration_is(keep):
    kept = [keep("a.png"), keep("b.png")]
    Path("file").write_text("precious")
    for output in ("one.png", "file"):
        with pytest.raises(UsageError, match=rf"`output='{output}'`: a file holds one picture, and several"):
            blend_many(kept, output, overwrite=True)
    assert only(blend_many(kept[0], "new")).output == "new/a.restored.png"
    assert [done.output for done in blend_many(kept, "new.d")] == ["new.d/a.restored.png", "new.d/b.restored.png"]
    assert not Path("one.png").exists()
    assert Path("file").read_text() == "precious"


def test_a_name_that_is_no_output_s_fails_alone(keep):
    kept = keep()
    shutil.copy(kept, "other.residuals")
    for output in (None, "out"):
        odd, good = blend_many(["other.residuals", kept], output, overwrite=True)
        assert odd.error == "its name is none of a picture with .residuals behind it; `output` gives a file"
        assert good.error is None
    assert only(blend_many("other.residuals", "c.png")).error is None


def test_the_original_is_found_from_where_the_file_lies(keep, monkeypatch):
    kept = keep("in/a.png", "out/deep/b.png")
    monkeypatch.chdir("out")
    assert only(blend_many(kept.removeprefix("out/"), "new.png")).error is None
    monkeypatch.chdir("..")
    Path("in").rename("moved")
    done = only(blend_many(kept, "new.png"))
    assert done.error == "out/deep/../../in/a.png, which was restored, is not there; `original` names it"
    assert only(blend_many(kept, "new.png", original="moved/a.png")).error is None
    with pytest.raises(UsageError, match=r"`original='moved/a.png'`: is one picture, and several files"):
        blend_many([kept, "other"], original="moved/a.png")


def test_another_picture_is_refused(keep, pictures):
    kept = keep()
    pictures("a.png", seed=1)
    before = Path("a.restored.png").read_bytes()
    done = only(blend_many(kept, overwrite=True))
    assert (done.error, done.exit_code) == ("a.png is not the picture that was restored: its bytes differ", 1)
    assert Path("a.restored.png").read_bytes() == before


def test_what_came_from_stdin_has_to_be_named(keep):
    kept = keep()
    with archive.opened(Path(kept)) as found:
        header = found.header.model_copy(update={"original": None})
        residuals = found.residuals(Image.read("a.png"))
        archive.write(Path("c.png.residuals"), residuals, header)
    said = "says of no file that it was restored; `original` names it"
    assert only(blend_many("c.png.residuals")) == Done("c.png.residuals", error=said, exit_code=1)
    nameless, good = blend_many(["c.png.residuals", kept], "out")
    assert (nameless.error, good.error, files("out")) == (said, None, ["a.restored.png"])
    assert only(blend_many("c.png.residuals", original="a.png")).error is None
    assert np.array_equal(Image.read("c.png").array, Image.read("a.restored.png").array)


def test_one_failure_does_not_end_the_others(keep):
    kept = [keep("a.png"), keep("b.png"), keep("c.png")]
    Path(kept[1]).write_bytes(Path(kept[1]).read_bytes()[:-200])
    data = bytearray(Path(kept[2]).read_bytes())
    data[len(data) // 2] ^= 1
    Path(kept[2]).write_bytes(data)
    before = {name: Path(name).read_bytes() for name in files()}
    outcomes = {done.input: done for done in blend_many([*kept, "missing"], "out")}
    assert outcomes["missing"].error == "no such file or directory"
    assert outcomes[kept[0]].error is None
    assert outcomes[kept[1]].error == "damaged or incomplete file of residuals"
    assert outcomes[kept[2]].error.startswith("damaged file of residuals: ")
    assert {done.exit_code for done in outcomes.values()} == {0, 1}
    assert files("out") == ["a.restored.png"]
    assert {name: Path(name).read_bytes() for name in before} == before


def test_kinds_of_any_of_the_files_may_be_named_and_no_others(pictures, keep, restorer):
    kept = [keep("a.png")]
    pictures("b.png")
    kept += [f"{only(restore_many('b.png', None, restorer, Job('blur', keep=True))).output}.residuals"]
    assert [done.error for done in blend_many(kept, "out", {"noisy": 0.5})] == [None, None]
    half = only(restore_many("a.png", "half.png", restorer, Job(KINDS, {"noise": 0.5})))
    apart = Image.read(half.output).array.astype(int) - Image.read("out/a.restored.png").array
    assert np.abs(apart).max() <= 1
    with pytest.raises(UnknownNameError, match=r"no repair called 'nosie'; did you mean 'noise'\?"):
        blend_many(kept, "new", {"nosie": 0.5})


def test_jobs_and_outcomes_can_be_hashed_pickled_and_told_as_json(keep):
    for strength in ({"noise": 0.5}, Strength({"noise": 0.5}, luma=0.4)):
        job = Job("noise", strength, keep=True)
        assert ForkingPickler.loads(ForkingPickler.dumps(job)) == job
        assert hash(job) == hash(replace(job))
        told = json.loads(json.dumps(Report(job).to_dict()))["settings"]
        luma = 1.0 if isinstance(strength, dict) else 0.4
        assert told["strength"] == {"by_kind": {"noise": 0.5}, "others": 1.0, "luma": luma, "chroma": 1.0}
        assert told["keep"] is True
    done = only(blend_many(keep(), "out.png", 0.5))
    told = json.loads(json.dumps(done.to_dict()))
    assert (told["output"], told["result"]["experts"]) == ("out.png", ["noise", "blur"])
