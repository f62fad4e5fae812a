"""darnet.cli.inputs: what arguments stand for."""

from __future__ import annotations

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


def test_a_link_to_nowhere_is_an_input_that_fails(pictures, restore):
    Path("a.png").symlink_to("nowhere")
    assert restore("a.png").code == 1


def test_stdin_comes_alone(pictures):
    with pytest.raises(UsageError, match="stdin"):
        Search(Path())(["-", "a.png"])
