"""darnet.cli.session: what is said where, and the exit code."""

from __future__ import annotations

import io
import sys

import pytest

from darnet.cli.session import Session


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


def test_a_run_that_fails_fast_asks_for_nothing_more():
    asked = []

    def work():
        for item in "abc":
            asked.append(item)
            yield item

    session = Session(fail_fast=True)
    for item in session.each(work(), 3):
        if item == "b":
            session.fail(item, "because")
    assert asked == ["a", "b"]
    assert list(session.each(work(), 3)) == []
    assert asked == ["a", "b"]


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
