"""darnet.cli.session: what is said where, and the exit code."""

from __future__ import annotations

import errno
import io
import sys
from pathlib import Path

import pytest
import torch

from darnet.cli.session import Session, explain
from darnet.errors import ImageError, ResourceError, WeightsError


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


def test_reasons_do_not_name_the_picture_twice():
    assert explain(ImageError("a.jpg", "is sad"), Path("a.jpg")) == ("is sad", 1)
    assert explain(ImageError("out/a.jpg", "is sad"), Path("a.jpg")) == ("out/a.jpg: is sad", 1)
    assert explain(WeightsError("w", "gone")) == ("w: gone", 4)
    assert explain(ResourceError("too big")) == ("too big", 5)
    assert explain(MemoryError()) == ("out of memory", 5)
    missing = FileNotFoundError(errno.ENOENT, "No such file or directory", "a.jpg")
    assert explain(missing, Path("a.jpg")) == ("no such file or directory", 1)
    assert explain(missing, Path("b.jpg")) == ("a.jpg: no such file or directory", 1)
    assert explain(KeyError("x")) == ("unexpected KeyError: 'x'", 1)


def test_torch_short_of_memory_on_a_cpu_is_5():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**50)  # four petabytes
    assert explain(caught.value) == ("out of memory", 5)


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
    assert "".join(Session(quiet=quiet).each(items)) == items
    assert bool(stream.getvalue()) is shown
    assert "\x1b[3" not in stream.getvalue()  # colours
