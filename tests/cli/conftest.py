"""A command run inside the test, and pictures to run it on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL.Image
import pytest

from darnet import cli


class Ran(NamedTuple):
    code: int
    out: str
    err: str


class Pictures:
    """A folder of tiny pictures, which is also the working directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, name: str, side: int = 24, *, grey: bool = False, seed: int = 0) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        values = np.random.default_rng(seed).integers(20, 200, (side, side) if grey else (side, side, 3), np.uint8)
        options = {"quality": 90, "exif": self.exif()} if path.suffix == ".jpg" else {}
        PIL.Image.fromarray(values).save(path, **options)
        return path

    @staticmethod
    def exif() -> PIL.Image.Exif:
        tags = PIL.Image.Exif()
        tags[0x0132] = "2024:05:06 07:08:09"
        return tags


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pictures:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return Pictures(folder)


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


@pytest.fixture
def damaged_system(tiny_system: Path, tmp_path: Path) -> Path:
    """A system with one changed byte in a weight file."""
    folder = Path(shutil.copytree(tiny_system, tmp_path / "damaged"))
    path = folder / "noise" / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    return folder
