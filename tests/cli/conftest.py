"""A command run inside the test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from darnet import cli


class Ran(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def darnet(capfd: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    def run(*arguments: object) -> Ran:
        capfd.readouterr()
        code = cli.run([str(argument) for argument in arguments])
        return Ran(code, *capfd.readouterr())

    return run


@pytest.fixture
def restore(darnet: Callable[..., Ran], tiny_system: Path) -> Callable[..., Ran]:
    """`darnet restore` with a system that calls everything noise."""
    return lambda *arguments: darnet("restore", "--model", tiny_system, "-d", "cpu", *arguments)


@pytest.fixture
def restore_clean(darnet: Callable[..., Ran], tiny_clean_system: Path) -> Callable[..., Ran]:
    """`darnet restore` with a system that calls everything clean."""
    return lambda *arguments: darnet("restore", "--model", tiny_clean_system, "-d", "cpu", *arguments)
