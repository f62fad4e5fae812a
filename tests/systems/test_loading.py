from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from functools import partial
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import pytest
import torch

from darnet.errors import UnknownNameError, WeightsError
from darnet.models import cards
from darnet.models.cards import Reference
from darnet.restore.experts import Expert, NetworkExpert, Pixels, SelfEnsemble
from darnet.systems.loading import LazyExperts, load_expert, load_router


def test_a_card_is_a_network(tiny_system: Path) -> None:
    assert isinstance(load_expert(tiny_system / "noise", "cpu"), NetworkExpert)


def test_a_network_of_the_other_sort_is_refused_when_it_is_loaded(tiny_system: Path) -> None:
    """It was an error of every picture once."""
    with pytest.raises(WeightsError, match="noise: CompactUNet names no kinds of damage: it is no router"):
        load_router(tiny_system / "noise", "cpu")
    with pytest.raises(WeightsError, match="router: DegradationClassifier makes no image: it is no expert"):
        load_expert(tiny_system / "router", "cpu")


def test_a_reference_by_name_takes_its_settings(tmp_path: Path) -> None:
    reference = Reference(name="median", registered="median", config={"size_px": 5})
    cards.write_reference(reference, tmp_path / "median")
    pixels = torch.zeros(3, 9, 9)
    pixels[:, 3:6, 3:6] = 1  # 9 of the 25 pixels of a square: a window of 3 would leave it
    assert not load_expert(tmp_path / "median")(pixels).any()


def test_a_name_of_nobody(tmp_path: Path) -> None:
    cards.write_reference(Reference(name="x", registered="nobody"), tmp_path / "x")
    with pytest.raises(UnknownNameError, match="median"):
        load_expert(tmp_path / "x")


def test_settings_that_an_expert_does_not_have(tmp_path: Path) -> None:
    cards.write_reference(Reference(name="x", registered="median", config={"radius": 3}), tmp_path / "x")
    with pytest.raises(WeightsError, match=r"reference\.json.*radius"):
        load_expert(tmp_path / "x")


def test_a_file_of_an_unknown_format(tmp_path: Path) -> None:
    (tmp_path / "net.h5").write_bytes(b"x")
    cards.write_reference(Reference(name="x", file="net.h5"), tmp_path / "x", tmp_path / "net.h5")
    with pytest.raises(WeightsError, match=r"net\.h5.*\.onnx"):
        load_expert(tmp_path / "x")


def test_a_file_that_was_changed(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"x")
    cards.write_reference(Reference(name="x", file="net.onnx"), tmp_path / "x", tmp_path / "net.onnx")
    (tmp_path / "x" / "net.onnx").write_bytes(b"y")
    with pytest.raises(WeightsError, match="sha256"):
        load_expert(tmp_path / "x")


def test_a_reference_runs_nothing_but_what_is_registered(tmp_path: Path) -> None:
    """It is data that travels: the place of a class would be code."""
    reference = Reference(name="x", registered="subprocess:Popen", config={"args": ["touch", str(tmp_path / "ran")]})
    cards.write_reference(reference, tmp_path / "x")
    with pytest.raises(UnknownNameError):
        load_expert(tmp_path / "x")
    with pytest.raises(UnknownNameError):
        load_router(tmp_path / "x")
    assert not (tmp_path / "ran").exists()


FOLDERS = {"noise": Path("one"), "grain": Path("one"), "blur": Path("two")}


def repair(pixels: Pixels) -> Pixels:
    return pixels


class Loader:
    """Notes what it loads, and takes its time."""

    def __init__(self, seconds: float = 0) -> None:
        self.loaded: list[str] = []
        self.seconds = seconds

    def __call__(self, folder: Path) -> Expert:
        time.sleep(self.seconds)
        self.loaded.append(folder.name)
        return repair


def test_which_experts_there_are_is_known_without_loading_any() -> None:
    experts = LazyExperts(FOLDERS, loader := Loader())
    assert ([*experts], len(experts), "blur" in experts, "haze" in experts) == ([*FOLDERS], 3, True, False)
    assert {*experts.keys()} == {*FOLDERS}
    assert repr(experts) == "LazyExperts(noise, grain, blur)"
    assert experts.get("haze") is None
    with pytest.raises(KeyError):
        experts["haze"]
    assert loader.loaded == []


def test_an_expert_is_loaded_when_it_is_asked_for_and_once_for_all_its_kinds() -> None:
    experts = LazyExperts(FOLDERS, loader := Loader())
    assert experts["grain"] is experts["grain"] is experts["noise"] is repair
    assert loader.loaded == ["one"]
    assert dict(experts) == dict.fromkeys(FOLDERS, repair)
    assert loader.loaded == ["one", "two"]
    ensemble = LazyExperts(FOLDERS, Loader(), ensemble=True)["noise"]
    assert isinstance(ensemble, SelfEnsemble)
    assert ensemble.expert is repair


def test_threads_that_ask_at_once_get_one_and_the_same() -> None:
    experts = LazyExperts(FOLDERS, loader := Loader(seconds=0.05), ensemble=True)
    with ThreadPoolExecutor(8) as pool:
        found = [*pool.map(experts.__getitem__, ["noise", "blur"] * 8)]
    assert sorted(loader.loaded) == ["one", "two"]
    assert len({id(expert) for expert in found}) == 2


def test_one_that_cannot_be_loaded_is_tried_again_and_troubles_no_other(tiny_system: Path, tmp_path: Path) -> None:
    folders = {"noise": tiny_system / "noise", "blur": tmp_path / "blur"}
    experts = LazyExperts(folders, partial(load_expert, device="cpu"))
    with pytest.raises(WeightsError, match=r"blur/card\.json"):
        experts["blur"]
    assert isinstance(experts["noise"], NetworkExpert)
    (tmp_path / "blur").symlink_to(tiny_system / "blur")
    assert isinstance(experts["blur"], NetworkExpert)


def sent(experts: LazyExperts) -> LazyExperts:
    """As to another process."""
    found: LazyExperts = ForkingPickler.loads(ForkingPickler.dumps(experts))
    return found


@pytest.mark.parametrize("copy", [deepcopy, sent])
def test_a_copy_has_what_is_loaded_and_loads_the_rest_itself(
    tiny_system: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copy: Callable[[LazyExperts], LazyExperts]
) -> None:
    monkeypatch.chdir(tiny_system)
    experts = LazyExperts({"noise": Path("noise"), "blur": Path("blur")}, partial(load_expert, device="cpu"))
    pixels = torch.rand(3, 16, 16)
    restored = experts["noise"](pixels)
    monkeypatch.chdir(tmp_path)
    copied = copy(experts)
    assert copied["noise"] is not experts["noise"]
    assert torch.equal(copied["noise"](pixels), restored)
    assert torch.equal(copied["blur"](pixels), experts["blur"](pixels))


def test_weights_that_are_loaded_during_a_repair_may_learn_afterwards(tiny_system: Path) -> None:
    experts = LazyExperts({"noise": tiny_system / "noise"}, partial(load_expert, device="cpu"))
    with torch.inference_mode():
        expert = experts["noise"]
    assert isinstance(expert, NetworkExpert)
    expert.backend.model.requires_grad_(True)
