"""darnet.cli.streams: streams that are closed, full, or that nobody reads any more."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

DARNET = f"{sys.executable} -m darnet"
FULL = "no space left on device"


@pytest.fixture
def shell(pictures, tiny_system: Path) -> Callable[[str], tuple[int, str]]:
    """A command line after `darnet`, in a shell, beside a photo.png; the exit code, and what stderr gets."""
    pictures("photo.png")
    diagnose, restore = f"diagnose --model {tiny_system} -d cpu", f"restore --model {tiny_system} -d cpu"

    def run(line: str) -> tuple[int, str]:
        line = line.replace("DIAGNOSE", diagnose).replace("RESTORE", restore)
        ran = subprocess.run(
            f"{DARNET} {line}", shell=True, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False
        )
        return ran.returncode, ran.stderr

    return run


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("DIAGNOSE - <&-", "stdin is closed"),
        ("DIAGNOSE photo.png >&-", "stdout is closed"),
        ("DIAGNOSE photo.png > /dev/full", f"stdout: {FULL}"),
        ("RESTORE photo.png -o - >&-", "photo.png: stdout is closed"),
        ("RESTORE photo.png -o - > /dev/full", f"photo.png: stdout: {FULL}"),
        ("degrade noise photo.png >&-", "stdout is closed"),
        ("--version > /dev/full", f"stdout: {FULL}"),
        ("experts list >&-", "stdout is closed"),
    ],
)
def test_a_stream_that_fails_is_named_once(shell, line, said):
    assert shell(line) == (1, f"darnet: {said}\n")


def test_nobody_who_reads_any_more(shell):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ran = subprocess.run(
            [*DARNET.split(), "--version"], stdout=writing, stderr=subprocess.PIPE, text=True, check=False
        )
    finally:
        os.close(writing)
    assert (ran.returncode, ran.stderr) == (1, "darnet: stdout: broken pipe\n")


def test_who_says_nothing_needs_no_stream(shell):
    assert shell("RESTORE photo.png --quiet <&- >&- 2>&-") == (0, "")
    assert Path("photo.restored.png").is_file()
    assert shell("DIAGNOSE gone.png 2> /dev/full")[0] == 3
    assert shell("DIAGNOSE gone.png 2>&-")[0] == 3
