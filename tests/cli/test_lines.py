"""darnet.cli.lines: all of it into a pipe, what fits onto a terminal, and colour only there."""

from __future__ import annotations

import io
import re
import sys
from dataclasses import replace

import pytest
from rich.cells import cell_len

from darnet.cli.lines import Line, coloured, tell

#: What ten of ten pictures of examples/ were: two lines each, at 80 columns.
LINES = [
    Line("photo.jpg", "noise 100 % (σ ≈ 24)", "noise expert  0.2 s", "photo.restored.jpg"),
    Line("examples/coffee-clean.jpg", "clean 99 %", "left alone  0.1 s", "demo/coffee-clean.jpg"),
    Line(
        "examples/coffee-overexposed.jpg",
        "overexposure 75 % (gain ≈ 1.84)",
        "overexposure expert  0.3 s",
        "demo/coffee-overexposed.jpg",
    ),
    Line(
        "examples/astronaut-dark.jpg",
        "lowlight 99 % (light ≈ 0.27), noise 98 % (σ ≈ 2)",
        "lowlight expert  0.4 s",
        "demo/astronaut-dark.jpg",
    ),
    Line("x/" + "n" * 200 + ".png", "blur 97 % (σ ≈ 1.8)", "blur expert  0.4 s", "y/" + "n" * 200 + ".png"),
    Line("写真" * 40 + ".png", "blur 97 % (σ ≈ 1.8)", "blur expert  0.4 s", "写真" * 40 + ".restored.png"),
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def columns_80(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.name[:30])
def test_a_line_fits_a_terminal_and_a_pipe_gets_all_of_it(line):
    shown = line.on(Terminal())
    assert cell_len(shown) <= 80
    assert line.verdict.partition(" (")[0] in shown
    assert shown.startswith(line.name.rpartition("/")[2][:5])
    assert line.on(io.StringIO()) == f"{line.name}  {line.verdict} -> {line.action} -> {line.output}"


def test_what_fits_is_shown_whole(monkeypatch):
    assert LINES[0].on(Terminal()) == str(LINES[0])
    monkeypatch.setenv("COLUMNS", "200")
    for line in LINES[:4]:
        assert line.on(Terminal()) == str(line)


def test_what_the_rest_tells_goes_first():
    assert LINES[1].on(Terminal()) == "coffee-clean.jpg  clean 99 % -> left alone  0.1 s -> demo/"
    assert LINES[2].on(Terminal()) == "coffee-overexposed.jpg  overexposure 75 % -> overexposure expert  0.3 s"
    assert LINES[3].on(Terminal()) == "astronaut-dark.jpg  lowlight 99 %, noise 98 % -> lowlight expert  0.4 s"


def test_a_verdict_is_coloured_on_a_terminal_alone(monkeypatch):
    line = replace(LINES[0], hue="yellow")
    shown = line.on(Terminal())
    assert "\x1b[33mnoise 100 % (σ ≈ 24)\x1b[0m" in shown
    assert re.sub("\x1b\\[[0-9]+m", "", shown) == str(line)
    assert line.on(io.StringIO()) == str(line)
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            assert line.on(Terminal()) == coloured(str(line), "red", Terminal()) == str(line)


def test_names_do_not_steer_a_terminal():
    line = Line("a\x1b[31m\n\u202e.png", "noise 98 %", output="b\r.png")
    assert line.on(io.StringIO()) == r"a\x1b[31m\n\u202e.png  noise 98 % -> b\r.png"
    assert "写真 \u202f\xa0é👩\u200d🔬.png" in str(
        Line("写真 \u202f\xa0é👩\u200d🔬.png", "")
    )  # what is no danger stays


def test_trouble_is_one_line_on_stderr(monkeypatch):
    for stream, wanted in ((io.StringIO(), "darnet: a b\n"), (Terminal(), "\x1b[31mdarnet:\x1b[0m a b\n")):
        monkeypatch.setattr(sys, "stderr", stream)
        tell("a\nb", "red")
        assert stream.getvalue() == wanted
