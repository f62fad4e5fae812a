from __future__ import annotations

import importlib
import sys
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
