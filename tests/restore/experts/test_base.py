from __future__ import annotations

import pytest
import torch

from darnet.engines.pytorch import TorchBackend
from darnet.errors import DarnetError, UsageError
from darnet.images import geometry
from darnet.images.regions import Planes, Region, gather
from darnet.images.tiles import pad_to
from darnet.models.compact import CompactUNet
from darnet.restore.experts import NetworkExpert, SelfEnsemble, Tiles, network
from darnet.restore.experts.base import Checked, tiled
from darnet.testing import check_expert


@pytest.mark.parametrize(("size_px", "overlap_px"), [(32, 32), (32, 64), (-1, 0), (32, -1)])
def test_tiles_that_make_no_sense(size_px: int, overlap_px: int) -> None:
    with pytest.raises(UsageError, match=f"tiles of {size_px} px"):
        Tiles(size_px, overlap_px)


def test_the_self_ensemble_is_the_mean_over_eight_views() -> None:
    """An expert that brightens the left half: each view's left is another side of the picture."""

    def left(pixels: torch.Tensor) -> torch.Tensor:
        brighter = pixels.clone()
        brighter[:, :, : pixels.shape[2] // 2] += 0.4
        return brighter

    restored = SelfEnsemble(left)(torch.zeros(3, 32, 32))
    torch.testing.assert_close(restored, torch.full((3, 32, 32), 0.2))


@pytest.mark.parametrize("size", [(32, 32), (37, 21), (1, 50)])
def test_an_ensemble_of_what_does_nothing_does_nothing(size: tuple[int, int]) -> None:
    pixels = torch.rand(3, *size)
    torch.testing.assert_close(SelfEnsemble(lambda view: view)(pixels), pixels)


def test_the_blocks_of_a_file_stay_where_they_are_in_every_view() -> None:
    """Of a picture whose sides are no multiples of 16."""

    def seen(view: torch.Tensor) -> torch.Tensor:
        assert view.shape[1] % 16 == view.shape[2] % 16 == 0
        return view

    SelfEnsemble(seen)(torch.rand(3, 37, 21))


def test_a_self_ensemble_is_an_expert() -> None:
    model = CompactUNet(8, (1, 1)).eval()
    torch.nn.init.normal_(model.tail.weight, std=0.05)
    check_expert(SelfEnsemble(NetworkExpert(TorchBackend(model, "cpu"))))


def test_a_checked_expert_is_what_it_was() -> None:
    pixels = torch.rand(3, 9, 7)
    assert torch.equal(Checked("half", lambda x: x / 2)(pixels), pixels / 2)
    assert float(Checked("more", lambda x: x + 0.5)(pixels).max()) == 1


@pytest.mark.parametrize(
    ("expert", "message"),
    [
        (lambda x: x[:, 1:], r"odd: .*comes back as"),
        (lambda x: x * torch.nan, "odd answered with pixels that are not"),
        (lambda x: x * 255, "odd answered with pixels from"),
    ],
)
def test_what_a_stranger_answers_is_not_believed(expert, message: str) -> None:
    with pytest.raises(DarnetError, match=message):
        Checked("odd", expert)(torch.rand(3, 9, 7))


class Limited(Planes):
    """A picture of which no more than a tile, or a crop, may be read at once."""

    def read(self, region: Region) -> torch.Tensor:
        assert max(region.height, region.width) <= 128
        return super().read(region)


def small_network(overlap_px: int) -> NetworkExpert:
    torch.manual_seed(0)
    model = CompactUNet(8, (1, 1)).eval()
    torch.nn.init.normal_(model.tail.weight, std=0.05)
    return NetworkExpert(TorchBackend(model, "cpu"), Tiles(64, overlap_px))


@pytest.mark.parametrize("wrap", [lambda expert: expert, SelfEnsemble, lambda expert: Checked("it", expert)])
def test_experts_read_no_more_than_a_tile_and_tiles_agree(wrap, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "WHOLE_PX", 1)
    pixels = torch.rand(3, 150, 130, generator=torch.Generator().manual_seed(0))
    in_tiles = gather(tiled(wrap(small_network(48))).by_region(Limited(pixels)), like=pixels)
    whole = wrap(NetworkExpert(small_network(48).backend, Tiles(0)))(pixels)
    torch.testing.assert_close(in_tiles, whole, atol=2e-3, rtol=0)


def test_the_ensemble_of_one_tile_is_the_mean_of_eight_whole_pictures() -> None:
    expert, pixels = small_network(16), torch.rand(3, 50, 61)
    padded, total = pad_to(pixels, 16), torch.zeros(3, 64, 64)
    for way in range(8):
        total += geometry.unview(expert(geometry.view(padded, way).contiguous()), way)
    assert torch.equal(SelfEnsemble(expert)(pixels), total[:, :50, :61] / 8)


def test_a_plain_function_sees_the_whole_picture() -> None:
    pixels, seen = torch.rand(3, 150, 130), []

    def look(shown: torch.Tensor) -> torch.Tensor:
        seen.append(shown.shape)
        return shown

    assert torch.equal(gather(tiled(look).by_region(Planes(pixels)), like=pixels), pixels)
    assert seen == [(3, 150, 130)]
