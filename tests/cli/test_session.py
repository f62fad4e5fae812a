"""darnet.cli.session: what is said where, and the exit code."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import pytest

from darnet.cli.session import Session
from darnet.notices import warn


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def codes(*exit_codes: int, total: int) -> int:
    session = Session()
    for code in exit_codes:
        session.fail("a.jpg", "because", code)
    return session.finish(total)


def test_exit_codes():
    assert codes(total=3) == 0
    assert codes(total=0) == 3
    assert codes(1, total=3) == 1
    assert codes(5, 5, total=3) == 5
    assert codes(5, 1, total=3) == 1


def test_what_is_said_of_pictures_is_told_under_their_names(capsys):
    session = Session()
    with session.attempt("given/a.tif", Path("a.tif")):
        warn(Path("a.tif"), "is sad")
        warn(Path("b.tif"), "is sad")
        raise ValueError("boom")
    assert capsys.readouterr().err.splitlines() == [
        "darnet: given/a.tif: warning: is sad",
        "darnet: given/a.tif: warning: b.tif: is sad",
        "darnet: given/a.tif: unexpected ValueError: boom",
    ]


def test_one_bar_counts_what_is_expected_and_done(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    with Session().bar(lambda done: f"{done} is done") as bar:
        bar.expect(2)
        bar.expect(3)
        bar.advance("a")
        (task,) = bar.progress.tasks
        assert (task.total, task.completed, task.description) == (5, 1, "a is done")
    with Session(quiet=True).bar() as bar:
        bar.expect(2)
        bar.advance("a")
        assert bar.progress is None


@pytest.mark.parametrize(("items", "terminal", "quiet", "shown"), [
    ("ab", True, False, True),
    ("a", True, False, False),
    ("ab", False, False, False),
    ("ab", True, True, False),
])  # fmt: skip
def test_a_bar_only_where_somebody_watches(monkeypatch, items, terminal, quiet, shown):
    stream = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    assert "".join(Session(quiet=quiet).each(items, len(items))) == items
    assert bool(stream.getvalue()) is shown
    assert "\x1b[3" not in stream.getvalue()  # colours


def test_what_folders_leave_out_is_named_and_counted(pictures, restore) -> None:
    pictures("in/a.png")
    pictures("in/sub/b.png")
    Path("in/notes.txt").write_text("")
    ran = restore("in", "-o", "out")
    assert ran.code == 0
    assert ran.err.splitlines()[:2] == [
        "darnet: in/sub: left out: a subfolder (-r looks into it)",
        "darnet: in/notes.txt: left out: no picture of a format that is read",
    ]
    assert re.search(r"1 picture: 1 repaired \(1 noise\), in .*; 2 left out of folders$", ran.err)
    assert "left out" not in restore("in", "-o", "out2", "--quiet").err
