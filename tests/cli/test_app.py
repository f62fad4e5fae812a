"""darnet itself: help at once, the version, usage errors, and no traceback."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from darnet import __version__, cli
from darnet.cli.app import build
from darnet.systems import manifest

HEAVY = ("torch", "numpy", "pyvips", "pydantic", "PIL")


def test_help_is_quick_and_imports_nothing_heavy():
    """In seconds of its own: a machine that is busy is no failure."""
    code = "import sys, time; from darnet.cli import run; run(['--help'])\n"
    code += "print(time.process_time(), *sys.modules, file=sys.stderr)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, *modules = ran.stderr.split()
    assert not {*HEAVY} & {*modules}
    assert float(seconds) < 0.5
    for command in (
        "diagnose",
        "restore",
        "serve",
        "blend",
        "degrade",
        "compare",
        "experts",
        "train",
        "extend",
        "inspect",
        "doctor",
    ):
        assert command in ran.stdout


def commands(command: Any, *path: str) -> Iterator[tuple[str, ...]]:
    yield path
    for name, one in getattr(command, "commands", {}).items():
        yield from commands(one, *path, name)


COMMANDS = [" ".join(path) for path in commands(build())]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(darnet, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "80")
    ran = darnet(*command.split(), "--help")
    assert (ran.code, ran.err) == (0, "")
    assert f"Usage: darnet {command}".rstrip() in ran.out
    assert darnet(*command.split(), "-h") == ran
    assert all(len(line) <= 80 for line in ran.out.splitlines())
    for puzzle in ("bool", "str>", "path>", "..."):  # Python's types, and what was cut off
        assert puzzle not in re.sub(r"({INPUT}|\[INPUT]|{MODEL}|{FILE}|\[ARGS])\.\.\.", "", ran.out)


def test_help_names_the_systems_that_ship(darnet):
    helps = {command: " ".join(darnet(*command.split(), "-h").out.split()) for command in COMMANDS}
    asked = [command for command, text in helps.items() if "--model NAME|PATH The system" in text]
    assert {"restore", "diagnose", "experts list", "extend"} <= set(asked)
    for command in asked:
        assert all(name in helps[command] for name in manifest.shipped()), command


@pytest.mark.parametrize("command", ["restore", "diagnose", "train", "bench", "compare", "experts add"])
def test_a_command_that_is_given_nothing_answers_with_its_usage(darnet, command):
    ran = darnet(*command.split())
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"Usage: darnet {command}")
    assert ran.err.count("\n") > 10


def test_a_usage_error_says_where_to_read_on(darnet):
    assert darnet("compare", "a.png").err == "darnet: Missing argument 'AFTER'; darnet compare -h says what there is\n"


def test_version(darnet):
    assert darnet("--version") == (0, f"darnet {__version__}\n", "")


def test_no_command_is_usage(darnet):
    ran = darnet()
    assert ran.code == 2
    assert "Usage: darnet" in ran.out + ran.err


@pytest.mark.parametrize("arguments", [("repair",), ("restore", "-o"), ("diagnose", "a.png", "--loud")])
def test_usage_errors_are_one_line(darnet, arguments):
    ran = darnet(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("darnet: ")
    assert ran.err.count("\n") == 1


def test_an_unexpected_error_is_one_line_unless_verbose(darnet, monkeypatch):
    from darnet.jobs import inputs

    def fail(*_: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(inputs.Search, "__call__", fail)
    assert darnet("restore", "a.png") == (1, "", "darnet: unexpected ZeroDivisionError: oh\n")
    with pytest.raises(ZeroDivisionError):
        cli.run(["restore", "a.png", "-v"])


def test_an_interrupt_is_130(darnet, monkeypatch):
    from darnet.jobs import inputs

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(inputs.Search, "__call__", interrupt)
    assert darnet("restore", "a.png") == (130, "", "darnet: interrupted\n")


def test_a_terminal_that_cannot_show_a_sigma(pictures, tiny_system):
    command = [sys.executable, "-m", "darnet", "diagnose", pictures("a.png"), "--model", tiny_system]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    ran = subprocess.run([str(part) for part in command], capture_output=True, env=environment, check=True)
    assert rb"(\u03c3 \u2248 24)" in ran.stdout


@pytest.mark.parametrize(
    ("command", "named"),
    [
        (("restore", ""), "'' after restore"),
        (("restore", "a.png", ""), "'' after a.png"),
        (("restore", "", "a.png", "-r"), "'' after restore"),
        (("restore", "a.png", "-o", ""), "'' after -o"),
        (("restore", "a.png", "--output="), "--output= is empty"),
        (("restore", "a.png", "--report", ""), "'' after --report"),
        (("diagnose", ""), "'' after diagnose"),
        (("compare", "a.png", ""), "'' after a.png"),
        (("compare", "", "a.png"), "'' after compare"),
        (("degrade", "noise", ""), "'' after noise"),
        (("degrade", "noise", "a.png", "-o", ""), "'' after -o"),
    ],
)
def test_an_empty_argument_is_named_and_is_not_this_folder(darnet, pictures, command, named):
    """`darnet restore "$PHOTO"` with PHOTO unset once repaired the whole current folder."""
    pictures("a.png")
    ran = darnet(*command)
    assert (ran.code, ran.out) == (2, "")
    assert named in ran.err
    assert [path.name for path in pictures.folder.iterdir()] == ["a.png"]


def test_what_is_no_choice_is_said_without_the_words_of_a_library(darnet):
    ran = darnet("restore", "a.png", "--ext", "psd")
    assert ran.code == 2
    assert ran.err.startswith("darnet: Invalid value for '--ext': 'psd' is not one of 'auto', 'jpg'")
