"""darnet.jobs.inputs: what inputs stand for."""

from __future__ import annotations

import errno
import gc
import io
import os
import sys
from pathlib import Path

import pytest

from darnet import restore_many
from darnet.errors import ImageError, UsageError
from darnet.jobs import Job, Task, spool
from darnet.jobs.inputs import NO_PICTURE, Search, Source


def names(*arguments: str, **options: object) -> list[str]:
    return [source.name for source in Search("restored", **options)(arguments).sources]


def test_folders_hold_pictures_in_order(pictures):
    for name in ("in/b.png", "in/a.jpg", "in/.hidden.png", "in/a.restored.jpg", "in/sub/c.png", "in/.git/d.png"):
        pictures(name)
    Path("in/notes.txt").write_text("")
    assert names("in") == ["in/a.jpg", "in/b.png"]
    assert names("in", recursive=True) == ["in/a.jpg", "in/b.png", "in/sub/c.png"]
    assert names("in", recursive=True, output="in/sub") == ["in/a.jpg", "in/b.png"]


def test_a_link_to_a_picture_of_the_same_folder_is_left_out_and_says_so(pictures):
    pictures("in/b.png")
    for link in ("a.png", "c.png"):
        Path("in", link).symlink_to("b.png")
    found = Search()(["in", "in/b.png"])
    assert [source.name for source in found.sources] == ["in/a.png"]
    assert list(found.left_out) == [(f"in/{name}.png", "the same file as in/a.png") for name in "bc"]
    found = Search()(["in/b.png", "in"])
    assert list(found.left_out) == [(f"in/{name}.png", "the same file as in/b.png") for name in "ac"]


def test_who_writes_no_outputs_passes_none_over(pictures):
    """`darnet diagnose` has no tag; `photo.None.png` once was one of its outputs."""
    for name in ("in/photo.png", "in/photo.None.png", "in/photo.restored.png"):
        pictures(name)
    names = ["in/photo.None.png", "in/photo.png", "in/photo.restored.png"]
    for given in (["in"], names):
        assert [source.name for source in Search()(given).sources] == names


def test_globs_are_expanded_for_shells_that_do_not(pictures):
    for name in ("a.png", "b.png", "c.jpg", "sub/d.png"):
        pictures(name)
    assert names("*.png") == ["a.png", "b.png"]
    assert names("**/*.png") == ["a.png", "b.png", "sub/d.png"]


def test_a_name_with_brackets_is_a_file_first(pictures):
    pictures("a[1].png")
    pictures("a1.png")
    assert names("a[1].png") == ["a[1].png"]


def test_a_file_counts_once(pictures):
    photo = pictures("in/a.png")
    assert names("in/a.png", "in", str(photo), "./in/a.png") == ["in/a.png"]


def test_what_is_missing_says_why(pictures):
    found = Search()(["nowhere.png", "*.png"])
    assert found.missing == [("nowhere.png", "no such file or folder"), ("*.png", "nothing matches")]


def errors(*inputs: object, restorer: Path, recursive: bool = False) -> dict[str, str | None]:
    return {
        done.input: done.error
        for done in restore_many(list(map(str, inputs)), "out", restorer, Job(recursive=recursive))
    }


def test_what_cannot_be_looked_at_is_one_input_that_fails(pictures, tiny_system):
    """A loop or a name too long once ended the whole run."""
    Path("loop.png").symlink_to("loop.png")
    long, photo = "x" * 300, pictures("a.png")
    assert errors("loop.png", f"{long}.png", f"{long}/a.png", photo, restorer=tiny_system) == {
        f"{long}.png": "file name too long",
        f"{long}/a.png": "file name too long",
        "loop.png": "too many levels of symbolic links",
        str(photo): None,
    }


def test_links_that_loop_do_not_stop_a_folder(pictures, tiny_system):
    pictures("in/a.png")
    Path("in/loop.png").symlink_to("loop.png")
    Path("in/self").symlink_to("../in")
    found = errors("in", restorer=tiny_system, recursive=True)
    assert found == {"in/a.png": None, "in/loop.png": "too many levels of symbolic links"}


def test_a_forbidden_folder_is_named_and_the_rest_is_found(pictures, monkeypatch):
    for name in ("in/a.png", "in/closed/b.png", "in/open/c.png"):
        pictures(name)
    scandir = os.scandir

    def guarded(path: str) -> object:
        if Path(path).name == "closed":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    found = Search(recursive=True)(["in"])
    assert [source.name for source in found.sources] == ["in/a.png", "in/open/c.png"]
    assert found.missing == [("in/closed", "permission denied")]
    assert found.total == 3
    assert Search()(["in/closed"]).missing == [("in/closed", "permission denied")]


def test_an_output_with_a_name_too_long_is_one_picture_that_fails(pictures, tiny_system):
    long = "x" * 245 + ".png"
    pictures("a.png").rename(long)
    pictures("b.png")
    failed, done = restore_many([long, "b.png"], restorer=tiny_system)
    assert "file name too long" in failed.error
    assert "unexpected" not in failed.error
    assert done.output == "b.restored.png"
    assert Path("b.restored.png").exists()


def test_a_link_to_nowhere_is_an_input_that_fails(pictures, tiny_system):
    Path("a.png").symlink_to("nowhere")
    assert errors("a.png", restorer=tiny_system) == {"a.png": "no such file or directory"}


def test_stdin_comes_alone(pictures):
    with pytest.raises(UsageError, match="stdin"):
        Search()(["-", "a.png"])


class Stdin:
    def __init__(self, data: bytes) -> None:
        self.buffer = io.BytesIO(data)


def test_stdin_is_held_and_lies_nowhere(pictures, monkeypatch):
    photo = pictures("a.png")
    monkeypatch.setattr(sys, "stdin", Stdin(photo.read_bytes()))
    (source,) = Search()(["-"]).sources
    assert (source.name, source.streamed) == ("-", True)
    assert b"".join(source.parts()) == photo.read_bytes()
    assert source.picture().array.shape == (24, 24, 3)
    monkeypatch.setattr(sys, "stdin", Stdin(b"no picture"))
    (source,) = Search()(["-"]).sources
    with pytest.raises(ImageError, match="-: not a JPEG"):
        source.picture()


def test_a_limit_holds_for_files_and_stdin(pictures, monkeypatch):
    photo = pictures("a.png")
    monkeypatch.setattr(sys, "stdin", Stdin(photo.read_bytes()))
    for one in ("a.png", "-"):
        (source,) = Search()([one]).sources
        assert source.picture(24 * 24).width == 24
        with pytest.raises(ImageError, match="24 x 24 is more than 575 pixels"):
            source.picture(24 * 24 - 1)


# --------------------------------------------------------------------------------- what a folder leaves out


def found(**options: object) -> tuple[list[str], dict[str, str]]:
    search = Search("restored", **options)(["in"])
    return [source.name for source in search.sources], dict(search.left_out)


def test_what_is_no_picture_is_left_out_with_the_reason(pictures) -> None:
    pictures("in/a.png")
    for name in ("notes.txt", "Thumbs.db", ".DS_Store", ".hidden.png", "desktop.ini", "x.psd"):
        Path("in", name).write_bytes(b"8BPS text")
    os.mkfifo("in/pipe")
    assert found() == (
        ["in/a.png"],
        {"in/notes.txt": NO_PICTURE, "in/x.psd": NO_PICTURE, "in/pipe": "not a regular file"},
    )


def test_pictures_are_known_by_their_content(pictures) -> None:
    """Whatever they are called; those that need an extra fail, with what to install."""
    for name in ("a.png", "b", "c.dat"):
        pictures("in/x.png").rename(Path("in", name))
    Path("in/d.CR2").write_bytes(b"II*\0\x10\0\0\0CR\x02\0" + bytes(99))
    Path("in/e.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(99))
    assert found() == (["in/a.png", "in/b", "in/c.dat", "in/d.CR2", "in/e.heic"], {})


def test_our_own_outputs_are_passed_over_and_nobody_is_told(pictures) -> None:
    pictures("in/a.png")
    pictures("in/a.restored.png")
    Path("in/a.restored.png.residuals").write_bytes(b"PK")
    assert found() == (["in/a.png"], {})


def test_folders_that_are_not_entered_are_named(pictures) -> None:
    for name in ("in/a.png", "in/sub/b.png", "in/.git/c.png", "in/out/d.png"):
        pictures(name)
    Path("in/back").symlink_to("..")
    assert found(output="in/out") == (
        ["in/a.png"],
        {
            "in/back": "a subfolder (`recursive=True` looks into it)",
            "in/sub": "a subfolder (`recursive=True` looks into it)",
        },
    )
    assert found(recursive=True, output="in/out") == (
        ["in/a.png", "in/sub/b.png"],
        {"in/back": "a link to a folder, which is not followed"},
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look into every folder")
@pytest.mark.parametrize("mode", [0, 0o444])
def test_a_forbidden_folder_is_one_that_fails(pictures, mode: int) -> None:
    """That may not be looked into, or whose names alone may be read."""
    for name in ("in/a.png", "in/sub/deep/b.png"):
        pictures(name)
    Path("in/sub").chmod(mode)
    found = Search(recursive=True)(["in"])
    assert [source.name for source in found.sources] == ["in/a.png"]
    assert found.missing == [("in/sub/deep" if mode else "in/sub", "permission denied")]


def test_a_folder_too_deep_is_one_that_fails(pictures) -> None:
    """Its name is longer than the system takes; that is found out on the way there."""
    pictures("in/a.png")
    here = os.open("in", os.O_RDONLY)
    try:
        for _ in range(5000 // 200):
            os.mkdir("d" * 200, dir_fd=here)
            below = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
        found = Search(recursive=True)(["in"])
    finally:
        os.close(here)
    assert [source.name for source in found.sources] == ["in/a.png"]
    assert [reason for _, reason in found.missing] == ["file name too long"]


def test_a_name_too_long_for_its_output_is_one_that_fails(pictures, tiny_system) -> None:
    long, good = pictures(f"in/{'n' * 250}.png"), pictures("in/a.png")
    done = {one.input: one.error for one in restore_many(["in"], None, tiny_system)}
    assert "file name too long" in str(done.pop(f"in/{long.name}"))
    assert done == {f"in/{good.name}": None}
    assert sorted(path.name for path in Path("in").glob("[!.]*")) == sorted([long.name, good.name, "a.restored.png"])


# --------------------------------------------------------------------------------- many


def test_what_was_given_keeps_its_place(pictures) -> None:
    """A file that comes again with its folder stays where it was named."""
    for name in ("in/a.png", "in/b.png", "in/c.png"):
        pictures(name)
    assert names("in/c.png", "in", "in/b.png") == ["in/c.png", "in/a.png", "in/b.png"]


def test_of_many_pictures_few_are_held(tmp_path, monkeypatch) -> None:
    """Neither when they are planned nor while they are gone through; names sorted in parts are in order."""
    monkeypatch.setattr(spool, "SORTED_AT_ONCE", 300)
    (tmp_path / "in").mkdir()
    for number in range(2000):
        (tmp_path / "in" / f"{number}.png").touch()
    tasks = Job().plan([str(tmp_path / "in")], str(tmp_path / "out")).tasks
    found = list[str]()
    for task in tasks:
        found.append(task.output.name)
        if len(found) % 700 == 1:
            assert sum(type(one) in {Source, Task} for one in gc.get_objects()) < 4 * spool.AT_ONCE
    assert found == sorted(f"{number}.png" for number in range(2000))
