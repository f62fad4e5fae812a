"""darnet.cli.inputs: what arguments stand for."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from darnet.cli.inputs import Search
from darnet.errors import UsageError


def names(*arguments: str, **options: object) -> list[str]:
    return [source.name for source in Search(Path(), "restored", **options)(arguments).sources]


def test_folders_hold_pictures_in_order(pictures):
    for name in ("in/b.png", "in/a.jpg", "in/.hidden.png", "in/a.restored.jpg", "in/sub/c.png", "in/.git/d.png"):
        pictures(name)
    Path("in/notes.txt").write_text("")
    assert names("in") == ["in/a.jpg", "in/b.png"]
    assert names("in", recursive=True) == ["in/a.jpg", "in/b.png", "in/sub/c.png"]
    assert names("in", recursive=True, output="in/sub") == ["in/a.jpg", "in/b.png"]


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
    found = Search(Path())(["nowhere.png", "*.png"])
    assert found.missing == [("nowhere.png", "no such file or folder"), ("*.png", "nothing matches")]


def test_what_cannot_be_looked_at_is_one_input_that_fails(pictures, darnet, tiny_system):
    """A loop or a name too long once ended the whole run."""
    Path("loop.png").symlink_to("loop.png")
    long = "x" * 300
    ran = darnet("diagnose", "--model", tiny_system, "loop.png", f"{long}.png", f"{long}/a.png", pictures("a.png"))
    assert ran.code == 1
    assert ran.out.startswith(f"{pictures.folder / 'a.png'}  noise")
    assert "darnet: loop.png: too many levels of symbolic links\n" in ran.err
    assert f"darnet: {long}.png: file name too long\n" in ran.err
    assert "\ndarnet: 3 of 4 inputs failed; 1 noise, in " in ran.err


def test_links_that_loop_do_not_stop_a_folder(pictures, darnet, tiny_system):
    pictures("in/a.png")
    Path("in/loop.png").symlink_to("loop.png")
    Path("in/self").symlink_to("../in")
    ran = darnet("diagnose", "--model", tiny_system, "-r", "in")
    assert (ran.code, ran.out[:8]) == (1, "in/a.png")
    assert "\ndarnet: 1 of 2 inputs failed; 1 noise, in " in ran.err


def test_a_forbidden_folder_is_named_and_the_rest_is_found(pictures, monkeypatch):
    for name in ("in/a.png", "in/closed/b.png", "in/open/c.png"):
        pictures(name)
    scandir = os.scandir

    def guarded(path: str) -> object:
        if Path(path).name == "closed":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    found = Search(Path(), recursive=True)(["in"])
    assert [source.name for source in found.sources] == ["in/a.png", "in/open/c.png"]
    assert found.missing == [("in/closed", "permission denied")]
    assert found.total == 3
    assert Search(Path())(["in/closed"]).missing == [("in/closed", "permission denied")]


def test_an_output_with_a_name_too_long_is_one_picture_that_fails(pictures, restore):
    long = "x" * 245 + ".png"
    pictures("a.png").rename(long)
    pictures("b.png")
    ran = restore(long, "b.png")
    assert ran.code == 1
    assert "file name too long\ndarnet: 1 of 2 inputs failed; 1 repaired (1 noise), in " in ran.err
    assert "unexpected" not in ran.err
    assert Path("b.restored.png").exists()


def test_a_link_to_nowhere_is_an_input_that_fails(pictures, restore):
    Path("a.png").symlink_to("nowhere")
    assert restore("a.png").code == 1


def test_stdin_comes_alone(pictures):
    with pytest.raises(UsageError, match="stdin"):
        Search(Path())(["-", "a.png"])
