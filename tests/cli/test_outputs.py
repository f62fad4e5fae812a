"""darnet.cli.outputs: no two pictures in one file, and one picture through a pipe."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from darnet.cli.outputs import sniff
from darnet.images.image import Image


def test_pictures_that_would_meet_keep_their_suffix(pictures, restore):
    pictures("in/a.jpg")
    pictures("in/a.png")
    pictures("in/b.jpg")
    assert restore("in", "-o", "out", "--ext", "png").code == 0
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.jpg.png", "a.png.png", "b.png"]
    assert restore("in", "--ext", "png").code == 0
    assert {path.name for path in Path("in").glob("*.restored.*")} == {
        "a.jpg.restored.png",
        "a.png.restored.png",
        "b.restored.png",
    }


def test_pictures_that_still_meet_are_refused_before_any_work(pictures, restore):
    pictures("x/a.png")
    pictures("y/a.png")
    ran = restore("x/a.png", "y/a.png", "-o", "out")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "darnet: x/a.png and y/a.png would both become out/a.png.png\n"
    assert not Path("out").exists()


def test_the_folder_of_the_input_gets_marked_names(pictures, restore):
    pictures("a.png")
    assert restore("a.png", "-o", ".").code == 0
    assert Path("a.restored.png").exists()


@pytest.mark.parametrize("output", ["one.png", "-"])
def test_one_file_holds_one_picture(pictures, restore, output):
    pictures("in/a.png")
    pictures("b.png")
    for inputs in (["in/a.png", "b.png"], ["in"]):
        ran = restore(*inputs, "-o", output)
        assert (ran.code, ran.out) == (2, "")
        assert "one picture" in ran.err


def test_a_suffix_that_lies_is_corrected(pictures, restore_clean):
    pictures("photo.png").rename("photo.jpg")
    assert restore_clean("photo.jpg").code == 0
    assert Path("photo.restored.png").read_bytes() == Path("photo.jpg").read_bytes()


def test_sniff(pictures):
    assert sniff(pictures("a.webp")) == "webp"
    assert sniff(Path("missing")) is None


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
