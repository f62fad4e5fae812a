"""darnet blend, and what of strengths darnet restore says."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from darnet.images.image import Image

NAME = "photo.restored.png.residuals"


@pytest.fixture
def kept(pictures, restore) -> str:
    pictures("photo.png")
    assert restore("photo.png", "--as", "noise", "--as", "blur", "--keep").code == 0
    return NAME


def pixels(path: str) -> np.ndarray:
    return Image.read(path).array.astype(int)


def test_one_line_a_picture(kept, darnet):
    ran = darnet("blend", kept, "-s", "noise=0.5", "--luma", "0.4", "--overwrite")
    assert (ran.code, ran.err) == (0, "")
    said = r"noise, blur -> blended at strength noise=0.5,blur=1, luma 0.4  \d+\.\d s -> photo\.restored\.png\n"
    assert re.fullmatch(rf"{re.escape(NAME)}  {said}", ran.out)


@pytest.mark.parametrize(
    "options",
    [(), ("-s", 0.3), ("-s", "noise=0.5"), ("-s", "noisy=0,blurry=1"), ("--luma", 0.4), ("-s", 0.9, "--chroma", 0)],
)
def test_it_is_what_restore_writes_with_these_options(kept, darnet, restore, options):
    assert darnet("blend", kept, "-o", "blended.png", *options).code == 0
    assert restore("photo.png", "--as", "noise", "--as", "blur", "-o", "new.png", *options).code == 0
    assert np.abs(pixels("blended.png") - pixels("new.png")).max() <= 1


def test_what_is_found_is_blended_with_its_severity(pictures, restore, darnet):
    pictures("photo.png")
    assert restore("photo.png", "--keep").code == 0
    assert darnet("blend", NAME, "-o", "x.png").out.startswith(f"{NAME}  noise (σ ≈ 24) -> blended  ")


def test_what_was_done_is_no_estimate(pictures, restore, darnet):
    pictures("photo.png")
    mask = np.zeros((24, 24), np.uint8)
    mask[:12, :12] = 255
    Image.of(mask).write("mask.png")
    assert restore("photo.png", "--keep", "--mask", "mask.png").code == 0
    assert "noise (σ ≈ 24) in 25 % of the picture -> blended" in darnet("blend", NAME, "-o", "x.png").out


def test_restore_says_the_strengths_that_were_used(pictures, restore):
    pictures("photo.png")
    ran = restore("photo.png", "--as", "noise", "--as", "blur", "-s", "noise=0.5", "--chroma", 0.8)
    assert "noise expert, blur expert at strength noise=0.5,blur=1, chroma 0.8  " in ran.out
    ran = restore("photo.png", "-s", "noisy=0.5", "--overwrite", "--dry-run")
    assert "-> noise expert at strength 0.5  dry run" in ran.out
    assert "at strength" not in restore("photo.png", "-s", "blur=0.5", "--overwrite").out


@pytest.mark.parametrize("strength", ["0", "noise=0", "noisy=0"])
@pytest.mark.parametrize("options", [(), ("--keep",)])
def test_where_nothing_would_be_kept_nothing_is_done(pictures, restore, strength, options):
    """And the file is that which came in; a rehearsal says the same."""
    pictures("photo.jpg")
    for more, time in (("--dry-run",), "dry run"), ((), r"\d\.\d s"):
        ran = restore("photo.jpg", "-s", strength, *options, *more)
        said = rf"photo\.jpg  noise 98 % \(σ ≈ 24\) -> left alone  {time} -> photo\.restored\.jpg\n"
        assert re.fullmatch(said, ran.out)
    assert Path("photo.restored.jpg").read_bytes() == Path("photo.jpg").read_bytes()
    assert sorted(path.name for path in Path().iterdir()) == ["photo.jpg", "photo.restored.jpg"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("-s", "noies=0.5,jpeg=1"), "--strength noies=0.5: no expert called 'noies'; did you mean 'noise'?"),
        (("--as", "noies"), "--as noies: no expert called 'noies'; did you mean 'noise'?"),
        (("--as", "noise", "--as", "grainy"), "--as noise --as grainy: noise and grainy are one kind"),
        (("--as", "noise", "--as", "noise"), "--as noise --as noise: noise is named twice"),
        (("-s", "0.5,noise=1"), "--strength 0.5,noise=1: expected 0 to 1, or one for each kind: noise=0.5,jpeg=1"),
        (("-s", "noise=0.5,noisy=1"), "--strength noise=0.5,noisy=1: noise and noisy are one kind"),
        (("--luma", "2"), "--luma 2: expected 0 to 1"),
        (("--chroma", "nan"), "--chroma nan: expected 0 to 1"),
        (("--keep", "-o", "-"), "--keep: lies beside the output, which is stdout; give a file"),
    ],
)
def test_what_makes_no_sense_is_said_before_any_work(pictures, restore, options, said):
    pictures("photo.png")
    ran = restore("photo.png", *options)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"darnet: {said}")
    assert [path.name for path in Path().iterdir()] == ["photo.png"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("-s", "noies=0.5"), "--strength noies=0.5: no repair called 'noies'; did you mean 'noise'?"),
        (("-s", "noise=2"), "--strength noise=2: expected 0 to 1"),
        (("--chroma", "-1"), "--chroma -1: expected 0 to 1"),
        (("-o", "x.psd"), "--output x.psd: unknown suffix '.psd'"),
        (("-o", "-"), "--output -: pictures are blended into files"),
        (("-o", "photo.png", "--overwrite"), "photo.png: the output would be an input"),
    ],
)
def test_a_blend_that_makes_no_sense(kept, darnet, options, said):
    before = {path.name: path.read_bytes() for path in Path().iterdir()}
    ran = darnet("blend", kept, *options)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"darnet: {said}")
    assert {path.name: path.read_bytes() for path in Path().iterdir()} == before


def test_the_original_by_its_flag(kept, darnet):
    Path("photo.png").rename("moved.png")
    ran = darnet("blend", kept, "-o", "x.png")
    assert (ran.code, ran.err) == (
        1,
        f"darnet: {NAME}: photo.png, which was restored, is not there; --input names it\n",
    )
    assert darnet("blend", kept, "-o", "x.png", "--input", "moved.png").code == 0


@pytest.mark.parametrize("keep", [(), ("--keep",)])
def test_residuals_go_with_the_output_they_are_of(kept, restore, restore_clean, darnet, keep):
    """They stayed, and were blended as those of the new output."""
    assert restore_clean("photo.png", *keep).code == 1  # no leave to replace anything
    assert Path(kept).exists()
    assert restore_clean("photo.png", *keep, "--dry-run", "--overwrite").code == 0
    assert Path(kept).exists()
    assert restore_clean("photo.png", *keep, "--overwrite").code == 0
    assert not Path(kept).exists()


@pytest.mark.parametrize("content", [b"mine", b"PK\3\4 mine", b""])
def test_nothing_else_goes_with_an_output(pictures, restore, restore_clean, content):
    pictures("photo.png")
    assert restore("photo.png").code == 0
    Path(NAME).write_bytes(content)
    assert restore("photo.png", "--overwrite").code == 0
    assert restore_clean("photo.png", "--overwrite", "--keep").code == 0
    assert Path(NAME).read_bytes() == content


def test_residuals_of_what_a_blend_replaces_go_and_its_own_stay(kept, darnet):
    Path("other.png").write_bytes(Path("photo.restored.png").read_bytes())
    Path("other.png.residuals").write_bytes(Path(kept).read_bytes())
    assert darnet("blend", kept, "-o", "other.png", "--overwrite", "-s", 0.5).code == 0
    assert not Path("other.png.residuals").exists()
    for _ in range(2):
        assert darnet("blend", kept, "--overwrite", "-s", 0.5).code == 0


def test_what_is_no_such_file(pictures, darnet):
    pictures("photo.png")
    ran = darnet("blend", "photo.png", "gone")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.splitlines() == [
        "darnet: photo.png: no file of residuals, as --keep writes them",
        "darnet: gone: no such file or directory",
        "darnet: 2 of 2 inputs failed",
    ]


def test_json_quiet_and_a_summary(kept, darnet):
    ran = darnet("blend", kept, "gone", "--json", "-o", "out")
    entries = {entry["input"]: entry for entry in map(json.loads, ran.out.splitlines())}
    assert entries["gone"] == {
        "input": "gone",
        "output": None,
        "already": False,
        "result": None,
        "error": "no such file or directory",
    }
    assert entries[NAME]["output"] == "out/photo.restored.png"
    assert entries[NAME]["result"]["experts"] == ["noise", "blur"]
    ran = darnet("blend", kept, "--json")
    assert json.loads(ran.out)["error"] == "photo.restored.png: exists already; --overwrite replaces it"
    assert darnet("blend", kept, "--overwrite", "--quiet") == (0, "", "")
    Path("sub").mkdir()
    Path(f"sub/{NAME}").write_bytes(Path(NAME).read_bytes())
    Path("sub/photo.png").write_bytes(Path("photo.png").read_bytes())
    ran = darnet("blend", kept, f"sub/{NAME}", "--overwrite")
    assert re.fullmatch(r"darnet: 2 pictures: 2 blended, in \d+\.\d s\n", ran.err)


def test_what_fails_is_traced_for_who_asks(kept, darnet):
    Path("photo.png").write_bytes(b"other")
    assert "Traceback" not in darnet("blend", kept, "-o", "x.png").err
    assert "Traceback" in darnet("blend", kept, "-o", "x.png", "-v").err


def test_a_dry_run_keeps_nothing(pictures, restore):
    pictures("photo.png")
    assert restore("photo.png", "--keep", "--dry-run").code == 0
    assert [path.name for path in Path().iterdir()] == ["photo.png"]


def test_stdin_may_be_kept_where_a_file_is_written(pictures, restore, darnet, monkeypatch):
    photo = pictures("photo.png")
    with photo.open("rb") as file:
        monkeypatch.setattr(sys, "stdin", type("Stdin", (), {"buffer": file})())
        assert restore("-", "-o", "out.png", "--keep").code == 0
    ran = darnet("blend", "out.png.residuals", "--overwrite")
    assert (ran.code, ran.err) == (
        1,
        "darnet: out.png.residuals: says of no file that it was restored; --input names it\n",
    )
    assert darnet("blend", "out.png.residuals", "--overwrite", "--input", "photo.png").code == 0
