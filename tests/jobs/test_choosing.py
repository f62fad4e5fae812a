"""darnet.jobs.choosing: which pictures of a searched folder are meant."""

from __future__ import annotations

from pathlib import Path, PurePath

import pytest

from darnet.errors import UsageError
from darnet.jobs import Job
from darnet.jobs.choosing import Choice


@pytest.mark.parametrize(
    ("pattern", "fitting", "others"),
    [
        ("*.jpg", ["a.jpg", "x/y/a.jpg"], ["a.png", "a.jpg.png"]),
        ("a?.png", ["ab.png", "x/ab.png"], ["a.png", "a/b.png"]),
        ("a[1-3].png", ["a2.png"], ["a4.png", "a[1-3].png"]),
        ("a[!1-3].png", ["a4.png"], ["a2.png"]),
        ("a(1)+.png", ["a(1)+.png"], ["a1.png", "a(1)(1).png"]),
        ("thumbs", ["thumbs/a.png", "x/thumbs/y/a.png", "thumbs"], ["thumbs.png", "mythumbs/a.png"]),
        ("thumbs/", ["thumbs/a.png", "x/thumbs/a.png"], ["thumbs.png"]),
        ("x/*.png", ["x/a.png"], ["a.png", "x/y/a.png", "y/x/a.png"]),
        ("x/**", ["x/a.png", "x/y/a.png"], ["a.png", "y/x/a.png"]),
        ("**/y/*.png", ["y/a.png", "x/y/a.png", "x/z/y/a.png"], ["x/a.png", "xy/a.png"]),
        ("x/**/a.png", ["x/a.png", "x/y/z/a.png"], ["a.png", "x/ba.png"]),
        ("[[a]*.png", ["[.png", "ab.png"], ["b.png"]),
        ("[+--].png", ["+.png", ",.png", "-.png"], ["..png", "a.png"]),
        ("[--0].png", ["-.png", "..png", "0.png"], ["1.png"]),
        ("[!&&||~~].png", ["a.png"], ["&.png", "|.png", "~.png"]),
        ("li\nne*", ["li\nne.png"], ["line.png"]),
    ],
)
def test_patterns(pattern, fitting, others):
    for path in fitting:
        assert Choice(exclude=[pattern]).refuses(PurePath(path)) == f"`exclude={pattern!r}` fits"
        assert Choice(include=[pattern]).refuses(PurePath(path)) is None
    for path in others:
        assert Choice(exclude=[pattern]).refuses(PurePath(path)) is None
        assert Choice(include=[pattern]).refuses(PurePath(path)) == "none of `include` fits"


@pytest.mark.parametrize("pattern", ["[z-a].jpg", "[\\].jpg", "[a--b].jpg"])
def test_a_class_of_no_characters_is_an_error(pattern):
    for name in ("include", "exclude"):
        with pytest.raises(UsageError, match=f"`{name}=.*no pattern"):
            Choice(**{name: [pattern]})


@pytest.mark.parametrize("pattern", ["", "/in/*.jpg", "../*.jpg", "a/../b"])
def test_a_pattern_that_fits_nothing_is_an_error(pattern):
    for name in ("include", "exclude"):
        with pytest.raises(UsageError, match=f"`{name}=.*fits nothing"):
            Job(**{name: pattern})
    with pytest.raises(UsageError, match="`min_size=-1`"):
        Job(min_size=-1)


def test_what_is_left_out_says_why_and_folders_are_not_entered(pictures):
    for name in ("a.png", "a.jpg", "raw/b.png", "keep/c.png", "keep/raw/d.png"):
        pictures(f"in/{name}", side=40)
    pictures("in/keep/small.png", side=20)
    Path("in/damaged.png").write_text("no picture")
    job = Job(recursive=True, include="*.png", exclude="raw", min_size=30)
    agenda = job.plan(["in"], "out")
    assert [task.source.name for task in agenda.tasks] == ["in/a.png", "in/damaged.png", "in/keep/c.png"]
    assert dict(agenda.left_out) == {
        "in/raw": "`exclude='raw'` fits",
        "in/a.jpg": "none of `include` fits",
        "in/keep/raw": "`exclude='raw'` fits",
        "in/keep/small.png": "20 × 20 pixels, and its shorter side has fewer than `min_size=30`",
    }


def test_a_file_that_is_named_is_meant(pictures):
    pictures("a.png")
    (task,) = Job(include=["*.jpg"], exclude=["a.png"], min_size=500).plan(["a.png"]).tasks
    assert task.source.name == "a.png"
