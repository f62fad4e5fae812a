from __future__ import annotations

from pathlib import Path

import pytest
import torch

from darnet import store
from darnet.backends import TorchBackend
from darnet.errors import DarnetError, WeightsError
from darnet.models.base import make_thumbnail
from darnet.models.classifier import DegradationClassifier
from darnet.models.compact import CompactUNet
from darnet.routers import BLOCK_PX, Always, NetworkRouter, load_router
from darnet.tiling import grid_crops

KINDS = ["clean", "noise", "blur"]


@pytest.fixture
def router() -> NetworkRouter:
    torch.manual_seed(0)
    return NetworkRouter(TorchBackend(DegradationClassifier(KINDS, 4).eval(), "cpu"), crop_px=32, grid=3)


@pytest.mark.parametrize("size", [(1, 1), (37, 31), (32, 32), (200, 90)])
def test_any_size_gets_scores_that_sum_to_one(router: NetworkRouter, size: tuple[int, int]) -> None:
    diagnosis = router(torch.rand(3, *size))
    assert list(diagnosis.scores) == KINDS
    assert sum(diagnosis.scores.values()) == pytest.approx(1)
    assert set(diagnosis.levels) == {"noise", "blur"}  # clean has no level


def test_evidence_is_averaged_over_crops_of_the_whole_picture(router: NetworkRouter) -> None:
    pixels = torch.rand(3, 120, 100)
    crops = grid_crops(pixels, size_px=32, grid=3, align_px=BLOCK_PX)
    assert len(crops) == 9
    with torch.inference_mode():
        logits = router.backend.model(crops).routings[0].logits.mean(dim=0)
    wanted = dict(zip(KINDS, logits.softmax(dim=0).tolist(), strict=True))
    assert router(pixels).scores == pytest.approx(wanted, abs=1e-5)


def test_the_network_has_the_verdict(router: NetworkRouter) -> None:
    router.backend.model.bias.copy_(torch.tensor([0.0, 20.0, 0.0]))
    assert router(torch.rand(3, 120, 100)).label == "noise"


def test_scores_that_are_not_finite_are_an_error(router: NetworkRouter) -> None:
    torch.nn.init.constant_(router.backend.model.classify.bias, float("nan"))
    with pytest.raises(DarnetError, match="scores that are not finite"):
        router(torch.rand(3, 64, 64))


def test_a_network_that_names_nothing_is_no_router() -> None:
    with pytest.raises(DarnetError, match="CompactUNet names no kinds"):
        NetworkRouter(TorchBackend(CompactUNet(4, (1, 1)).eval(), "cpu"))(torch.rand(3, 16, 16))


def test_always() -> None:
    diagnosis = Always("haze")(torch.rand(3, 2, 2))
    assert (diagnosis.label, diagnosis.confidence, diagnosis.level) == ("haze", 1.0, None)


def test_a_router_by_name(tmp_path: Path) -> None:
    reference = store.Reference(name="always", registered="always", config={"label": "rain"})
    store.write_reference(reference, tmp_path / "router")
    assert load_router(tmp_path / "router")(torch.rand(3, 8, 8)).label == "rain"


def test_routers_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"x")
    store.write_reference(store.Reference(name="x", file="net.onnx"), tmp_path / "file", tmp_path / "net.onnx")
    with pytest.raises(WeightsError, match="only be an expert"):
        load_router(tmp_path / "file")
    store.write_reference(store.Reference(name="x", registered="always", config={"x": 1}), tmp_path / "odd")
    with pytest.raises(WeightsError, match="always"):
        load_router(tmp_path / "odd")


def test_every_crop_is_told_of_the_whole_picture() -> None:
    """A picture whose corner alone is bright: no crop but one shows it, and all are told."""
    seen = []

    class Spy(DegradationClassifier):
        def forward(self, degraded, context=None):
            seen.append(context)
            return super().forward(degraded, context)

    pixels = torch.zeros(3, 300, 300)
    pixels[:, :100, :100] = 1
    NetworkRouter(TorchBackend(Spy(["clean", "haze"], 4, thumbnail_px=16).eval(), "cpu"))(pixels)
    assert seen[0].shape == (16, 3, 16, 16)
    assert all(torch.equal(context, seen[0][0]) for context in seen[0])
    torch.testing.assert_close(seen[0][0], make_thumbnail(pixels[None], 16)[0])
