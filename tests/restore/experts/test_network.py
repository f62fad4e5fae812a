from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from darnet import registry
from darnet.engines.pytorch import TorchBackend
from darnet.errors import DarnetError
from darnet.models.base import Context, Model, Output
from darnet.models.classifier import DegradationClassifier
from darnet.models.compact import CompactUNet
from darnet.models.layers.transformer import ChannelAttention
from darnet.models.views import Thumbnail
from darnet.restore.experts import NetworkExpert, Tiles, network
from darnet.testing import wake


class Spy(Model):
    """Notes what it is given; returns it."""

    multiple_of = 4
    views = Thumbnail(8)

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[torch.Tensor, Context, torch.Tensor]] = []

    def encode(self, views: torch.Tensor) -> Context:
        return Context({"views": views})

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
        torch.testing.assert_close(context.encoded["views"], Thumbnail(8)(pixels[None]))


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


def attentive(kind: str) -> NetworkExpert:
    """A network whose layers measure something over what they are shown."""
    torch.manual_seed(0)
    model = registry.find("model", kind)(**ATTENTIVE[kind]).eval()
    wake(model, std=0.3)
    return NetworkExpert(TorchBackend(model, "cpu"))


def uneven(height: int, width: int) -> torch.Tensor:
    """Dark, and fine-grained in one corner: no tile has the statistics of the whole."""
    pixels = torch.rand(3, height, width, generator=torch.Generator().manual_seed(0))
    return pixels * torch.linspace(0.1, 1, width) * torch.linspace(0.1, 1, height)[:, None]


SMALL = {"width": 4, "blocks": [1] * 8, "heads": [1, 1, 2, 2], "expansion": 1.5}
ATTENTIVE: dict[str, dict[str, object]] = {
    "daair": {**SMALL, "kinds": ["noise", "rain"], "rank_divisor": 2, "kernel": 3},
    "slerir": {
        **SMALL, "dimension": 8, "crop_px": 16, "degradation": {"width": 4}, "content": {"width": 2}, "fusion": 8
    },
}  # fmt: skip


@pytest.mark.parametrize("whole_px", [network.WHOLE_PX, 128**2])
@pytest.mark.parametrize("kind", [*ATTENTIVE])
def test_tiles_share_the_statistics_of_their_picture(kind: str, whole_px: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all of it where it is small, else of crops; and a tile does not measure for itself."""
    monkeypatch.setattr(network, "WHOLE_PX", whole_px)
    monkeypatch.setattr(network, "CROP_PX", 32)
    expert, pixels = attentive(kind), uneven(240, 272)
    whole, tiled = (replace(expert, tiles=tiles)(pixels) for tiles in (Tiles(0), Tiles(176, 128)))
    assert float((whole - pixels).abs().mean()) > 0.02
    assert float((tiled - whole).abs().max()) < 8 / 255
    assert float((tiled - whole).abs().mean()) < 0.02 / 255
    by_itself = expert.backend(pixels[None, :, :176, :176]).image[0].clamp(0, 1)
    assert float((by_itself - whole[:, :176, :176])[:, :48, :48].abs().mean()) > 10 / 255


def test_a_tile_that_is_told_asks_no_attention(monkeypatch: pytest.MonkeyPatch) -> None:
    expert, asked = attentive("daair"), []
    for module in expert.backend.model.modules():
        if isinstance(module, ChannelAttention):
            module.query.register_forward_hook(lambda module, shown, answer: asked.append(shown[0].shape))
    replace(expert, tiles=Tiles(64, 32))(uneven(96, 96))
    assert len(asked) == 8, "once for the picture, and never for a tile"


def test_a_network_says_how_much_its_tiles_share() -> None:
    assert Tiles(1152, 128).sharing(224) == Tiles(1152, 224)
    assert Tiles(256, 64).sharing(224) == Tiles(256, 128)
    assert Tiles(256, 64).sharing(0) == Tiles(256, 64)
    assert Tiles(0).sharing(224) == Tiles(0)
    spy = Spy()
    spy.overlap_px = 16
    NetworkExpert(TorchBackend(spy, "cpu"), Tiles(32, 4))(torch.rand(3, 32, 48))
    assert [tile.shape[3] for tile, _, _ in spy.calls] == [32, 32]


def test_a_picture_of_one_tile_is_run_once() -> None:
    expert, ran = attentive("daair"), []
    expert.backend.model.net.head.register_forward_hook(lambda *_: ran.append(1))
    expert(uneven(64, 64))
    assert len(ran) == 1


def test_a_network_that_makes_no_picture_is_no_expert() -> None:
    with pytest.raises(DarnetError, match="DegradationClassifier makes no image"):
        NetworkExpert(TorchBackend(DegradationClassifier(["clean"], 4).eval(), "cpu"))(torch.rand(3, 16, 16))


def test_pixels_that_are_not_finite_are_an_error() -> None:
    model = CompactUNet(4, (1, 1)).eval()
    torch.nn.init.constant_(model.tail.bias, float("nan"))
    with pytest.raises(DarnetError, match="not finite"):
        NetworkExpert(TorchBackend(model, "cpu"))(torch.rand(3, 16, 16))
