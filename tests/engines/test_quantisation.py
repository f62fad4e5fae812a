"""Graphs in 8 bits: which convolutions are, and who runs them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import jaxtyping
import onnx
import pytest
import rich
import torch

import darnet
from darnet import RestorerSpec
from darnet.engines.backend import GraphBackend
from darnet.engines.choosing import STATED, candidates, prepare
from darnet.engines.devices import pick_dtype
from darnet.engines.graphs import WEIGHTS, graphs, write
from darnet.engines.probing import probe
from darnet.engines.pytorch import TorchBackend
from darnet.engines.quantisation import CONVOLUTION, DOUBLING, QUANTISED, quantised
from darnet.errors import DarnetError, UsageError
from darnet.images.metrics import psnr
from darnet.models import cards
from darnet.models.compact import CompactUNet
from darnet.models.deconvolution import DeconvolutionUNet
from darnet.systems.loading import _part
from darnet.testing import wake

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning"),
    pytest.mark.timeout(900),
]
RAIN = Path(darnet.__file__).parent / "weights" / "darnet" / "rain"


@pytest.fixture(scope="module")
def tiny() -> CompactUNet:
    torch.manual_seed(0)
    model = CompactUNet(8, (1, 2, 2)).eval()
    wake(model, std=0.2)
    return model


@pytest.fixture(scope="module", autouse=True)
def unchecked_once() -> Iterator[None]:
    """As `unchecked`: sizes of a graph are symbols while it is traced, and no integers as annotations say."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="module")
def folder(tiny: CompactUNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights, their graph, and that in 8 bits."""
    folder = tmp_path_factory.mktemp("quantised") / "noise"
    card = cards.save(
        tiny, cards.Card(name="noise", kind="compact-unet", config={"width": 8, "blocks": [1, 2, 2]}), folder
    )
    shown = [torch.rand(3, 40, 56, generator=torch.Generator().manual_seed(seed)) for seed in range(6)]
    model, _ = cards.load(folder)
    for name, graph in (("tile.onnx", graphs(model).tile), (QUANTISED, quantised(model, shown))):
        graph.metadata_props[WEIGHTS] = card.sha256
        write(graph, folder / name)
    return folder


def test_what_carries_the_picture_stays_in_float(folder: Path) -> None:
    nodes = onnx.load(folder / QUANTISED).graph.node
    made_by = {output: node for node in nodes for output in node.output}
    convolutions = [node for node in nodes if node.op_type in (CONVOLUTION, DOUBLING)]
    eight = [getattr(made_by.get(node.input[1]), "op_type", "") == "DequantizeLinear" for node in convolutions]
    finest = [True] * 3 + [False] * (len(eight) - 6) + [True] * 3  # the head and a block of two; the same and the tail
    assert eight == [not one for one in finest]
    sums = [node for node in nodes if node.op_type == "Add"]
    assert sums
    assert not any(made_by[one].op_type == "DequantizeLinear" for node in sums for one in node.input if one in made_by)


def test_it_answers_almost_as_in_float_whoever_runs_it(folder: Path, tiny: CompactUNet) -> None:
    picture = torch.rand(1, 3, 64, 48, generator=torch.Generator().manual_seed(9))
    exact = TorchBackend(tiny, "cpu", "fp32")(picture).image.clamp(0, 1)
    by = prepare(_part(folder), "cpu", "int8", "openvino")
    assert isinstance(by, GraphBackend)
    assert (by.graph, by.precision) == (folder / QUANTISED, "int8")
    close = psnr(by(picture).image, exact)
    assert 30 < float(close) < 70, "neither another answer nor the same"


def test_it_is_taken_where_its_card_says_that_little_is_lost(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(STATED, "auto")
    part = _part(folder)
    assert ("openvino", "int8") in candidates("auto", "auto", {"openvino int8": 0.04})
    assert ("openvino", "int8") not in candidates("auto", "auto", {"openvino int8": 0.06})
    assert ("torch", "int8") not in candidates("auto", "int8", {})
    assert "openvino int8" in probe(part, [("torch", "fp32"), ("openvino", "int8")]).milliseconds
    other = Path(shutil.copytree(folder, tmp_path / "other"))
    (other / QUANTISED).write_bytes((other / QUANTISED).read_bytes().replace(part.sha256.encode(), b"0" * 64))
    assert _part(other).quantised is None, "of other weights"
    assert "openvino int8" not in probe(_part(other), [("openvino", "fp32"), ("openvino", "int8")]).milliseconds


def test_a_part_without_such_a_graph_is_computed_in_float(folder: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(folder, tmp_path / "other"))
    (other / QUANTISED).unlink()
    by = prepare(_part(other), "cpu", "int8", "openvino")
    assert isinstance(by, GraphBackend)
    assert by.precision == "fp32"


def test_who_cannot_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for backend, said in (("torch", "torch does not compute in it"), ("onnxruntime", "computes in fp32")):
        with pytest.raises(UsageError, match=said):
            prepare(_part(folder), "cpu", "int8", backend)
    with pytest.raises(UsageError, match="torch does not compute in it"):
        pick_dtype("int8", torch.device("cpu"))
    monkeypatch.setenv(STATED, "auto")
    with pytest.raises(UsageError, match="no expert of daair has a graph in 8 bits"):
        RestorerSpec(system="daair", device="cpu", precision="int8").settled()
    with pytest.raises(UsageError, match="torch does not compute in it"):
        RestorerSpec(device="cpu", precision="int8", backend="torch").settled()


def test_without_pictures_there_are_no_ranges(tiny: CompactUNet) -> None:
    with pytest.raises(UsageError, match="no picture"):
        quantised(tiny, [])


def test_nncf_draws_nothing_and_rich_is_as_it_was(tiny: CompactUNet, capsys: pytest.CaptureFixture[str]) -> None:
    quantised(tiny, [torch.rand(3, 40, 56)])
    assert capsys.readouterr() == ("", "")
    assert not rich.get_console().quiet


def test_what_nncf_cannot_take_is_said(tmp_path: Path) -> None:
    model = DeconvolutionUNet(4, (1, 1), spectrum_width=4).eval()
    with pytest.raises(DarnetError, match="NNCF makes no 8 bits of DeconvolutionUNet: "):
        quantised(model, [torch.rand(3, 40, 56)])
