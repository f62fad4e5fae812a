"""darnet.systems.manifest: which folders make a system, and how a change of it is kept and taken back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from darnet.errors import UnknownNameError, WeightsError
from darnet.systems import manifest


def test_systems_are_found_by_name_or_folder(tmp_path: Path) -> None:
    system = manifest.System(name="mine", router="router", experts={"noise": "noise"})
    (tmp_path / "system.json").write_text(system.model_dump_json())
    assert manifest.read_system(str(tmp_path)) == (system, tmp_path)
    with pytest.raises(UnknownNameError, match="no system called 'nowhere'"):
        manifest.read_system("nowhere")
    (tmp_path / "system.json").unlink()
    with pytest.raises(WeightsError, match=r"no system\.json"):
        manifest.read_system(str(tmp_path))


def test_versions_are_never_written_over(tiny_system: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_system, tmp_path / "system")
    system, _ = manifest.read_system(str(folder))
    for name in ("a", "b", "c"):
        manifest.write_system(system.model_copy(update={"name": name}), folder)
    (folder / "system.1.json").unlink()
    manifest.write_system(system.model_copy(update={"name": "d"}), folder)
    assert [path.name for path in manifest.versions(folder)] == ["system.2.json", "system.3.json", "system.4.json"]
    assert [manifest.rollback(folder).name for _ in range(3)] == ["c", "b", "a"]


def test_a_part_lies_beside_its_system_or_in_the_package(tmp_path: Path) -> None:
    assert manifest.part(tmp_path, "router") == tmp_path / "router"
    assert manifest.part(tmp_path, "package:darnet/router") == manifest.SHIPPED / "darnet" / "router"


@pytest.mark.parametrize(
    "name", ["..", "../other", "a/b", "", ".", "/etc", "package:", "package:darnet", "package:../x", "package:a/b/c"]
)
def test_a_part_leads_nowhere_else(tmp_path: Path, name: str) -> None:
    with pytest.raises(WeightsError, match="is no part"):
        manifest.part(tmp_path, name)
