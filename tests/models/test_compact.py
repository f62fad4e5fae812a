from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from darnet.images.geometry import area_means
from darnet.models import compact
from darnet.models.compact import CompactUNet
from darnet.testing import wake


@pytest.mark.parametrize("thumbnail_px", [0, 64])
def test_what_ships_is_small_and_cheap(thumbnail_px: int) -> None:
    with torch.device("meta"):
        model = CompactUNet(thumbnail_px=thumbnail_px)
        with FlopCounterMode(display=False) as counter:
            model(torch.empty(1, 3, 256, 256))
    assert sum(weight.numel() for weight in model.parameters()) <= 1.5e6
    assert counter.get_total_flops() / 2 <= 6e9  # multiply–accumulates


@pytest.mark.parametrize(("thumbnail_px", "patch"), [(0, 2), (16, 2), (0, 1), (0, 4)])
def test_an_untrained_expert_returns_its_input(thumbnail_px: int, patch: int) -> None:
    picture = torch.rand(2, 3, 24, 16)
    model = CompactUNet(4, (1, 1), thumbnail_px, patch=patch)
    assert model.multiple_of == 2 * patch
    torch.testing.assert_close(model(picture).image, picture)


def test_a_patch_of_four_works_on_a_quarter_of_the_pixels() -> None:
    counts = []
    with torch.device("meta"):
        for patch in (2, 4):
            with FlopCounterMode(display=False) as counter:
                CompactUNet(32, (4, 4), patch=patch)(torch.empty(1, 3, 64, 64))
            counts.append(counter.get_total_flops())
    assert 0.25 <= counts[1] / counts[0] <= 0.3  # head and tail see as many values


def test_a_patch_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="patch 0: expected at least 1"):
        CompactUNet(4, (1, 1), patch=0)


def test_tiles_agree_through_the_thumbnail() -> None:
    model = CompactUNet(4, (1, 1), thumbnail_px=8)
    torch.nn.init.normal_(model.overview.head[-1].weight)
    picture = torch.rand(1, 3, 16, 32)
    whole = model.encode(area_means(picture, 8))
    tile = picture[..., :16]
    assert not torch.allclose(model(tile, whole).image, model(tile).image)
    torch.testing.assert_close(model(tile, model.look(tile)).image, model(tile).image)


@pytest.mark.parametrize("patch", [2, 4])
def test_large_maps_are_worked_on_in_strips_and_nothing_changes(monkeypatch: pytest.MonkeyPatch, patch: int) -> None:
    """Of a tile of 1152 px, memory falls from 348 to 155 MB."""
    torch.manual_seed(0)
    model = CompactUNet(8, (2, 2, 1), pictures=2, patch=patch).eval()
    wake(model)
    pictures = torch.rand(1, 6, 36 * patch, 28 * patch)
    given = pictures.clone()
    with torch.inference_mode():
        whole = model(pictures).image
        for at_once in (100, 3000, 9000):
            monkeypatch.setattr(compact, "AT_ONCE", at_once)
            torch.testing.assert_close(model(pictures).image, whole, atol=1e-6, rtol=0)
    assert torch.equal(pictures, given)
    assert model(pictures).image.requires_grad
