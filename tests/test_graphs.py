"""Graphs of networks: the same answer without darnet, at any size."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from darnet.errors import UsageError
from darnet.experts.base import Checked
from darnet.experts.foreign import load_onnx
from darnet.graphs import export_onnx
from darnet.models.base import Model
from darnet.models.classifier import DegradationClassifier
from darnet.models.compact import CompactUNet
from darnet.models.daair import DaAIR
from darnet.testing import check_expert

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")


@pytest.mark.slow
def test_experts_inside_are_routed_in_a_graph(tmp_path: Path) -> None:
    model = DaAIR(["noise", "rain"], width=4, blocks=[1] * 8, expansion=1, rank_divisor=2, kernel=3).eval()
    torch.nn.init.normal_(model.net.tail.weight, std=0.1)
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


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (CompactUNet(4, (1, 1), thumbnail_px=8), "whole picture"),
        (DegradationClassifier(["clean"], 4), "makes no image"),
    ],
)
def test_what_cannot_be_a_graph(tmp_path: Path, model: Model, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        export_onnx(model, tmp_path / "graph.onnx")
    assert not list(tmp_path.iterdir())
