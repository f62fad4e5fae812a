"""deploy/darnet.service: systemd reads it, it serves what darnet reads, and it may do little."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from darnet.images.budget import bytes_of
from deployment import DEPLOY, ENDING_SECONDS, LISTENER, WORKER, limits_of, parsed, size

needs_systemd = pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="systemd is not here (apt install systemd)"
)


def unit() -> dict[str, str]:
    """The unit's settings; none of them is given twice."""
    text = (DEPLOY / "darnet.service").read_text(encoding="utf-8")
    pairs = [line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#")]
    assert len({name for name, _ in pairs}) == len(pairs)
    return {name: value for name, value in pairs}


def test_the_unit_serves_with_what_it_is_given() -> None:
    settings = unit()
    program, *arguments = settings["ExecStart"].split()
    assert program == "/opt/darnet/bin/darnet"
    options = parsed(arguments)
    name, _, held = settings["LoadCredential"].partition(":")
    assert str(options["token_file"]) == f"%d/{name}"
    assert held in (DEPLOY / "darnet.service").read_text(encoding="utf-8").partition("[Unit]")[0]
    limits = limits_of(options)
    assert int(settings["TimeoutStopSec"]) >= limits.seconds + ENDING_SECONDS
    needed = bytes_of(options["max_memory"]) + LISTENER + limits.workers * WORKER
    assert size(settings["MemoryMax"]) >= needed
    assert settings.items() >= {"DynamicUser": "yes", "NoNewPrivileges": "yes", "PrivateTmp": "yes"}.items()
    assert (settings["ProtectSystem"], settings["CapabilityBoundingSet"]) == ("strict", "")
    assert f"DARNET_CACHE=%C/{settings['CacheDirectory']}" in settings["Environment"]


@needs_systemd
def test_systemd_takes_the_unit_and_finds_little_that_it_may(tmp_path: Path) -> None:
    written = (DEPLOY / "darnet.service").read_text(encoding="utf-8")
    here = tmp_path / "darnet.service"
    here.write_text(written.replace("/opt/darnet/bin/darnet", sys.executable), encoding="utf-8")
    verify = ["systemd-analyze", "verify", "--man=no", str(here)]
    ran = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert [line for line in ran.stderr.splitlines() if "darnet.service" in line] == []
    assert ran.returncode == 0
    rate = ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(here)]  # 2.0 of 10
    assert subprocess.run(rate, capture_output=True, check=False).returncode == 0
    here.write_text(here.read_text(encoding="utf-8").replace("ProtectSystem=", "ProtectSytem="), encoding="utf-8")
    assert "ProtectSytem" in subprocess.run(verify, capture_output=True, text=True, check=False).stderr
