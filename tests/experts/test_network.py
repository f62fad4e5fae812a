from __future__ import annotations

from functools import partial

import pytest
import torch

from darnet.backends import TorchBackend
from darnet.errors import DarnetError
from darnet.experts import NetworkExpert, Tiles
from darnet.models.base import Context, Model, Output, make_thumbnail
from darnet.models.classifier import DegradationClassifier
from darnet.models.compact import CompactUNet


class Spy(Model):
    """Notes what it is given; returns it."""

    multiple_of = 4
    views = partial(make_thumbnail, side_px=8)

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[torch.Tensor, Context, torch.Tensor]] = []

    def forward(
        self, degraded: torch.Tensor, context: Context | None = None, box: torch.Tensor | None = None
    ) -> Output:
        assert context is not None
        assert box is not None
        self.calls.append((degraded, context, box))
        return Output(degraded * 2 - 0.5)


def test_every_tile_gets_the_context_of_the_whole_picture() -> None:
    spy = Spy()
    pixels = torch.rand(3, 50, 70)
    NetworkExpert(TorchBackend(spy, "cpu"), Tiles(32, 8))(pixels)
    assert len(spy.calls) > 1
    for tile, context, _ in spy.calls:
        assert tile.shape[2] % 4 == tile.shape[3] % 4 == 0
        assert context is spy.calls[0][1]
        torch.testing.assert_close(context.encoded["views"], make_thumbnail(pixels[None], 8))


def test_every_tile_is_told_where_it_lies() -> None:
    spy = Spy()
    pixels = torch.arange(48 * 80).view(1, 48, 80).expand(3, -1, -1) / (48 * 80)
    NetworkExpert(TorchBackend(spy, "cpu"), Tiles(32, 8))(pixels)
    assert len(spy.calls) > 1
    for tile, _, box in spy.calls:
        top, left, bottom, right = (box[0] * torch.tensor([48, 80, 48, 80])).round().int().tolist()
        assert torch.equal(tile[0], pixels[:, top:bottom, left:right])


def test_off_is_one_call() -> None:
    spy = Spy()
    NetworkExpert(TorchBackend(spy, "cpu"), Tiles(0))(torch.rand(3, 50, 70))
    assert len(spy.calls) == 1


def test_answers_are_clamped() -> None:
    restored = NetworkExpert(TorchBackend(Spy(), "cpu"))(torch.rand(3, 8, 8))
    assert 0 <= float(restored.min()) <= float(restored.max()) <= 1


def test_tiles_show_no_seam() -> None:
    torch.manual_seed(0)
    model = CompactUNet(8, (1, 1)).eval()
    torch.nn.init.normal_(model.tail.weight, std=0.05)
    pixels, backend = torch.rand(3, 150, 170), TorchBackend(model, "cpu")
    whole, tiled = NetworkExpert(backend, Tiles(0))(pixels), NetworkExpert(backend, Tiles(96, 64))(pixels)
    torch.testing.assert_close(tiled, whole, atol=2e-3, rtol=0)


def test_a_network_that_makes_no_picture_is_no_expert() -> None:
    with pytest.raises(DarnetError, match="DegradationClassifier makes no image"):
        NetworkExpert(TorchBackend(DegradationClassifier(["clean"], 4).eval(), "cpu"))(torch.rand(3, 16, 16))


def test_pixels_that_are_not_finite_are_an_error() -> None:
    model = CompactUNet(4, (1, 1)).eval()
    torch.nn.init.constant_(model.tail.bias, float("nan"))
    with pytest.raises(DarnetError, match="not finite"):
        NetworkExpert(TorchBackend(model, "cpu"))(torch.rand(3, 16, 16))
