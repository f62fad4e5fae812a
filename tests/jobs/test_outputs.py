"""darnet.jobs.outputs: no two pictures in one file, no input replaced, and one picture through a pipe."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from darnet.errors import ImageError, UsageError
from darnet.images.image import Image
from darnet.jobs import Encoding, Job, restore_many
from darnet.jobs.inputs import Source
from darnet.jobs.outputs import sniff


def names(*inputs: str, output: str | None = None, ext: str = "auto", recursive: bool = False) -> list[str]:
    job = Job(encoding=Encoding(ext), recursive=recursive)
    return [task.name for task in job.plan(inputs, output).tasks]


def test_beside_the_input_by_default(pictures):
    pictures("in/a.jpg")
    assert names("in/a.jpg") == ["in/a.restored.jpg"]
    assert names("in/a.jpg", ext="webp") == ["in/a.restored.webp"]


def test_folders_keep_their_structure(pictures):
    for name in ("in/a.png", "in/sub/b.png", "in/sub/note.txt.png"):
        pictures(name)
    assert names("in", output="out") == ["out/a.png"]
    assert names("in", output="out", recursive=True) == ["out/a.png", "out/sub/b.png", "out/sub/note.txt.png"]


def test_pictures_that_would_meet_keep_their_suffix(pictures):
    for name in ("in/a.jpg", "in/a.png", "in/b.jpg"):
        pictures(name)
    assert names("in", output="out", ext="png") == ["out/a.jpg.png", "out/a.png.png", "out/b.png"]
    beside = ["in/a.jpg.restored.png", "in/a.png.restored.png", "in/b.restored.png"]
    assert names("in", ext="png") == beside


def test_pictures_that_still_meet_are_refused_before_any_work(pictures):
    pictures("x/a.png")
    pictures("y/a.png")
    with pytest.raises(UsageError, match=r"x/a\.png and y/a\.png would both become out/a\.png\.png"):
        names("x/a.png", "y/a.png", output="out")
    assert not Path("out").exists()


def test_the_folder_of_the_input_gets_marked_names(pictures):
    pictures("a.png")
    assert names("a.png", output=".") == ["a.restored.png"]


@pytest.mark.parametrize("output", ["one.png", "-"])
@pytest.mark.parametrize("inputs", [["in/a.png", "b.png"], ["in"]])
def test_one_file_holds_one_picture(pictures, output, inputs):
    pictures("in/a.png")
    pictures("b.png")
    with pytest.raises(UsageError, match="one picture"):
        names(*inputs, output=output)


@pytest.mark.parametrize(
    ("output", "ext", "said"),
    [("out.psd", "auto", r"`output='out.psd'`: unknown suffix '.psd'"), ("out.jpg", "png", "`ext='png'` disagree")],
)
def test_an_output_that_can_be_no_picture(pictures, output, ext, said):
    pictures("a.png")
    with pytest.raises(UsageError, match=said):
        names("a.png", output=output, ext=ext)


@pytest.mark.parametrize("link", ["same", "symlink", "hardlink"])
def test_the_output_is_never_the_input(pictures, link):
    photo = pictures("photo.png")
    output = Path("photo.png" if link == "same" else "link.png")
    if link == "symlink":
        output.symlink_to(photo)
    if link == "hardlink":
        output.hardlink_to(photo)
    with pytest.raises(UsageError, match="originals are never touched"):
        Job(overwrite=True).plan(["photo.png"], str(output))


def test_what_exists_is_replaced_only_where_that_was_said(pictures):
    pictures("a.png")
    Path("a.restored.png").write_text("precious")
    (task,) = Job().plan(["a.png"]).tasks
    with pytest.raises(ImageError, match=r"a\.restored\.png: exists already; `overwrite=True` replaces it"):
        task.check(overwrite=False)
    task.check(overwrite=True)
    Path("folder.png").mkdir()
    for output, reason in {"a.png/b.png": "not a directory", "folder.png/": ""}.items():
        (task,) = Job().plan(["a.png"], output).tasks
        if reason:
            with pytest.raises(ImageError, match=reason):
                task.check(overwrite=True)


def test_a_suffix_that_lies_is_corrected(pictures):
    pictures("photo.png").rename("photo.jpg")
    assert names("photo.jpg") == ["photo.restored.png"]


def test_sniff(pictures):
    assert sniff(Source("a", pictures("a.webp"), Path("a"))) == "webp"
    assert sniff(Source("a", Path("missing"), Path("a"))) is None


class Stream:
    def __init__(self, data: bytes = b"") -> None:
        self.buffer = io.BytesIO(data)


@pytest.fixture
def piped(monkeypatch):
    def run(data: bytes, restorer: Path, ext: str = "auto") -> bytes:
        monkeypatch.setattr(sys, "stdin", Stream(data))
        monkeypatch.setattr(sys, "stdout", out := Stream())
        (done,) = restore_many("-", restorer=restorer, job=Job(encoding=Encoding(ext)))
        assert (done.input, done.output, done.error) == ("-", "-", None)
        return out.buffer.getvalue()

    return run


def test_stdin_to_stdout(pictures, piped, tiny_system, tiny_clean_system):
    photo = pictures("photo.jpg").read_bytes()
    assert piped(photo, tiny_clean_system) == photo
    restored = Image.decode(piped(photo, tiny_system, "png"))
    assert restored.format == "png"
    assert "exif-data" in restored.metadata
    assert (restored.array > Image.decode(photo).array).mean() > 0.99
