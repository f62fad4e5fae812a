"""Fixtures that several test modules share."""

from __future__ import annotations

import json
import math
import os
import shutil
import struct
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import jaxtyping
import numpy as np
import PIL.Image
import pytest
import torch
from hypothesis import settings

import shape_checks

shape_checks.install()

#: What is asserted of pictures is of torch, not of whatever is the fastest here; nothing is kept in the user's caches.
os.environ |= {"DARNET_BACKEND": "torch", "DARNET_CACHE": str(Path(tempfile.gettempdir()) / "darnet-tests")}

# torchvision's wheels are built for CUDA: beside a CPU torch two operators are missing when it (and so spandrel) is
# imported. Declared, they are enough for everything but detection networks.
if torch.version.cuda is None and not hasattr(torch.ops.torchvision, "nms"):
    TORCHVISION = torch.library.Library("torchvision", "FRAGMENT")  # must be kept
    for operator in ("nms", "qnms"):
        TORCHVISION.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from darnet.models import cards  # noqa: E402
from darnet.models.classifier import DegradationClassifier  # noqa: E402
from darnet.models.compact import CompactUNet  # noqa: E402
from darnet.models.daair import DaAIR  # noqa: E402
from darnet.models.slerir import SLERIR  # noqa: E402
from darnet.systems import manifest  # noqa: E402  after the hook
from darnet.testing import wake  # noqa: E402

# A machine that is busy is no failure.
settings.register_profile("darnet", deadline=None)
settings.load_profile("darnet")

#: Where a TIFF file says where its directory of GPS lies.
GPS = 0x8825
KINDS = ("clean", "noise", "blur", "overexposure")
NOISE_SIGMA = 24.0
CONFIDENT_LOGIT = 4.0  # over three zeros: 95 %


def build_tiny_system(folder: Path, *, says: str) -> Path:
    """A system that needs no training: its router always `says` the same, its experts brighten a little."""
    router = DegradationClassifier(kinds=KINDS, width=4)
    expert = CompactUNet(width=4, blocks=(1, 1))
    with torch.no_grad():
        router.classify.weight.zero_()
        router.classify.bias.zero_()
        router.classify.bias[KINDS.index(says)] = CONFIDENT_LOGIT
        router.estimate.bias.fill_(math.log(NOISE_SIGMA))
        expert.tail.bias.fill_(0.1)
    described = {"licence": "CC0-1.0", "scores": {"tiny": {"psnr": 30.5}}}
    card = cards.Card(
        name="tiny-router",
        kind="degradation-classifier",
        config={"kinds": list(KINDS), "width": 4},
        handles=KINDS,
        **described,
    )
    cards.save(router, card, folder / "router")
    for kind in KINDS[1:]:
        config = {"width": 4, "blocks": [1, 1]}
        card = cards.Card(name=f"tiny-{kind}", kind="compact-unet", config=config, handles=(kind,), **described)
        cards.save(expert, card, folder / kind)
    system = {"format": 1, "name": "tiny", "router": "router", "experts": {kind: kind for kind in KINDS[1:]}}
    (folder / manifest.SYSTEM).write_text(json.dumps(system))
    return folder


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Annotations are not checked, as they are while tests run otherwise (shape_checks.py).

    Who checks looks into sequences, so that pictures are drawn, and refuses what a user may give all the same.
    """
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="session")
def tiny_system(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Calls everything noise, with σ ≈ 24."""
    return build_tiny_system(tmp_path_factory.mktemp("tiny"), says="noise")


@pytest.fixture(scope="session")
def tiny_clean_system(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Calls everything clean."""
    return build_tiny_system(tmp_path_factory.mktemp("tiny-clean"), says="clean")


def build_tiny_daair(folder: Path, *, chooses: int = 0, **changed: object) -> Path:
    """A DaAIR for noise and rain, every block of which `chooses` the same expert."""
    config = {"kinds": ["noise", "rain"], "width": 8, "blocks": [1] * 8, "rank_divisor": 4, "kernel": 3, **changed}
    torch.manual_seed(0)
    network = DaAIR(**config)
    wake(network, std=0.02)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if ".route." in name:
                weight.zero_()
                if name.endswith("bias"):
                    weight[chooses] = 1
    cards.save(network, cards.Card(name=folder.name, kind="daair", config=config, dtype="float32"), folder)
    return folder


@pytest.fixture(scope="session")
def tiny_daair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights of a network that repairs noise and rain; every block chooses the expert for noise."""
    return build_tiny_daair(tmp_path_factory.mktemp("networks") / "daair")


@pytest.fixture(scope="session")
def tiny_slerir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with three numbered experts at each stage, for noise and rain; nobody taught it anything."""
    small = {"width": 4}
    config = {"width": 8, "blocks": [1] * 8, "heads": [1, 1, 2, 2], "expansion": 2, "dimension": 8, "crop_px": 16}
    config |= {"degradation": small, "content": small, "fusion": 8}
    torch.manual_seed(0)
    network = SLERIR(**config)
    folder = tmp_path_factory.mktemp("networks") / "slerir"
    card = cards.Card(name="slerir", kind="slerir", config=config, handles=("noise", "rain"), dtype="float32")
    cards.save(network, card, folder)
    return folder


@pytest.fixture(scope="session")
def tiny_plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same without specialised experts: it does not route."""
    return build_tiny_daair(tmp_path_factory.mktemp("networks") / "plain", specialised=False)


@pytest.fixture(scope="session")
def sets_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Test sets in their published layout: CBSD68 (three photos, 48×64), Rain100L (two pairs)."""
    root = tmp_path_factory.mktemp("sets")
    generator = np.random.default_rng(0)
    for name in ("CBSD68", "Rain100L/input", "Rain100L/target"):
        (root / name).mkdir(parents=True)
        for number in range(3 if name == "CBSD68" else 2):
            coarse = PIL.Image.fromarray(generator.integers(0, 256, (6, 8, 3), np.uint8))
            coarse.resize((64, 48), PIL.Image.Resampling.BICUBIC).save(root / name / f"{number}.png")
    return root


@pytest.fixture
def damaged_system(tiny_system: Path, tmp_path: Path) -> Path:
    """A system with one changed byte in a weight file."""
    folder = Path(shutil.copytree(tiny_system, tmp_path / "damaged"))
    path = folder / "noise" / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    return folder


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

    def damaged(self, name: str, seed: int = 0) -> Path:
        """A TIFF file with alpha, whose ICC profile is damaged, and of whose EXIF one directory lies nowhere."""
        tags = PIL.Image.Exif()
        tags[0x010F] = "Acme"
        tags[GPS] = {1: "N"}
        values = np.random.default_rng(seed).integers(20, 200, (24, 24, 4), np.uint8)
        path, profile = self.folder / name, b"RGB ".join([bytes(16), bytes(300)])
        PIL.Image.fromarray(values).save(path, exif=tags.tobytes(), icc_profile=profile)
        data = bytearray(path.read_bytes())
        place = data.rindex(struct.pack("<HHI", GPS, 4, 1)) + 8
        data[place : place + 4] = struct.pack("<I", len(data) + 1000)
        path.write_bytes(data)
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


class OneThread(ThreadPoolExecutor):
    """A pool of one thread that lets through what a pool of processes would: what can be pickled, errors as well."""

    def __init__(self, jobs: int, **settings: object) -> None:
        super().__init__(1)

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        return super().submit(self._apart, *crossed((function, arguments)))

    @staticmethod
    def _apart(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        try:
            return crossed(function(*arguments))
        except Exception as error:
            raise crossed(error) from error


def crossed(value: Any) -> Any:
    """A value as another process gets it."""
    return ForkingPickler.loads(ForkingPickler.dumps(value))


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure in a thread: starting processes takes seconds, and test_run.py shows that they work."""
    from darnet.benchmark import footprint, run
    from darnet.benchmark.report import html
    from darnet.benchmark.suites import speed

    for module in (run, speed, html, footprint):
        monkeypatch.setattr(module, "ProcessPoolExecutor", OneThread)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--renew-golden", action="store_true", help="take today's outputs as the golden ones")
