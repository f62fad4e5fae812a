"""darnet.images.available: what the machine has, and what its container leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from darnet.images import available

MEMINFO = "MemTotal: 32000000 kB\nMemFree: 1000 kB\nMemAvailable: 16000000 kB\n"
MACHINE = 16000000 * 1024


def group(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "meminfo").write_text(MEMINFO)
    monkeypatch.setattr(available, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(available, "GROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(available, "MOUNT", tmp_path / "fs")
    return tmp_path


def test_without_a_container_what_the_machine_says(machine: Path) -> None:
    assert available.available_bytes() == MACHINE
    (machine / "cgroup").write_text("0::/user.slice\n")
    group(machine / "fs" / "user.slice", {"memory.max": "max\n", "memory.current": "5\n", "memory.stat": ""})
    assert available.available_bytes() == MACHINE


@pytest.mark.parametrize("name", ["/", "/user.slice/app", "/kubepods/pod1/abc"])
def test_a_limit_of_version_2_counts_wherever_it_stands(machine: Path, name: str) -> None:
    """The last is called otherwise outside: a container sees its own group as the root."""
    (machine / "cgroup").write_text(f"0::{name}\n")
    files = {"memory.max": "3000\n", "memory.current": "1000\n", "memory.stat": "anon 1\ninactive_file 400\n"}
    group(machine / "fs" / ("user.slice" if "user" in name else ""), files)
    assert available.available_bytes() == 3000 - 1000 + 400


def test_a_limit_of_version_1_counts(machine: Path) -> None:
    (machine / "cgroup").write_text("9:name=systemd:/\n4:cpu,memory:/docker/abc\n")
    files = {"memory.limit_in_bytes": "5000", "memory.usage_in_bytes": "2000", "memory.stat": "total_inactive_file 7\n"}
    group(machine / "fs" / "memory" / "docker" / "abc", files)
    assert available.available_bytes() == 3007
    group(machine / "fs" / "memory" / "docker" / "abc", {"memory.usage_in_bytes": "9000"})
    assert available.available_bytes() == 0


def test_where_no_file_says_it_half_of_what_is_built_in(machine: Path) -> None:
    (machine / "meminfo").unlink()
    assert available.available_bytes() > 10**8
