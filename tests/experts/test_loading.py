from __future__ import annotations

from pathlib import Path

import pytest
import torch

from darnet import store
from darnet.errors import UnknownNameError, WeightsError
from darnet.experts import NetworkExpert, load_expert
from darnet.routers import load_router
from darnet.store import Reference


def test_a_card_is_a_network(tiny_system: Path) -> None:
    assert isinstance(load_expert(tiny_system / "noise", "cpu"), NetworkExpert)


def test_a_reference_by_name_takes_its_settings(tmp_path: Path) -> None:
    reference = Reference(name="median", registered="median", config={"size_px": 5})
    store.write_reference(reference, tmp_path / "median")
    pixels = torch.zeros(3, 9, 9)
    pixels[:, 3:6, 3:6] = 1  # 9 of the 25 pixels of a square: a window of 3 would leave it
    assert not load_expert(tmp_path / "median")(pixels).any()


def test_a_name_of_nobody(tmp_path: Path) -> None:
    store.write_reference(Reference(name="x", registered="nobody"), tmp_path / "x")
    with pytest.raises(UnknownNameError, match="median"):
        load_expert(tmp_path / "x")


def test_settings_that_an_expert_does_not_have(tmp_path: Path) -> None:
    store.write_reference(Reference(name="x", registered="median", config={"radius": 3}), tmp_path / "x")
    with pytest.raises(WeightsError, match=r"reference\.json.*radius"):
        load_expert(tmp_path / "x")


def test_a_file_of_an_unknown_format(tmp_path: Path) -> None:
    (tmp_path / "net.h5").write_bytes(b"x")
    store.write_reference(Reference(name="x", file="net.h5"), tmp_path / "x", tmp_path / "net.h5")
    with pytest.raises(WeightsError, match=r"net\.h5.*\.onnx"):
        load_expert(tmp_path / "x")


def test_a_file_that_was_changed(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"x")
    store.write_reference(Reference(name="x", file="net.onnx"), tmp_path / "x", tmp_path / "net.onnx")
    (tmp_path / "x" / "net.onnx").write_bytes(b"y")
    with pytest.raises(WeightsError, match="sha256"):
        load_expert(tmp_path / "x")


def test_a_reference_runs_nothing_but_what_is_registered(tmp_path: Path) -> None:
    """It is data that travels: the place of a class would be code."""
    reference = Reference(name="x", registered="subprocess:Popen", config={"args": ["touch", str(tmp_path / "ran")]})
    store.write_reference(reference, tmp_path / "x")
    with pytest.raises(UnknownNameError):
        load_expert(tmp_path / "x")
    with pytest.raises(UnknownNameError):
        load_router(tmp_path / "x")
    assert not (tmp_path / "ran").exists()
