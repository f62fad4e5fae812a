"""darnet doctor."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from darnet import __version__, store


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A place for systems that ship."""
    monkeypatch.setattr(store, "SHIPPED", tmp_path / "weights")

    def ship(system: Path) -> None:
        shutil.copytree(system, tmp_path / "weights" / "darnet")

    return ship


def test_a_sound_installation(darnet, shipped, tiny_system):
    shipped(tiny_system)
    ran = darnet("doctor", "--json")
    assert (ran.code, ran.err) == (0, "")
    findings = json.loads(ran.out)
    assert findings["versions"]["darnet"] == __version__
    assert {"python", "torch", "pyvips", "numpy", "pydantic", "platform"} <= set(findings["versions"])
    assert findings["machine"]["devices"][0] == "cpu"
    assert isinstance(findings["machine"]["bf16 on the CPU"], bool)
    for what in ("training", "Muon"):
        assert findings["machine"][what].split()[0] in {"fp32", "bf16"}
    assert findings["formats"] == dict.fromkeys(("jpeg", "png", "tiff", "webp", "avif"), "ok")
    assert findings["weights"]["darnet"] == dict.fromkeys(("router", "noise", "blur", "overexposure"), "ok")
    text = darnet("doctor").out
    assert "libvips" in text
    assert "router ok, noise ok" in text


def test_damaged_and_missing_weights_are_4(darnet, shipped, damaged_system):
    ran = darnet("doctor")
    assert (ran.code, ran.err) == (4, "darnet: no weights ship with this installation\n")
    shipped(damaged_system)
    ran = darnet("doctor")
    assert ran.code == 4
    assert ran.err.startswith("darnet: darnet: noise: ")
    (store.SHIPPED / "darnet" / store.SYSTEM).write_text("{")
    assert "not JSON" in darnet("doctor").err
