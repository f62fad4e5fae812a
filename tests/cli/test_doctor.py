"""darnet doctor."""

from __future__ import annotations

import json
import re
import shutil
from email.message import Message
from importlib.metadata import distribution
from pathlib import Path
from typing import ClassVar

import pytest

from darnet import __version__
from darnet.cli import doctor
from darnet.images import scratch
from darnet.images.formats import FORMATS
from darnet.systems import manifest
from pictures import AVAILABLE


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A place for systems that ship."""
    monkeypatch.setattr(manifest, "SHIPPED", tmp_path / "weights")

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
    formats = findings["formats"]
    assert {name: "ok" for name in AVAILABLE.values()}.items() <= formats.items()
    for name in FORMATS.keys() - AVAILABLE.values():
        assert re.match(
            r"is a .* picture, which (needs pillow_heif|the installed libvips was built without)", formats[name]
        )
    assert findings["weights"]["darnet"] == dict.fromkeys(("router", "noise", "blur", "overexposure"), "ok")
    text = darnet("doctor").out
    assert "libvips" in text
    assert "router ok, noise ok" in text


@pytest.mark.skipif(not Path("/dev/shm").is_mount(), reason="a folder that is memory on most Linux systems")
def test_where_large_pictures_lie_is_shown(darnet, monkeypatch, tmp_path):
    for folder, wanted in {
        tmp_path: r" \([\d.e+]+ GB free\)",
        Path("/dev/shm"): ".*: this is memory; set TMPDIR .*",
    }.items():
        monkeypatch.setattr(scratch, "folder", lambda folder=folder: folder)
        shown = json.loads(darnet("doctor", "--json").out)["machine"]["temporary files"]
        assert re.fullmatch(re.escape(str(folder)) + wanted, shown)


class Installed:
    """What `importlib.metadata` says of darnet where only some of it is installed."""

    metadata: ClassVar[Message]
    requires: ClassVar = (
        "torch>=2.6",
        'numpy>=1; extra == "one"',
        "no-such-package>=1; extra == 'two'",
        "numpy; extra == 'two'",
    )


def test_which_extras_are_installed(darnet, shipped, tiny_system, monkeypatch):
    def look(name: str) -> object:
        return Installed if name == "darnet" else distribution(name)

    shipped(tiny_system)
    Installed.metadata = Message()
    Installed.metadata["Provides-Extra"] = "one"
    Installed.metadata["Provides-Extra"] = "two"
    monkeypatch.setattr(doctor, "distribution", look)
    monkeypatch.setattr(doctor, "_machine", dict)
    wanted = {"one": "ok", "two": "not installed: no-such-package (pip install 'darnet[two]')"}
    assert json.loads(darnet("doctor", "--json").out)["extras"] == wanted
    lines = [line.split(maxsplit=1) for line in darnet("doctor").out.splitlines()]
    assert all([extra, state] in lines for extra, state in wanted.items())


def test_what_an_extra_brings_is_imported(darnet, shipped, tiny_system, monkeypatch, tmp_path):
    """Once it was only looked for: an installation in which nothing ran was called sound."""
    shipped(tiny_system)
    monkeypatch.syspath_prepend(tmp_path)
    for name, code in {"sound_one": "", "broken_one": "raise RuntimeError('no nms')"}.items():
        (tmp_path / f"{name}.py").write_text(code)
        about = tmp_path / f"{name}-1.5.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.5\n")
        (about / "top_level.txt").write_text(f"{name}\n_{name}\n")
    needed = ("sound-one; extra == 'one'", "sound-one; extra == 'two'", "broken-one>=1; extra == 'two'")
    Installed.metadata = Message()
    Installed.metadata["Provides-Extra"] = "one"
    Installed.metadata["Provides-Extra"] = "two"
    monkeypatch.setattr(Installed, "requires", needed)
    monkeypatch.setattr(doctor, "distribution", lambda name: Installed if name == "darnet" else distribution(name))
    monkeypatch.setattr(doctor, "_machine", dict)
    extras = json.loads(darnet("doctor", "--json").out)["extras"]
    wanted = "needs broken_one, which is installed (no nms): broken_one 1.5 cannot be imported"
    assert extras == {"one": "ok", "two": wanted}


def test_damaged_and_missing_weights_are_4(darnet, shipped, damaged_system):
    ran = darnet("doctor")
    assert (ran.code, ran.err) == (4, "darnet: no weights ship with this installation\n")
    shipped(damaged_system)
    ran = darnet("doctor")
    assert ran.code == 4
    assert ran.err.startswith("darnet: system darnet: noise: ")
    (manifest.SHIPPED / "darnet" / manifest.SYSTEM).write_text("{")
    assert "not JSON" in darnet("doctor").err
