"""darnet restore: what it says, what it writes, and what it never does."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Thread

import numpy as np
import PIL.Image
import pytest

import darnet
from darnet import RestorerSpec
from darnet.cli.stopping import SAID
from darnet.images.image import Image
from darnet.jobs import Job
from darnet.jobs.ledger import NAME
from darnet.restore.restorer import Restorer
from darnet.timeline import STAGES

LINE = r"photo\.png  noise 98 % \(σ ≈ 24\) -> noise expert  \d+\.\d s -> photo\.restored\.png\n"
PACE = r" \([\d.e-]+ pictures/s, [\d.e-]+ MP/s\)"


def pixels(path: Path | str) -> np.ndarray:
    return np.asarray(PIL.Image.open(path))


def files(folder: Path) -> list[str]:
    found = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".darnet"))
    return sorted(str(path.relative_to(folder)) for path in found)


def test_one_line_a_picture_and_the_original_untouched(pictures, restore):
    photo = pictures("photo.png")
    before = photo.read_bytes()
    ran = restore("photo.png")
    assert (ran.code, ran.err) == (0, "")
    assert re.fullmatch(LINE, ran.out)
    assert photo.read_bytes() == before
    assert (pixels("photo.restored.png") > pixels(photo)).all()
    assert files(pictures.folder) == ["photo.png", "photo.restored.png"]


def test_a_clean_picture_comes_back_byte_for_byte(pictures, restore_clean):
    photo = pictures("photo.jpg")
    ran = restore_clean(photo)
    assert re.search(r"clean 98 % -> left alone  \d+\.\d s -> \S+photo\.restored\.jpg\n", ran.out)
    assert Path("photo.restored.jpg").read_bytes() == photo.read_bytes()


def test_strength_zero_comes_back_byte_for_byte(pictures, restore):
    photo = pictures("photo.jpg")
    ran = restore("photo.jpg", "--strength", 0)
    assert "left alone " in ran.out
    assert Path("photo.restored.jpg").read_bytes() == photo.read_bytes()


@pytest.mark.parametrize(
    "option",
    [("--ext", "png"), ("--bit-depth", "8"), ("--metadata", "strip"), ("--icc", "srgb"), ("--quality", "50")],
)
def test_what_asks_for_other_bytes_gets_other_bytes(pictures, restore_clean, option):
    photo = pictures("photo.jpg")
    expects = "photo.restored.png" if option[0] == "--ext" else "photo.restored.jpg"
    assert restore_clean("photo.jpg", *option).code == 0
    assert Path(expects).read_bytes() != photo.read_bytes()


def test_strength_blends(pictures, restore):
    photo = pictures("photo.png")
    restore("photo.png", "-o", "full.png")
    restore("photo.png", "-o", "half.png", "-s", "0.5")
    full, half = (pixels(name).astype(int) - pixels(photo) for name in ("full.png", "half.png"))
    assert np.abs(half * 2 - full).max() <= 1
    assert full.min() > 0


def test_as_skips_the_diagnosis_and_keeps_its_order(pictures, restore_clean):
    pictures("photo.png")
    ran = restore_clean("photo.png", "--as", "blur", "--as", "noise")
    assert "photo.png  as blur, noise -> blur expert, noise expert  " in ran.out


def test_below_min_confidence_it_is_left_alone_and_says_so(pictures, restore):
    photo = pictures("photo.png")
    ran = restore("photo.png", "--min-confidence", "0.99", "--report", "report.json")
    assert "left alone" in ran.out
    assert "99 %" in ran.err
    assert Path("photo.restored.png").read_bytes() == photo.read_bytes()
    assert json.loads(Path("report.json").read_text())["pictures"][0]["result"]["warnings"]


def test_a_min_confidence_below_a_half_reaches_what_is_called_clean(pictures, restore_clean):
    """And the line says what it is that is repaired."""
    pictures("photo.png")
    ran = restore_clean("photo.png", "--min-confidence", "0.01", "--max-steps", "1")
    assert re.match(r"photo\.png  clean 98 %, (\w+) 2 %.* -> \1 expert  ", ran.out)
    assert "not repaired: --max-steps 1" in ran.err


def test_who_limits_the_steps_is_named(pictures, restore_clean, tiny_clean_system, tmp_path):
    """It said "--max-steps 1" of a limit that the system sets."""
    pictures("photo.png")
    limited = Path(shutil.copytree(tiny_clean_system, tmp_path / "limited"))
    document = json.loads((limited / "system.json").read_text()) | {"max_steps": 1}
    (limited / "system.json").write_text(json.dumps(document))
    ran = restore_clean("photo.png", "--min-confidence", "0.01", "--model", limited)
    assert "not repaired: system tiny repairs 1 at most; --max-steps sets another limit" in ran.err


def test_shares_are_of_the_picture_under_a_mask_too(pictures, restore):
    pictures("photo.png")
    mask = np.zeros((24, 24), np.uint8)
    mask[:12, :12] = 255
    Image.of(mask).write("mask.png")
    for more, said in ((("--dry-run",), "about 25 %"), ((), "25 %")):  # what is planned is an estimate
        ran = restore("photo.png", "--mask", "mask.png", "--report", "report.json", *more)
        assert f"-> noise expert in {said} of the picture  " in ran.out
        (entry,) = json.loads(Path("report.json").read_text())["pictures"]
        assert entry["result"]["steps"][0]["plan"][0]["share"] == 0.25
    assert entry["result"]["steps"][0]["share"] == 0.25


def test_max_steps_looks_again(pictures, restore):
    pictures("photo.png")
    restore("photo.png", "--max-steps", 3, "--report", "report.json")
    steps = json.loads(Path("report.json").read_text())["pictures"][0]["result"]["steps"]
    assert [step["expert"] for step in steps] == ["noise", None]


@pytest.mark.parametrize("tile", ["auto", "off", "32"])
def test_tiles_agree(pictures, restore, tile):
    photo = pictures("photo.png", side=80)
    assert restore("photo.png", "--tile", tile).code == 0
    assert (pixels("photo.restored.png").astype(int) - pixels(photo)).min() > 0


@pytest.mark.parametrize("ext", ["jpg", "png", "tiff", "webp", "avif"])
def test_ext_is_the_format(pictures, restore, ext):
    pictures("photo.png")
    assert restore("photo.png", "--ext", ext).code == 0
    assert Image.read(f"photo.restored.{ext}").format == {"jpg": "jpeg"}.get(ext, ext)


def test_bit_depth_16(pictures, restore):
    pictures("photo.png")
    restore("photo.png", "--bit-depth", "16")
    assert Image.read("photo.restored.png").array.dtype == np.uint16


def test_metadata_is_kept_or_stripped(pictures, restore):
    pictures("photo.jpg")
    restore("photo.jpg", "-o", "kept.jpg")
    restore("photo.jpg", "-o", "stripped.jpg", "--metadata", "strip")
    with PIL.Image.open("kept.jpg") as kept, PIL.Image.open("stripped.jpg") as stripped:
        assert kept.getexif()[0x0132] == "2024:05:06 07:08:09"
        assert not stripped.getexif()


def test_quality_shrinks_the_file(pictures, restore):
    pictures("photo.jpg", side=64)
    restore("photo.jpg", "-o", "good.jpg")
    restore("photo.jpg", "-o", "bad.jpg", "-q", 20)
    assert Path("bad.jpg").stat().st_size < Path("good.jpg").stat().st_size


def test_the_best_quality_beside_a_files(pictures, restore):
    """The tiny experts see each view alike, so the mean over views is what one view gives, but for rounding."""
    pictures("photo.png", side=64)
    restore("photo.png", "-o", "fast.png")
    assert restore("photo.png", "-o", "best.jpg", "--quality", "best", "--quality", "95").code == 0
    fast, best = (Image.read(path).array.astype(int) for path in ("fast.png", "best.jpg"))
    assert np.abs(fast - best).mean() < 8


def test_what_a_format_cannot_hold_is_a_warning(pictures, restore):
    PIL.Image.new("RGBA", (16, 16), (90, 80, 70, 60)).save("photo.png")
    ran = restore("photo.png", "--ext", "jpg")
    assert ran.code == 0
    assert "warning" in ran.err
    assert "transparency" in ran.err


def test_what_is_said_of_a_file_is_told_and_reported_and_names_it_once(pictures, restore):
    pictures.damaged("a.tif")
    ran = restore("a.tif", "--report", "report.json", "--as", "noise")
    assert ran.code == 0
    (entry,) = json.loads(Path("report.json").read_text())["pictures"]
    warnings = entry["result"]["warnings"]
    assert [text.partition(" is ")[0] for text in warnings] == ["the ICC profile", "the EXIF"]
    assert ran.err.splitlines() == [f"darnet: a.tif: warning: {text}" for text in warnings]


def test_folders_keep_their_structure(pictures, restore):
    for name in ("in/a.png", "in/sub/b.png", "in/sub/note.txt.png"):
        pictures(name)
    assert restore("in", "-o", "out").code == 0
    assert files(Path("out")) == ["a.png"]
    assert restore("in", "-r", "-o", "out", "--overwrite").code == 0
    assert files(Path("out")) == ["a.png", "sub/b.png", "sub/note.txt.png"]


def test_what_is_chosen_of_a_folder_and_what_is_left_out(pictures, restore):
    for name in ("a.png", "b.jpg", "raw/c.png"):
        pictures(f"in/{name}")
    pictures("in/small.png", side=16)
    ran = restore("in", "-r", "-o", "out", "--include", "*.png", "--exclude", "raw", "--min-size", 20)
    assert ran.code == 0
    assert files(Path("out")) == ["a.png"]
    assert "darnet: in/raw: left out: --exclude raw fits\n" in ran.err
    assert "darnet: in/b.jpg: left out: none of --include fits\n" in ran.err
    assert "fewer than --min-size 20\n" in ran.err
    assert "; 3 left out of folders" in ran.err


def test_our_own_outputs_are_not_inputs_again(pictures, restore):
    pictures("in/a.png")
    for _ in range(2):
        restore("in", "--overwrite")
        restore("in", "-r", "-o", "in/out", "--overwrite")
        restore("in/a.png", "in/a.restored.png", "--overwrite")  # what a shell makes of in/*.png
    assert files(Path("in")) == ["a.png", "a.restored.png", "out/a.png"]


def test_an_output_that_exists_is_kept_without_overwrite(pictures, restore):
    pictures("photo.png")
    Path("photo.restored.png").write_text("precious")
    ran = restore("photo.png")
    assert ran.code == 1
    assert ran.err == "darnet: photo.png: photo.restored.png: exists already; --overwrite replaces it\n"
    assert Path("photo.restored.png").read_text() == "precious"
    assert restore("photo.png", "--overwrite").code == 0
    assert Image.read("photo.restored.png")


@pytest.mark.parametrize("link", ["same", "symlink", "hardlink"])
def test_the_output_is_never_the_input(pictures, restore, link):
    photo = pictures("photo.png")
    before = photo.read_bytes()
    output = Path("photo.png" if link == "same" else "link.png")
    if link == "symlink":
        output.symlink_to(photo)
    if link == "hardlink":
        output.hardlink_to(photo)
    ran = restore("photo.png", "-o", output, "--overwrite")
    assert ran.code == 2
    assert "originals are never touched" in ran.err
    assert photo.read_bytes() == before


def test_one_failure_does_not_end_the_others(pictures, restore):
    pictures("a.png")
    Path("b.png").write_text("no picture")
    pictures("c.png")
    ran = restore("a.png", "b.png", "missing.png", "c.png", "--report", "report.json")
    assert ran.code == 1
    *reasons, summary = ran.err.splitlines()
    assert reasons == [
        "darnet: missing.png: no such file or folder",
        "darnet: b.png: not a JPEG, PNG, TIFF, WebP, AVIF, GIF, BMP, PPM, JPEG 2000, JPEG XL or HEIC picture",
    ]
    assert re.fullmatch(r"darnet: 2 of 4 inputs failed; 2 repaired \(2 noise\), in \d+\.\d s" + PACE, summary)
    assert len(ran.out.splitlines()) == 2
    report = json.loads(Path("report.json").read_text())
    assert report["darnet"] and report["model"] and report["settings"]["strength"] == 1
    outcome = {entry["input"]: (entry["output"], entry["error"]) for entry in report["pictures"]}
    assert outcome == {
        "a.png": ("a.restored.png", None),
        "b.png": (None, "not a JPEG, PNG, TIFF, WebP, AVIF, GIF, BMP, PPM, JPEG 2000, JPEG XL or HEIC picture"),
        "missing.png": (None, "no such file or folder"),
        "c.png": ("c.restored.png", None),
    }
    assert report["pictures"][1]["result"]["experts"] == ["noise"]


def test_fail_fast_stops(pictures, restore):
    Path("a.png").write_text("no picture")
    pictures("b.png")
    ran = restore("a.png", "b.png", "--fail-fast", "--report", "report.json")
    assert ran.code == 1
    assert not Path("b.restored.png").exists()
    assert ran.err.splitlines()[-1] == "darnet: 1 of 2 inputs failed; stopped at the first failure"
    report = json.loads(Path("report.json").read_text())
    assert [entry["input"] for entry in report["pictures"]] == ["a.png"]
    ran = restore("b.png", "gone.png", "lost.png", "--fail-fast")
    assert (ran.code, ran.err.splitlines()) == (
        1,
        ["darnet: gone.png: no such file or folder", "darnet: 1 of 3 inputs failed; stopped at the first failure"],
    )
    assert not Path("b.restored.png").exists()


def test_every_setting_is_in_the_report(pictures, restore):
    """As it was given: one was told to another than the job, and reported as if nobody had."""
    pictures("in/photo.png")
    job = ("--as", "noise", "-s", 0.5, "--ext", "jpg", "-q", 90, "--bit-depth", "8", "--metadata", "strip")
    flags = ("--icc", "srgb", "-r", "--overwrite", "--dry-run", "--fail-fast", "--report", "report.json")
    job += ("--mask", "in/photo.png", "--keep-time", "--first", "--shard", "0/1")
    job += ("--mask", "in/photo.png", "--keep-time", "--first")
    job += ("--include", "*.png", "--exclude", "raw", "--min-size", 5, "--sidecar")
    spec = ("--max-steps", 2, "--min-confidence", 0.5, "--tile", 64, "--precision", "fp32", "--quality", "best")
    spec += ("--max-memory", "64GB", "--backend", "torch")
    assert restore("in", "-o", "out", *flags, *spec).code == 0
    restorer = json.loads(Path("report.json").read_text())["settings"]["restorer"]
    assert restore("in", "-o", "out", *job, *flags).code == 0
    settings = json.loads(Path("report-0-of-1.json").read_text())["settings"]
    del settings["restorer"]
    assert settings == {
        "output": "out",
        "kinds": ["noise"],
        "strength": 0.5,
        "encoding": {"ext": "jpg", "quality": 90, "bit_depth": "8", "metadata": "strip", "icc": "srgb"}
        | {"keep_time": True},
        "recursive": True,
        "overwrite": True,
        "dry_run": True,
        "fail_fast": True,
        "max_pixels": Job().max_pixels,
        "mask": "in/photo.png",
        "keep": False,
        "first": True,
        "shard": {"number": 0, "total": 1},
        "include": ["*.png"],
        "exclude": ["raw"],
        "min_size": 5,
        "sidecar": True,
    }
    usual = RestorerSpec().model_dump(mode="json")
    same = {name for name, value in restorer.items() if value == usual[name]}
    assert same == set()


def test_a_mask_says_where(pictures, restore):
    """What is black in it stays, to the bit."""
    photo = pictures("photo.png")
    mask = np.zeros((24, 24), np.uint8)
    mask[:12] = 255
    PIL.Image.fromarray(mask).save("mask.png")
    assert restore("photo.png", "--mask", "mask.png", "--as", "noise").code == 0
    before, after = (Image.read(name).array for name in (photo, "photo.restored.png"))
    np.testing.assert_array_equal(after[12:], before[12:])
    assert (after[:12] != before[:12]).any()
    kept = Path("mask.png").read_bytes()
    ran = restore("photo.png", "--mask", "mask.png", "-o", "mask.png", "--overwrite")
    assert (ran.code, Path("mask.png").read_bytes()) == (2, kept)
    PIL.Image.fromarray(mask[:20]).save("small.png")
    ran = restore("photo.png", "--mask", "small.png", "-o", "b.png")
    assert ran.code == 2
    assert "--mask: small.png has 24 × 20 pixels, and the picture has 24 × 24" in ran.err
    assert not Path("b.png").exists()


def test_what_is_wrong_with_a_mask_is_said_once(pictures, restore):
    for name in ("in/a.png", "in/b.png"):
        pictures(name)
    ran = restore("in", "-o", "out", "--mask", "gone.png")
    assert ran == (1, "", "darnet: gone.png: no such file or directory\n")
    assert not Path("out").exists()
    pictures.damaged("mask.tif")
    ran = restore("in", "-o", "out", "--mask", "mask.tif")
    said = [line for line in ran.err.splitlines() if "EXIF" in line]
    assert (ran.code, len(said)) == (0, 1)
    assert said[0].startswith("darnet: mask.tif: warning: the EXIF is damaged")


def test_dry_run_writes_nothing(pictures, restore):
    pictures("photo.png")
    ran = restore("photo.png", "--dry-run", "-o", "new/out.png")
    assert ran.out == "photo.png  noise 98 % (σ ≈ 24) -> noise expert  dry run -> new/out.png\n"
    assert files(pictures.folder) == ["photo.png"]


def test_a_dry_run_where_the_output_exists_goes_on_and_says_so(pictures, restore):
    pictures("photo.png")
    Path("photo.restored.png").write_text("precious")
    ran = restore("photo.png", "--dry-run")
    assert (ran.code, ran.out[:20]) == (0, "photo.png  noise 98 ")
    assert ran.err == "darnet: photo.png: warning: photo.restored.png: exists already; --overwrite replaces it\n"
    assert restore("photo.png", "--dry-run", "--overwrite").err == ""
    assert Path("photo.restored.png").read_text() == "precious"


def test_many_pictures_are_summed_up(pictures, restore):
    for name in ("in/a.png", "in/b.png"):
        pictures(name)
    ran = restore("in", "-o", "out")
    assert re.fullmatch(r"darnet: 2 pictures: 2 repaired \(2 noise\), in \d+\.\d s" + PACE + "\n", ran.err)
    assert "2 left alone, in " in restore("in", "-o", "out", "--overwrite", "--strength", 0).err
    for silent in ("--quiet", "--json"):
        assert restore("in", "-o", "out", "--overwrite", silent).err == ""


def test_json_lines(pictures, restore):
    pictures("photo.png")
    Path("bad.png").write_bytes(b"")
    ran = restore("photo.png", "bad.png", "--json")
    good, bad = map(json.loads, ran.out.splitlines())
    assert good["output"] == "photo.restored.png"
    assert good["result"]["steps"][0]["diagnosis"]["label"] == "noise"
    assert bad == {"input": "bad.png", "output": None, "already": False, "result": None, "error": "the file is empty"}


def test_quiet_and_verbose(pictures, restore):
    pictures("photo.png")
    quiet = restore("photo.png", "--quiet")
    assert (quiet.out, quiet.err) == ("", "")
    assert "noise 0.982" in restore("photo.png", "--overwrite", "-v").err


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"hello world", "not a JPEG, PNG, TIFF, WebP, AVIF, GIF, BMP, PPM, JPEG 2000, JPEG XL or HEIC picture"),
        (None, "damaged or incomplete PNG file"),
    ],
)
def test_bad_files_are_one_line_and_no_output(pictures, restore, content, reason):
    photo = pictures("photo.png", side=64)
    photo.write_bytes(photo.read_bytes()[:2000] if content is None else content)
    ran = restore("photo.png")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(f"darnet: photo.png: {reason}")
    assert ran.err.count("\n") == 1
    assert files(pictures.folder) == ["photo.png"]


@pytest.mark.parametrize("output", ["file/out.png", "file/deeper/out.png", "/proc/nowhere/out.png"])
def test_a_directory_that_cannot_be_written(pictures, restore, output):
    pictures("photo.png")
    Path("file").write_text("in the way")
    ran = restore("photo.png", "-o", output)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(f"darnet: photo.png: {output}: ")
    assert ran.err.count("\n") == 1
    assert files(pictures.folder) == ["file", "photo.png"]


@pytest.mark.parametrize("command", ["restore", "diagnose"])
def test_a_precision_that_a_backend_does_not_know_is_said_of_the_run(pictures, darnet, command):
    pictures("photo.png")
    ran = darnet(command, "photo.png", "--backend", "onnxruntime", "--precision", "int8", "--device", "cpu")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("darnet: --precision int8: ONNX Runtime computes in fp32")
    assert files(pictures.folder) == ["photo.png"]


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (("--as", "foo"), "blur, noise, overexposure"),
        (("--model", "foo"), "no system called 'foo'"),
        (("--strength", "2"), "--strength 2: expected 0 to 1"),
        (("--strength", "nan"), "0 to 1"),
        (("--tile", "x"), "auto, off or a number"),
        (("--tile", "3"), "auto, off or a number"),
        (("--device", "abacus"), "--device abacus: expected auto, cpu, cuda"),
        (("--precision", "fp8"), "'bf16'"),
        (("--precision", "fp16"), "use fp32 or bf16"),
        (("--ext", "psd"), "'avif'"),
        (("--quality", "0"), "--quality 0: expected 1 to 100"),
        (("--quality", "101"), "--quality 101: expected 1 to 100"),
        (("--bit-depth", "12"), "'16'"),
        (("--bit-depth", "16", "--ext", "jpg"), "8 bits"),
        (("--metadata", "burn"), "'strip'"),
        (("--icc", "cmyk"), "'srgb'"),
        (("--min-confidence", "2"), "--min-confidence 2: expected 0 to 1"),
        (("--max-steps", "0"), "--max-steps 0: expected at least 1"),
        (
            ("--max-steps", "1", "--as", "noise"),
            "--max-steps: chooses among what is found; with --as all that is named",
        ),
        (("--min-confidence", "0.9", "--as", "noise"), "--min-confidence: chooses among what is found; with --as"),
        (("--output", "out.psd"), ".avif"),
        (("--output", "out.jpg", "--ext", "png"), "disagree"),
        (("--report", "photo.png"), "picture of this run"),
        (("--sharpen",), "--sharpen"),
    ],
)
def test_options_that_make_no_sense(pictures, restore, options, names):
    pictures("photo.png")
    ran = restore("photo.png", *options)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("darnet: ")
    assert names in ran.err
    assert ran.err.count("\n") == 1
    assert files(pictures.folder) == ["photo.png"]


def test_nothing_usable_is_3(pictures, restore):
    Path("empty").mkdir()
    assert restore("missing.png").code == 3
    assert restore("empty").err == "darnet: empty: no pictures in this folder (-r looks into subfolders)\n"
    assert restore("empty", "*.nothing").code == 3


def test_a_folder_of_which_all_is_left_out_has_pictures(pictures, restore):
    pictures("in/photo.png", side=8)
    Path("in/notes.txt").write_text("no picture")
    said = "darnet: in: every picture in this folder is left out by"
    ran = restore("in", "--include", "nothing*")
    assert (ran.code, ran.err.splitlines()[-1]) == (3, f"{said} --include")
    assert f"{said} --exclude and --min-size\n" in restore("in", "--exclude", "a*", "--min-size", "9").err
    Path("in/photo.png").unlink()
    assert "no pictures in this folder" in restore("in", "--include", "nothing*").err


def test_an_output_that_is_a_device_is_called_no_file(pictures, restore):
    pictures("photo.png")
    said = "darnet: /dev/null: neither a folder nor a regular file\n"
    assert restore("photo.png", "-o", "/dev/null").err.endswith(said)


def test_damaged_weights_are_4(pictures, darnet, damaged_system):
    pictures("photo.png")
    ran = darnet("restore", "photo.png", "--model", damaged_system)
    assert (ran.code, ran.out) == (4, "")
    assert "model.safetensors: damaged" in ran.err
    assert ran.err.count("\n") == 1
    assert files(pictures.folder) == ["photo.png"]


def test_a_damaged_expert_is_said_once_where_all_pictures_need_it(pictures, darnet, damaged_system):
    pictures("a.png")
    pictures("b.png")
    ran = darnet("restore", "a.png", "b.png", "--as", "noise", "--model", damaged_system)
    assert (ran.code, ran.out, ran.err.count("\n")) == (4, "", 1)
    assert "noise/model.safetensors: damaged" in ran.err


def test_a_damaged_expert_troubles_nobody_who_does_not_need_it(pictures, darnet, damaged_system):
    pictures("a.png")
    assert darnet("restore", "a.png", "--as", "blur", "--model", damaged_system).code == 0
    assert darnet("restore", "a.png", "--dry-run", "--overwrite", "--model", damaged_system).code == 0
    assert darnet("diagnose", "a.png", "--model", damaged_system).code == 0


@pytest.mark.parametrize(("error", "code"), [(MemoryError(), 5), (RuntimeError("boom"), 1), (KeyboardInterrupt(), 130)])
def test_what_happens_inside_a_picture(pictures, restore, monkeypatch, error, code):
    def fail(*_args: object, **_kwargs: object) -> None:
        raise error

    pictures("photo.png")
    monkeypatch.setattr(Restorer, "__call__", fail)
    ran = restore("photo.png", "--report", "report.json")
    assert ran.code == code
    assert ran.err.count("\n") == 1
    assert "Traceback" not in ran.err
    assert files(pictures.folder) == ["photo.png", "report.json"]
    if code == 1:
        assert ran.err == "darnet: photo.png: unexpected RuntimeError: boom\n"
        assert "Traceback" in restore("photo.png", "-v").err


def test_a_kind_by_the_word_that_people_use(pictures, restore):
    pictures("photo.png")
    ran = restore("photo.png", "--as", "overexposed", "--as", "noisy")
    assert (ran.code, ran.err) == (0, "")
    assert "as overexposed, noisy -> overexposure expert, noise expert" in ran.out
    assert restore("photo.png", "--as", "foggy", "-o", "other.png").code == 2, "this system has no expert for haze"


def test_stdout_for_a_file(pictures, tiny_clean_system):
    photo = pictures("photo.png")
    command = [sys.executable, "-m", "darnet", "restore", photo, "-o", "-", "--model", tiny_clean_system]
    ran = subprocess.run([str(part) for part in command], capture_output=True, check=True)
    assert ran.stdout == photo.read_bytes()


def test_stdout_holds_the_picture_or_json(pictures, restore):
    pictures("photo.png")
    ran = restore("photo.png", "-o", "-", "--json")
    assert (ran.code, ran.out) == (2, "")
    assert "--json" in ran.err


@pytest.fixture
def pipe(tiny_system, tiny_clean_system):
    def run(picture: bytes, *options: object, clean: bool = False) -> subprocess.CompletedProcess[bytes]:
        model = tiny_clean_system if clean else tiny_system
        command = [sys.executable, "-m", "darnet", "restore", "-", "--model", model, *options]
        return subprocess.run([str(part) for part in command], input=picture, capture_output=True, check=False)

    return run


def test_stdin_to_stdout(pictures, pipe, tmp_path):
    photo = pictures("photo.png")
    ran = pipe(photo.read_bytes())
    assert ran.returncode == 0
    (tmp_path / "out.png").write_bytes(ran.stdout)
    assert (Image.read(tmp_path / "out.png").array > Image.read(photo).array).all()
    line = ran.stderr.decode()
    assert line.startswith("-  noise 98 % (σ ≈ 24) -> noise expert")
    assert line.endswith("-> -\n")


def test_clean_stdin_is_the_same_bytes(pictures, pipe):
    photo = pictures("photo.jpg").read_bytes()
    assert pipe(photo, clean=True).stdout == photo


def test_empty_stdin(pictures, pipe):
    ran = pipe(b"")
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, b"", b"darnet: -: the file is empty\n")


def test_a_report_says_every_setting(pictures, restore, tiny_system):
    pictures("a.png")
    restore("a.png", "-s", "0.5", "--ext", "webp", "-q", "best", "-q", "80", "-t", "32", "--report", "deep/report.json")
    report = json.loads(Path("deep/report.json").read_text())
    assert report["model"] == str(tiny_system)
    expected = {"strength": 0.5, "kinds": [], "dry_run": False, "overwrite": False, "output": None}
    assert expected.items() <= report["settings"].items()
    assert {"ext": "webp", "quality": 80, "icc": "keep"}.items() <= report["settings"]["encoding"].items()
    tiles = {"size_px": 32, "overlap_px": 16, "shrinking": False}
    expected = {"tiles": tiles, "precision": "auto", "device": "cpu", "quality": "best", "max_steps": None}
    assert expected.items() <= report["settings"]["restorer"].items()


def test_flags_are_spoken_of_in_reports(pictures, restore):
    pictures("a.png")
    Path("a.restored.png").write_text("precious")
    restore("a.png", "--report", "report.json")
    (entry,) = json.loads(Path("report.json").read_text())["pictures"]
    assert entry["error"] == "a.restored.png: exists already; --overwrite replaces it"


def test_an_interrupted_run_reports_what_it_did(pictures, restore, monkeypatch):
    pictures("a.png")
    pictures("b.png")
    whole = Restorer.__call__

    def interrupted(self: Restorer, source: Image, **options: object) -> object:
        if source.path.name == "b.png":
            raise KeyboardInterrupt
        return whole(self, source, **options)

    monkeypatch.setattr(Restorer, "__call__", interrupted)
    assert restore("a.png", "b.png", "--report", "report.json").code == 130
    assert [entry["output"] for entry in json.loads(Path("report.json").read_text())["pictures"]] == ["a.restored.png"]
    assert not Path("b.restored.png").exists()


def test_a_report_that_cannot_be_written_stops_before_the_work(pictures, restore):
    pictures("a.png")
    ran = restore("a.png", "--report", "a.png/report.json")
    assert (ran.code, ran.out) == (2, "")
    assert "not a directory" in ran.err
    assert not Path("a.restored.png").exists()


def test_a_pipe_called_like_a_picture_is_no_picture_and_stops_nobody(pictures, restore, darnet, tiny_system):
    pictures("in/a.png")
    os.mkfifo("in/p.png")
    ran = restore("in", "-o", "out")
    assert ran.code == 1
    assert ran.err.splitlines()[0] == "darnet: in/p.png: not a regular file"
    assert files(Path("out")) == ["a.png"]
    for command in (
        ("diagnose", "--model", tiny_system, "in/p.png"),
        ("degrade", "noise", "in/p.png"),
        ("compare", "in/a.png", "in/p.png"),
    ):
        ran = darnet(*command)
        assert (ran.code, ran.err) == (1, "darnet: in/p.png: not a regular file\n")


@pytest.mark.parametrize("option", [(), ("--dry-run",), ("--overwrite",)])
def test_a_report_replaces_no_photo(pictures, restore, option):
    pictures("photo.png")
    keep = pictures("keep.png")
    before = keep.read_bytes()
    ran = restore("photo.png", "--report", "keep.png", *option)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "darnet: --report keep.png: exists already and is no such report of darnet's; give another name\n"
    assert keep.read_bytes() == before
    assert files(pictures.folder) == ["keep.png", "photo.png"]


def test_a_dry_run_writes_its_report_and_the_run_replaces_it(pictures, restore):
    pictures("photo.png")
    assert restore("photo.png", "--report", "r.json", "--dry-run").code == 0
    assert files(pictures.folder) == ["photo.png", "r.json"]
    assert restore("photo.png", "--report", "r.json").code == 0
    assert json.loads(Path("r.json").read_text())["pictures"][0]["output"] == "photo.restored.png"


STEERING = "e\x1b[31mred\n.png"


def test_names_reach_a_terminal_escaped_and_json_exactly(pictures, restore, darnet, tiny_system):
    pictures(STEERING)
    Path("x\x1b.png").write_bytes(b"no picture")
    ran = restore(".")
    assert ran.out.startswith(r"e\x1b[31mred\n.png  noise 98 %")
    assert ran.out.count("\n") == 1
    assert ran.err.startswith(r"darnet: x\x1b.png: not a JPEG")
    assert "\x1b" not in ran.out + ran.err
    ran = darnet("diagnose", "--json", "--model", tiny_system, STEERING)
    assert json.loads(ran.out)["input"] == STEERING


def test_a_report_says_the_seconds_of_each_stage_and_a_profile_when_they_were(pictures, restore):
    pictures("photo.png")
    started = time.perf_counter()
    ran = restore("photo.png", "--report", "r.json", "--profile", "traces/t.json")
    took = time.perf_counter() - started
    assert (ran.code, ran.err) == (0, "")
    (entry,) = json.loads(Path("r.json").read_text())["pictures"]
    seconds, stages = entry["result"]["seconds"], entry["result"]["stages"]
    assert list(stages) == list(STAGES)
    assert sum(stages.values()) == pytest.approx(seconds)
    assert 0 < seconds < took
    assert files(Path("traces")) == ["t.json"]
    events = json.loads(Path("traces/t.json").read_text())["traceEvents"]
    spans = [event for event in events if event["ph"] == "X"]
    assert {event["cat"] for event in spans} == set(STAGES)
    assert {event["args"]["picture"] for event in spans} == {"photo.png"}
    assert {event["pid"] for event in spans} == {os.getpid()}
    outer = sum(event["dur"] for event in spans if event["name"] in {"open", "repair", "write"})
    assert outer / 1e6 == pytest.approx(seconds)
    assert max(event["ts"] + event["dur"] for event in spans) / 1e6 < took


def test_a_profile_and_a_report_are_refused_before_the_work_where_they_would_be_lost(pictures, restore):
    pictures("photo.png")
    keep = pictures("keep.png")
    before = keep.read_bytes()
    for path, reason in (
        ("photo.png", "--profile photo.png: that is a picture of this run"),
        ("photo.restored.png", "--profile photo.restored.png: that is a picture of this run"),
        ("keep.png", "--profile keep.png: exists already and is no such report of darnet's; give another name"),
        ("photo.png/t.json", "--profile photo.png/t.json: not a directory"),
        ("/proc/t.json", "--profile /proc/t.json: no such file or directory"),
        ("/proc/deep/t.json", "--profile /proc/deep/t.json: no such file or directory"),
        (pictures.folder, f"--profile {pictures.folder}: is a directory"),
        ("r.json", "--profile r.json: that is where the report goes"),
        ("-", "--profile -: expected a file; stdout is for what is said of each picture"),
    ):
        ran = restore("photo.png", "--profile", path, "--report", "r.json")
        assert (ran.code, ran.out, ran.err) == (2, "", f"darnet: {reason}\n")
        if path != "r.json":
            ran = restore("photo.png", "--report", path)
            assert (ran.code, ran.out, ran.err) == (2, "", f"darnet: {reason.replace('--profile', '--report')}\n")
    ran = restore("photo.png", "--profile", "t.json", "--engine", "ray")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("darnet: --profile: goes with --engine local")
    assert keep.read_bytes() == before
    assert files(pictures.folder) == ["keep.png", "photo.png"]


def test_where_one_of_two_cannot_be_written_after_all_the_other_is(pictures, restore, monkeypatch):
    """Somebody put a file of theirs there meanwhile."""
    pictures("photo.png")
    whole = Restorer.__call__
    for lost, kept in (("r.json", "t.json"), ("t.json", "r.json")):

        def put(self: Restorer, source: Image, lost: str = lost, **options: object) -> object:
            Path(lost).write_text("theirs")
            return whole(self, source, **options)

        monkeypatch.setattr(Restorer, "__call__", put)
        ran = restore("photo.png", "--overwrite", "--report", "r.json", "--profile", "t.json")
        assert ran.code == 1
        assert f"darnet: {lost}: exists already" in ran.err
        assert Path(lost).read_text() == "theirs"
        assert json.loads(Path(kept).read_text())
        Path(lost).unlink()
        Path(kept).unlink()


def test_a_run_that_does_nothing_leaves_the_profile_of_an_earlier_one(pictures, restore):
    pictures("in/a.png")
    assert restore("in", "-o", "out", "--profile", "t.json").err == ""
    trace = Path("t.json").read_bytes()
    for name in ("t.json", "new.json"):
        ran = restore("in", "-o", "out", "--profile", name)
        assert (ran.code, f"{name}: nothing is written, since no picture was worked on" in ran.err) == (0, True)
    assert Path("t.json").read_bytes() == trace
    assert not Path("new.json").exists()


def test_a_shard_has_a_profile_of_its_own(pictures, restore):
    pictures("in/a.png")
    assert restore("in", "-o", "out", "--shard", "0/1", "--profile", "t.json").code == 0
    assert json.loads(Path("t-0-of-1.json").read_text())["traceEvents"]
    assert not Path("t.json").exists()


def test_backticks_of_a_name_are_no_parameter(pictures, restore):
    for folder in ("in", "`kinds`"):
        pictures(f"{folder}/`strength=2`.png")
    for option in ((), ("--json",)):
        ran = restore("in", "-o", "`kinds`", *option)
        assert ran.code == 1
        reason = "`kinds`/`strength=2`.png: exists already; --overwrite replaces it"
        assert ran.err == f"darnet: in/`strength=2`.png: {reason}\n"
        assert not option or json.loads(ran.out)["error"] == reason
    assert restore("`kinds`/`strength=2`.jpg").err == "darnet: `kinds`/`strength=2`.jpg: no such file or folder\n"
    assert restore("in/`strength=2`.png", "-o", "in/`strength=2`.png").err.startswith("darnet: in/`strength=2`.png: ")


def test_a_system_whose_router_is_an_expert_is_refused_once(pictures, darnet, tiny_system, tmp_path):
    pictures("a.png")
    pictures("b.png")
    folder = Path(shutil.copytree(tiny_system, tmp_path / "system"))
    system = json.loads((folder / "system.json").read_text())
    (folder / "system.json").write_text(json.dumps({**system, "router": "noise"}))
    for command in ("restore", "diagnose"):
        ran = darnet(command, "--model", folder, "-d", "cpu", "a.png", "b.png")
        assert (ran.code, ran.out) == (4, "")
        assert ran.err == f"darnet: {folder}/noise: CompactUNet names no kinds of damage: it is no router\n"


def test_larger_pictures_than_allowed_are_not_decoded(pictures, restore, darnet, tiny_system):
    photo = pixels(pictures("photo.png"))
    pixel_count = photo.shape[0] * photo.shape[1]
    diagnose = ("diagnose", "--model", tiny_system, "-d", "cpu", "photo.png")
    for ran in (restore("photo.png", "--max-pixels", pixel_count - 1), darnet(*diagnose, "--max-pixels", 1)):
        assert (ran.code, ran.out) == (1, "")
        assert "is more than" in ran.err
    for ran in (restore("photo.png", "--max-pixels", pixel_count), darnet(*diagnose, "--max-pixels", pixel_count)):
        assert (ran.code, ran.err) == (0, "")
    assert restore("photo.png", "--max-pixels", 0).code == 2


def test_verbose_says_how_long_each_stage_was_at_work(pictures, restore):
    for name in ("in/a.png", "in/b.png"):
        pictures(name)
    stages = ", ".join(rf"{stage} \d+\.\d\d s" for stage in STAGES)
    said = rf"2 pictures: {stages} at work in \d+\.\d s\n"
    ran = restore("in", "-o", "out", "-v")
    assert re.search(said, ran.err)
    assert re.search(rf"in/a\.png: noise 0\.98.*; {stages}\n", ran.err)
    assert not re.search(said, restore("in", "-o", "out2").err)


@pytest.mark.parametrize("jobs", ["0", "-1", "many", "1.5"])
def test_jobs_are_a_number_from_1(pictures, restore, jobs):
    pictures("a.png")
    ran = restore("a.png", f"--jobs={jobs}")
    assert (ran.code, ran.err) == (2, f"darnet: --jobs {jobs}: expected auto or a number from 1\n")


def test_two_processes_write_the_same(pictures, restore):
    for number in range(6):
        pictures(f"in/{number}.png", seed=number)
    Path("in/3.png").write_text("no picture")
    one, two = (restore("in", "-o", f"out{jobs}", "-j", jobs) for jobs in (1, 2))
    assert (one.code, two.code) == (1, 1)
    assert [line.split()[0] for line in two.out.splitlines()] == [line.split()[0] for line in one.out.splitlines()]
    assert {path.name: path.read_bytes() for path in Path("out1").glob("[!.]*")} == {
        path.name: path.read_bytes() for path in Path("out2").glob("[!.]*")
    }


@pytest.mark.slow
def test_ctrl_c_in_a_terminal_ends_all_processes_after_the_picture_at_hand(pictures, tiny_system):
    """A terminal sends it to the whole group; what is written is told, and nothing else is left."""
    for number in range(60):
        pictures(f"in/{number:02}.png", side=400, seed=number)
    command = [sys.executable, "-m", "darnet", "restore", "in", "-o", "out", "-j", "2", "-d", "cpu"]
    child = subprocess.Popen(
        [*command, "--model", str(tiny_system), "--report", "report.json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(Path(darnet.__file__).parents[1])},
    )
    assert child.stdout is not None
    child.stdout.readline()
    os.killpg(child.pid, signal.SIGINT)
    _, said = child.communicate(timeout=60)
    first, summary, last = said.splitlines()
    assert (child.returncode, f"{first}\n", last) == (130, SAID.decode(), "darnet: interrupted")
    assert summary.startswith("darnet: 60 pictures: ")
    told = [Path(entry["output"]).name for entry in json.loads(Path("report.json").read_text())["pictures"]]
    assert sorted(path.name for path in Path("out").glob("[!.]*")) == sorted(told)
    assert 1 <= len(told) < 60
    with pytest.raises(ProcessLookupError):  # multiprocessing's own helper ends a moment later
        for _ in range(100):
            os.killpg(child.pid, 0)
            time.sleep(0.1)


def test_shards_restore_each_picture_once_and_report_by_themselves(pictures, restore):
    for name in "abcd":
        pictures(f"in/{name}.png")
    runs = [restore("in", "-o", "out", "--shard", f"{i}/2", "--report", "report.json") for i in range(2)]
    assert [ran.code for ran in runs] == [0, 0]
    told = [json.loads(Path(f"report-{i}-of-2.json").read_text())["pictures"] for i in range(2)]
    assert [f"{4 - len(part)} left to other shards" in ran.err for part, ran in zip(told, runs, strict=True)] == [1, 1]
    assert sorted(done["output"] for part in told for done in part) == [f"out/{name}.png" for name in "abcd"]
    assert not Path("report.json").exists()


def test_a_shard_without_pictures_is_no_failure_but_a_missing_folder_is(pictures, restore):
    pictures("in/a.png")
    runs = [restore("in", "-o", "out", "--shard", f"{i}/9") for i in range(9)]
    assert [ran.code for ran in runs] == [0] * 9
    assert files(Path("out")) == ["a.png"]
    assert restore("nowhere", "-o", "out", "--shard", "0/2").code == 3


@pytest.mark.parametrize("shard", ["0/0", "5/4", "half"])
def test_a_shard_that_there_is_not_is_refused(pictures, restore, shard):
    pictures("a.png")
    ran = restore("a.png", "--shard", shard)
    assert (ran.code, ran.out) == (2, "")
    assert f"--shard {shard}: expected i/n" in ran.err


def test_ray_that_is_not_installed_says_how_to_install_it(pictures, restore, monkeypatch):
    pictures("a.png")
    monkeypatch.setitem(sys.modules, "ray", None)
    ran = restore("a.png", "--engine", "ray")
    assert (ran.code, ran.out) == (2, "")
    assert "pip install 'darnet[ray]'" in ran.err
    assert not Path("a.restored.png").exists()


def test_a_store_that_cannot_be_reached_is_said_once(pictures, restore, monkeypatch):
    for name in "abc":
        pictures(f"in/{name}.png")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    ran = restore("in", "-o", "s3://bucket/out", "-j", 2)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert ran.err.endswith(": pip install 'darnet[remote]'\n")


def test_the_memory_of_the_command_itself_is_no_output(pictures, restore, darnet):
    pictures("a.png")
    said = "darnet: --output memory://out/: is the memory of a process, and lost when that ends\n"
    for ran in (restore("a.png", "-o", "memory://out/"), darnet("degrade", "noise", "a.png", "-o", "memory://out/")):
        assert (ran.code, ran.out, ran.err) == (2, "", said)


def test_an_address_without_ray_is_refused(pictures, restore):
    pictures("a.png")
    ran = restore("a.png", "--ray-address", "auto")
    assert (ran.code, ran.err) == (2, "darnet: --ray-address: goes with --engine ray\n")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_ray_restores_the_same_bytes_and_a_cluster_that_is_not_there_is_named(pictures, restore):
    pytest.importorskip("ray")
    for name in "ab":
        pictures(f"in/{name}.png")
    ran = restore("in", "-o", "ray", "--engine", "ray", "--report", "report.json")
    assert (ran.code, ran.err.count("\n"), len(ran.out.splitlines())) == (0, 1, 2)
    assert restore("in", "-o", "local").code == 0
    for name in "ab":
        assert Path(f"ray/{name}.png").read_bytes() == Path(f"local/{name}.png").read_bytes()
    assert len(json.loads(Path("report.json").read_text())["pictures"]) == 2
    ran = restore("in", "-o", "far", "--engine", "ray", "--ray-address", "127.0.0.1:1")
    assert ran.code == 2
    assert "--ray-address 127.0.0.1:1: " in ran.err
    assert not Path("far").exists()


def arrive(steps: Sequence[Callable[[], object]], number: signal.Signals, pattern: str = "[!.]*") -> Thread:
    """One step after the other, each when there is one output more; then a signal."""

    def go() -> None:
        deadline = time.monotonic() + 120
        for outputs, step in enumerate((*steps, lambda: os.kill(os.getpid(), number)), 1):
            while time.monotonic() < deadline and len(list(Path("out").glob(pattern))) < outputs:
                time.sleep(0.02)
            step()

    thread = Thread(target=go)
    thread.start()
    return thread


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_watched_folder_is_restored_until_somebody_ends_it(pictures, restore, number, code):
    pictures("in/a.png")
    steps = [lambda: pictures("in/b.png", seed=1), lambda: pictures("in/c.png", seed=2)]
    thread = arrive(steps, number)
    ran = restore("in", "-o", "out", "--watch", "--interval", "0.05", "--json", "--report", "report.json")
    thread.join()
    assert ran.code == code
    outputs = ["out/a.png", "out/b.png", "out/c.png"]
    assert [json.loads(line)["output"] for line in ran.out.splitlines()] == outputs
    assert [entry["output"] for entry in json.loads(Path("report.json").read_text())["pictures"]] == outputs
    assert ran.err.startswith("darnet: in: is watched; Ctrl-C ends it\n")
    again = restore("in", "-o", "out")
    assert (again.code, again.err.split(", in ")[0]) == (0, "darnet: 3 pictures: 3 done already")


def test_a_watched_folder_may_be_empty_and_may_not_be_missing(pictures, restore):
    Path("in").mkdir()
    thread = arrive([], signal.SIGINT, NAME)
    ran = restore("in", "-o", "out", "--watch", "--interval", "0.01")
    thread.join()
    assert ran.code == 130
    ran = restore("gone", "-o", "out", "--watch")
    assert (ran.code, ran.err) == (1, "darnet: gone: no such file or directory\n")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["in", "--watch", "--dry-run"], "--dry-run: says what would be done with what is there; nothing arrives"),
        (["a.png", "--watch"], "--watch: a.png is no folder of this machine"),
        (["--from-sidecar", "a.json", "--watch"], "--from-sidecar: does again what was done"),
        (["in", "--watch", "--engine", "ray"], "--watch: goes with --engine local"),
        (["in", "--interval", "3"], "--interval: goes with --watch"),
    ],
)
def test_what_cannot_be_watched_is_refused(pictures, restore, flags, said):
    pictures("a.png")
    Path("in").mkdir()
    ran = restore(*flags)
    assert ran.code == 2
    assert said in ran.err


def test_an_output_folder_that_is_removed_meanwhile_is_not_made_anew(pictures, restore, monkeypatch):
    """Without its ledger it would be full of files that nobody knows; what was done until then is summed up."""
    for name in "abc":
        pictures(f"in/{name}.png")
    whole = Restorer.__call__

    def removing(self, source, **options):
        if source.path.name == "b.png":
            time.sleep(1)  # by then the first is written
            shutil.rmtree("out")
        return whole(self, source, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Restorer, "__call__", removing)
        ran = restore("in", "-o", "out", "-j", 1)
    assert ran.code == 1
    assert not Path("out").exists()
    gone = "out: the folder is gone, or its ledger is"
    *failed, summary, last = ran.err.splitlines()
    assert failed == [f"darnet: in/b.png: {gone}"]
    assert summary.startswith("darnet: 1 of 3 inputs failed; 1 repaired (1 noise)")
    assert last == f"darnet: {gone}"
    assert restore("in", "-o", "out").code == 0
