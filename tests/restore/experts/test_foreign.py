"""Other people's files: a checkpoint that spandrel knows, and ONNX graphs of free and of fixed size."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import torch
from onnx import TensorProto, helper
from safetensors.torch import save_file

from darnet.errors import DarnetError, WeightsError
from darnet.restore.experts import Tiles, foreign
from darnet.restore.experts.base import Checked
from darnet.restore.experts.foreign import load_onnx, load_spandrel
from darnet.testing import check_expert


def checkpoint(path: Path, channels: int = 3) -> torch.nn.Module:
    """A network that BasicSR's people could have trained."""
    from spandrel.architectures.DnCNN import DnCNN

    torch.manual_seed(0)
    network = DnCNN(in_nc=channels, out_nc=channels, nc=8, nb=20, act_mode="R", mode="DnCNN").eval()
    torch.save({"params": network.state_dict()}, path)
    return network


def graph(path: Path, shape: tuple[object, ...] = (1, 3, "h", "w"), factor: float = 0.5, crop: bool = False) -> Path:
    """y = factor · x; or a row less than x."""
    nodes = [helper.make_node("Mul", ["x", "factor"], ["y"])]
    constants = [helper.make_tensor("factor", TensorProto.FLOAT, [], [factor])]
    if crop:
        nodes = [helper.make_node("Slice", ["x", "one", "many", "axis"], ["y"])]
        constants = [
            helper.make_tensor(name, TensorProto.INT64, [1], [value])
            for name, value in (("one", 1), ("many", 10**6), ("axis", 2))
        ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("x", "y")]
    if crop:
        ends[1] = helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 3, "k", "w"))
    model = helper.make_model(
        helper.make_graph(nodes, "g", ends[:1], ends[1:], constants), opset_imports=[helper.make_opsetid("", 17)]
    )
    model.ir_version = 10
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_checkpoint_is_an_expert(tmp_path: Path, suffix: str) -> None:
    network = checkpoint(tmp_path / "net.pth")
    if suffix == ".safetensors":
        save_file(network.state_dict(), tmp_path / "net.safetensors")
    expert = load_spandrel(tmp_path / f"net{suffix}", "cpu")
    check_expert(Checked("net", expert))
    pixels = torch.rand(3, 40, 30)
    with torch.inference_mode():
        torch.testing.assert_close(expert(pixels), network(pixels[None])[0].clamp(0, 1))


def test_restormer_is_known_where_its_extra_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from spandrel_extra_arches.architectures.Restormer import Restormer  # `make test` installs it

    torch.manual_seed(0)
    network = Restormer(dim=8, num_blocks=[1, 1, 1, 1], num_refinement_blocks=1, heads=[1, 1, 1, 1])
    torch.save(network.state_dict(), tmp_path / "restormer.pth")
    for _ in range(2):  # what is installed already is no error
        check_expert(Checked("restormer", load_spandrel(tmp_path / "restormer.pth", "cpu")))
    torch.save({"weight": torch.zeros(1)}, tmp_path / "unknown.pth")
    with pytest.raises(WeightsError, match=r"unknown\.pth.*known") as known:
        load_spandrel(tmp_path / "unknown.pth")
    monkeypatch.setattr(foreign, "find_spec", lambda name: None)
    with pytest.raises(WeightsError, match=r"non-commercial: pip install 'darnet\[foreign-restricted\]'"):
        load_spandrel(tmp_path / "unknown.pth")
    assert "foreign-restricted" not in str(known.value)


def test_a_checkpoint_is_asked_tile_by_tile(tmp_path: Path) -> None:
    checkpoint(tmp_path / "net.pth")
    pixels = torch.rand(3, 150, 170)
    whole, tiled = (load_spandrel(tmp_path / "net.pth", "cpu", tiles)(pixels) for tiles in (Tiles(0), Tiles(128, 100)))
    torch.testing.assert_close(tiled, whole, atol=1e-4, rtol=0)


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    torch.save({"weight": Path}, tmp_path / "evil.pth")
    with pytest.raises(WeightsError, match=r"evil\.pth"):
        load_spandrel(tmp_path / "evil.pth")


def test_a_network_for_grey_pictures_is_refused(tmp_path: Path) -> None:
    checkpoint(tmp_path / "grey.pth", channels=1)
    with pytest.raises(WeightsError, match=r"grey\.pth.*colour"):
        load_spandrel(tmp_path / "grey.pth")


@pytest.mark.parametrize("shape", [(1, 3, "h", "w"), (1, 3, 32, 32), ("n", 3, "h", "w")], ids=str)
def test_a_graph_is_an_expert(tmp_path: Path, shape: tuple[object, ...]) -> None:
    expert = load_onnx(graph(tmp_path / "half.onnx", shape), "cpu")
    check_expert(expert)
    pixels = torch.rand(3, 70, 45)
    torch.testing.assert_close(expert(pixels), pixels / 2)


@pytest.mark.parametrize(
    "shape", [(1, 1, "h", "w"), (1, 3, 32, "w"), (1, 3, 32, 64), (3, "h", "w")], ids=["grey", "half", "oblong", "flat"]
)
def test_graphs_that_are_no_experts(tmp_path: Path, shape: tuple[object, ...]) -> None:
    with pytest.raises(WeightsError, match=r"odd\.onnx"):
        load_onnx(graph(tmp_path / "odd.onnx", shape))


def test_a_graph_that_changes_the_size(tmp_path: Path) -> None:
    with pytest.raises(DarnetError, match=r"odd\.onnx: .*became"):
        load_onnx(graph(tmp_path / "odd.onnx", crop=True))(torch.rand(3, 32, 32))


@pytest.mark.parametrize("load", [load_onnx, load_spandrel])
def test_files_that_are_nothing(tmp_path: Path, load) -> None:
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    with pytest.raises(WeightsError, match=r"junk\.onnx"):
        load(tmp_path / "junk.onnx")
    with pytest.raises(WeightsError, match="no such file"):
        load(tmp_path / "gone.onnx")
