"""darnet export."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path

import pytest

from darnet.engines.export import Pair


@pytest.fixture(autouse=True)
def written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[object, ...]]:
    """What was asked for; to write it takes seconds, and has tests of its own."""
    calls: list[tuple[object, ...]] = []

    def export(model: object, card: object, folder: Path, to: str, int8: Sequence[Pair]) -> tuple[Path, ...]:
        calls.append((type(model).__name__, card["name"], folder, to, len(int8)))  # type: ignore[index]
        assert all(float(damaged.max()) <= 1 and damaged.shape == clean.shape for damaged, clean in int8)
        return folder / "tile.x", folder / "encode.x"

    monkeypatch.setattr("darnet.engines.export.export", export)
    monkeypatch.chdir(tmp_path)
    return calls


def test_a_part_by_its_kind_or_by_its_folder(darnet, tiny_system, written):
    assert darnet("export", "noise", "--to", "onnx", "--model", tiny_system, "-o", "out")[:2] == (
        0,
        "out/tile.x\nout/encode.x\n",
    )
    assert darnet("export", "router", "--to", "torch-export", "--model", tiny_system).code == 0
    assert darnet("export", tiny_system / "noise", "--to", "openvino").code == 0
    assert written == [
        ("CompactUNet", "tiny-noise", Path("out"), "onnx", 0),
        ("DegradationClassifier", "tiny-router", Path("router"), "torch-export", 0),
        ("CompactUNet", "tiny-noise", Path("noise"), "openvino", 0),
    ]


def test_what_cannot_be_exported(darnet, tiny_system, written, tmp_path):
    def fails(*arguments: object, says: str) -> None:
        ran = darnet("export", *arguments, "--model", tiny_system)
        assert (ran.code, says in ran.err) == (2, True), ran.err

    fails("nois", "--to", "onnx", says="noise")
    fails("noise", says="--to")
    fails("noise", "--to", "tflite", says="torch-export")
    Path("a.txt").write_text("mine")
    fails("noise", "--to", "onnx", "-o", "a.txt", says="--output a.txt: not a folder")
    Path("out").mkdir()
    Path("out/tile.onnx").write_text("mine")
    fails("noise", "--to", "onnx", "-o", "out", says="out/tile.onnx exists already; --overwrite replaces it")
    assert (written, Path("out/tile.onnx").read_text()) == ([], "mine")
    assert darnet("export", "noise", "--to", "onnx", "-o", "out", "--overwrite", "--model", tiny_system).code == 0
    system = shutil.copytree(tiny_system, tmp_path / "system")
    assert darnet("experts", "add", "median", "--as", "salt", "--model", system).code == 0
    ran = darnet("export", "salt", "--to", "onnx", "--model", system)
    assert (ran.code, "salt is no network of darnet's but median" in ran.err) == (2, True)


def test_what_torch_says_of_itself_is_not_said(darnet, tiny_system, monkeypatch):
    def export(*_: object) -> tuple[Path, ...]:
        warnings.warn("`isinstance(treespec, LeafSpec)` is deprecated", FutureWarning, stacklevel=1)
        return (Path("tile.x"),)

    monkeypatch.setattr("darnet.engines.export.export", export)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ran = darnet("export", "noise", "--to", "onnx", "--model", tiny_system)
    assert ((ran.code, ran.out, ran.err), caught) == ((0, "tile.x\n", ""), [])


def test_in_8_bits_with_what_the_router_remembers_of_the_kind(darnet, tiny_system, written):
    assert darnet("export", "rain", "--to", "onnx", "--int8").code == 0
    assert written == [("CompactUNet", "rain", Path("rain"), "onnx", 110)]
    ran = darnet("export", "router", "--to", "onnx", "--int8")
    assert (ran.code, "--int8: router makes no picture" in ran.err) == (2, True)
    ran = darnet("export", "noise", "--to", "onnx", "--int8", "--model", tiny_system)
    assert (ran.code, f"--int8: the router of {tiny_system} remembers no pictures of what tiny-noise" in ran.err) == (
        2,
        True,
    )
