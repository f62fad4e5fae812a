"""examples/plugin, installed with pip as a stranger's package would be: listed, checked, routed to."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import PIL.Image
import pytest
import torch

import darnet
from darnet.degradations import named_generator
from darnet.images.image import Image
from darnet.images.metrics import psnr
from darnet.models import cards
from darnet.models.classifier import DegradationClassifier

ROOT = Path(__file__).parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """`python ARGUMENTS` where the plug-in is installed; the environment of the tests stays as it is."""
    source = shutil.copytree(ROOT / "examples" / "plugin", tmp_path_factory.mktemp("source") / "plugin")
    site = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", site]
    subprocess.run([*pip, source], check=True, capture_output=True)
    paths = [str(site), str(Path(darnet.__file__).parents[1])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}

    def python(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    return python


def command(run: Run, *arguments: object) -> str:
    done = run("-m", "darnet", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_listed(run: Run) -> None:
    assert "switching-median" in json.loads(command(run, "experts", "list", "--json"))["available"]


def test_its_damage_is_made(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "peppered.png"
    photo = ROOT / "examples" / "coffee-clean.jpg"
    text = command(run, "degrade", "salt-and-pepper", photo, "--set", "density=0.05", "-o", out)
    assert "salt-and-pepper density=0.05" in text
    assert out.is_file()


def test_it_keeps_the_contracts(run: Run) -> None:
    done = run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, ROOT / "examples" / "plugin" / "tests")
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


def test_it_is_routed_to(run: Run, tiny_system: Path, tmp_path: Path) -> None:
    """A router that calls everything salt-and-pepper sends a peppered photo to the plug-in, which repairs it."""
    system = shutil.copytree(tiny_system, tmp_path / "system")
    kinds = ("clean", "salt-and-pepper")
    router = DegradationClassifier(kinds, 4)
    with torch.no_grad():
        router.classify.weight.zero_()
        router.classify.bias.copy_(torch.tensor([0.0, 5.0]))
    config = {"kinds": list(kinds), "width": 4}
    cards.save(
        router, cards.Card(name="r", kind="degradation-classifier", config=config, handles=kinds), system / "router"
    )
    command(run, "experts", "add", "switching-median", "--as", "salt-and-pepper", "--model", system)
    photo = Image.read(ROOT / "examples" / "coffee-clean.jpg").pixels()[:, :96, :128]
    chance = torch.rand(photo.shape[1:], generator=named_generator("pepper"))
    damaged = torch.where(chance < 0.05, 0.0, torch.where(chance > 0.95, 1.0, photo))
    Image.of((damaged * 255).round().byte().permute(1, 2, 0).numpy()).write(tmp_path / "peppered.png")
    out = tmp_path / "out.png"
    text = command(run, "restore", tmp_path / "peppered.png", "-o", out, "--model", system)
    assert re.search(r"salt-and-pepper 99 % \(density ≈ \d\.\d\d\)", text), "in the unit that the plug-in gives it"
    with PIL.Image.open(out) as picture:
        restored = Image.of(picture).pixels()
    assert float(psnr(restored[None], photo[None])) > float(psnr(damaged[None], photo[None])) + 15
