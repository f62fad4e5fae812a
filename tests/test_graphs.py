"""Graphs of networks: the same answer without darnet, at any size."""

from __future__ import annotations

from pathlib import Path

import onnxruntime
import pytest
import torch

from darnet.errors import UsageError, WeightsError
from darnet.experts.base import Checked
from darnet.experts.foreign import load_onnx
from darnet.graphs import export_onnx
from darnet.models.classifier import DegradationClassifier
from darnet.models.compact import CompactUNet
from darnet.models.daair import DaAIR
from darnet.models.slerir import SLERIR
from darnet.testing import check_expert, wake

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")


@pytest.mark.slow
def test_experts_inside_are_routed_in_a_graph(tmp_path: Path) -> None:
    model = DaAIR(["noise", "rain"], width=4, blocks=[1] * 8, expansion=1, rank_divisor=2, kernel=3).eval()
    wake(model, std=0.3)
    export_onnx(model, tmp_path / "daair.onnx")
    expert = load_onnx(tmp_path / "daair.onnx")
    pictures = torch.rand(8, 3, 16, 32) * torch.rand(8, 3, 1, 1)
    with torch.inference_mode():
        for picture in pictures:
            wanted = model(picture[None]).image[0].clamp(0, 1)
            torch.testing.assert_close(expert(picture), wanted, atol=1e-3, rtol=0)  # rounding, through eight blocks
            assert float((wanted - picture).abs().mean()) > 0.01
    assert [path.name for path in tmp_path.iterdir()] == ["daair.onnx"]


@pytest.mark.slow
def test_a_graph_is_an_expert(tmp_path: Path) -> None:
    model = CompactUNet(4, (1, 1)).eval()
    torch.nn.init.normal_(model.tail.weight, std=0.1)
    export_onnx(model, tmp_path / "compact.onnx")
    check_expert(Checked("compact", load_onnx(tmp_path / "compact.onnx")))


def ask(path: Path, tile: torch.Tensor, context: torch.Tensor, **more: torch.Tensor) -> torch.Tensor:
    """A graph of two inputs and more, by the runtime alone."""
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    given = {"degraded": tile, "context": context, **more}
    return torch.from_numpy(session.run(None, {name: value.numpy() for name, value in given.items()})[0])


@pytest.mark.slow
def test_a_path_through_experts_is_a_graph_of_its_own(tmp_path: Path) -> None:
    """What the network answers where its routing picks that path; tiles of two sizes, one glance."""
    torch.manual_seed(0)
    small = {"width": 4, "blocks": [1] * 8, "heads": [1] * 4, "expansion": 1.5, "dimension": 8, "crop_px": 16}
    model = SLERIR(**small, degradation={"width": 4}, content={"width": 2}, fusion=4, guided=["latent"]).eval()
    wake(model, std=0.1)
    picture = torch.rand(1, 3, 64, 96)
    views = model.views(picture)
    with torch.inference_mode():
        path = [int(routing.logits.argmax()) for routing in model(picture, model.encode(views)).routings]
    assert len(set(path)) > 1
    export_onnx(model.along(path), tmp_path / "path.onnx")
    for tile in (picture, picture[..., 16:48, :80].contiguous()):
        with torch.inference_mode():
            wanted = model(tile, model.encode(views)).image.clamp(0, 1)
        torch.testing.assert_close(ask(tmp_path / "path.onnx", tile, views), wanted, atol=1e-4, rtol=0)
        assert float((wanted - tile).abs().mean()) > 0.01
    placed = SLERIR(
        **small, degradation={"width": 4}, content={"width": 2}, fusion=4, guided=["latent"], positions=True
    ).eval()
    wake(placed, std=0.3)
    torch.nn.init.normal_(placed.fusion.place.weight, std=5)
    export_onnx(placed.along(path), tmp_path / "placed.onnx")
    tile, box = picture[..., :32, 48:].contiguous(), torch.tensor([[0, 0.5, 0.5, 1]])
    with torch.inference_mode():
        wanted, unplaced = (placed.along(path)(tile, placed.encode(views), at).image.clamp(0, 1) for at in (box, None))
    torch.testing.assert_close(ask(tmp_path / "placed.onnx", tile, views, box=box), wanted, atol=1e-4, rtol=0)
    assert float((unplaced - wanted).abs().max()) > 1e-3
    elsewhere = ask(tmp_path / "path.onnx", picture, torch.zeros_like(views))
    assert float((elsewhere - ask(tmp_path / "path.onnx", picture, views)).abs().max()) > 1e-3


@pytest.mark.slow
def test_a_thumbnail_is_a_second_input(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = CompactUNet(4, (1, 1), thumbnail_px=8).eval()
    torch.nn.init.normal_(model.tail.weight, std=0.1)
    picture = torch.rand(1, 3, 32, 48)
    views = model.views(picture)
    export_onnx(model, tmp_path / "compact.onnx")
    with torch.inference_mode():
        wanted = model(picture, model.encode(views)).image.clamp(0, 1)
    torch.testing.assert_close(ask(tmp_path / "compact.onnx", picture, views), wanted, atol=1e-4, rtol=0)
    with pytest.raises(WeightsError, match="one input"):
        load_onnx(tmp_path / "compact.onnx")


def test_what_makes_no_image_cannot_be_a_graph(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="makes no image"):
        export_onnx(DegradationClassifier(["clean"], 4), tmp_path / "graph.onnx")
    assert not list(tmp_path.iterdir())
