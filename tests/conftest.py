"""Fixtures that several test modules share."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from hypothesis import settings

import shape_checks

shape_checks.install()

from darnet import store  # noqa: E402  after the hook
from darnet.models.classifier import DegradationClassifier  # noqa: E402
from darnet.models.compact import CompactUNet  # noqa: E402

# A machine that is busy is no failure.
settings.register_profile("darnet", deadline=None)
settings.load_profile("darnet")

KINDS = ("clean", "noise", "blur", "overexposure")
NOISE_LEVEL = 24.0
CONFIDENT_LOGIT = 4.0  # over three zeros: 95 %


def build_tiny_system(folder: Path, *, says: str) -> Path:
    """A system that needs no training: its router always `says` the same, its experts brighten a little."""
    router = DegradationClassifier(kinds=KINDS, width=4)
    expert = CompactUNet(width=4, blocks=(1, 1))
    with torch.no_grad():
        router.classify.weight.zero_()
        router.classify.bias.zero_()
        router.classify.bias[KINDS.index(says)] = CONFIDENT_LOGIT
        router.estimate.bias.fill_(math.log(NOISE_LEVEL))
        expert.tail.bias.fill_(0.1)
    described = {"licence": "CC0-1.0", "scores": {"tiny": {"psnr": 30.5}}}
    card = store.Card(
        name="tiny-router",
        kind="degradation-classifier",
        config={"kinds": list(KINDS), "width": 4},
        handles=KINDS,
        **described,
    )
    store.save(router, card, folder / "router")
    for kind in KINDS[1:]:
        config = {"width": 4, "blocks": [1, 1]}
        card = store.Card(name=f"tiny-{kind}", kind="compact-unet", config=config, handles=(kind,), **described)
        store.save(expert, card, folder / kind)
    system = {"format": 1, "name": "tiny", "router": "router", "experts": {kind: kind for kind in KINDS[1:]}}
    (folder / store.SYSTEM).write_text(json.dumps(system))
    return folder


@pytest.fixture(scope="session")
def tiny_system(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Calls everything noise, with σ ≈ 24."""
    return build_tiny_system(tmp_path_factory.mktemp("tiny"), says="noise")


@pytest.fixture(scope="session")
def tiny_clean_system(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Calls everything clean."""
    return build_tiny_system(tmp_path_factory.mktemp("tiny-clean"), says="clean")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--renew-golden", action="store_true", help="take today's outputs as the golden ones")
