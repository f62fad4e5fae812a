from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from importlib import metadata
from importlib.metadata import version
from pathlib import Path

import pytest

from darnet import registry
from darnet.errors import MissingPackageError, UnknownNameError

NAMES = [(group, name) for group, table in registry.BUILTIN.items() for name in table]


@pytest.mark.parametrize(("group", "name"), NAMES)
def test_every_built_in_exists(group: registry.Group, name: str) -> None:
    found = registry.find(group, name)
    assert found.name == name if group == "kind" else callable(found)
    assert name in registry.names(group)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean 'unet'.*compact-unet"):
        registry.find("model", "unett")


class Entry:
    """An installed entry point, as importlib.metadata hands it out."""

    def __init__(self, name: str) -> None:
        self.name = name

    def load(self) -> object:
        return f"third-party {self.name}"


def test_a_third_party_adds_names_but_shadows_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def entry_points(group: str, name: str | None = None) -> list[Entry]:
        assert group == "darnet.model"
        return [entry for entry in (Entry("unet"), Entry("mine")) if name in (None, entry.name)]

    monkeypatch.setattr(registry, "entry_points", entry_points)
    assert registry.find("model", "mine") == "third-party mine"
    assert registry.find("model", "unet") != "third-party unet"
    assert registry.names("model").count("unet") == 1


def test_packages_are_read_once_until_others_are_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes ten milliseconds where many are, and a system that is loaded asks more than twenty times."""
    read: list[metadata.EntryPoints] = []

    def entry_points() -> metadata.EntryPoints:
        read.append(metadata.EntryPoints())
        return read[-1]

    monkeypatch.setattr(metadata, "entry_points", entry_points)
    monkeypatch.syspath_prepend(tmp_path)
    for _ in range(2):
        assert registry.names("runtime") == ["onnxruntime", "openvino"]
        assert "unet" in registry.names("model")
    assert len(read) == 1
    monkeypatch.undo()
    monkeypatch.syspath_prepend(tmp_path)
    about = tmp_path / "theirs-1.dist-info"
    about.mkdir()
    (about / "entry_points.txt").write_text("[darnet.runtime]\ntheirs = theirs:load\n")
    assert registry.names("runtime") == ["onnxruntime", "openvino", "theirs"]


def test_a_class_by_its_place() -> None:
    place = "darnet.degradations.base:Clean"
    assert registry.find("degradation", place, places=True) is registry.find("degradation", "clean")
    with pytest.raises(UnknownNameError):
        registry.find("degradation", place)


def test_a_class_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is found, and nothing else that lies there is taken for an installed module."""
    (tmp_path / "falling_snow.py").write_text("from flakes import Snow")
    (tmp_path / "flakes.py").write_text("class Snow: pass")
    (tmp_path / "tomli_w.py").write_text("raise AssertionError('a stray file was run')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    for name in ("falling_snow", "flakes", "tomli_w"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert registry.find("degradation", "falling_snow:Snow", places=True).__name__ == "Snow"
    importlib.invalidate_caches()
    assert importlib.import_module("tomli_w").dumps
    with pytest.raises(UnknownNameError, match="stray"):
        registry.find("degradation", "stray_file:Snow", places=True)


@pytest.mark.parametrize("name", ["gone_module:Class", "darnet.degradations.base:Gone", "a b:c"])
def test_a_place_where_nothing_is(name: str) -> None:
    with pytest.raises(UnknownNameError, match=name):
        registry.find("degradation", name, places=True)


def test_a_package_of_an_extra() -> None:
    assert registry.optional("json", "train").dumps({}) == "{}"
    with pytest.raises(MissingPackageError, match=r"gone_module.*darnet\[train\]"):
        registry.optional("gone_module", "train")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Packages that consist of one module and of what they say of themselves."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(name: str, code: str, needs: str = "numpy") -> None:
        (tmp_path / f"{name}.py").write_text(code)
        about = tmp_path / f"{name}-1.5.dist-info" / "METADATA"
        about.parent.mkdir()
        about.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\nRequires-Dist: {needs}\n")
        monkeypatch.delitem(sys.modules, name, raising=False)

    return install


@pytest.mark.parametrize("raised", ["RuntimeError('no\\nnms')", "ImportError('no nms')", "OSError('no nms')"])
def test_a_package_that_is_installed_and_cannot_be_imported(installed: Callable[..., None], raised: str) -> None:
    installed("vision_of_old", f"raise {raised}", needs="torch==1.0")
    installed("architectures", "import vision_of_old")
    wanted = (
        rf"^needs architectures, which is installed \(no nms\): vision_of_old 1.5 .*pip install .*{version('torch')}"
    )
    with pytest.raises(MissingPackageError, match=wanted.replace("+", r"\+")) as caught:
        registry.optional("architectures", "foreign")
    assert "darnet[" not in str(caught.value)
    installed("filters", f"raise {raised}")
    with pytest.raises(MissingPackageError, match=r"filters 1\.5 cannot be imported$"):
        registry.optional("filters", "classical")


def test_a_package_one_of_whose_needs_is_missing(installed: Callable[..., None]) -> None:
    installed("half_installed", "import gone_module")
    with pytest.raises(MissingPackageError, match=r"^needs half_installed .*gone_module.*darnet\[train\]"):
        registry.optional("half_installed", "train")
