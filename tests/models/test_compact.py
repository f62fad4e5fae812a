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


@pytest.mark.parametrize("thumbnail_px", [0, 16])
def test_an_untrained_expert_returns_its_input(thumbnail_px: int) -> None:
    picture = torch.rand(2, 3, 24, 16)
    image = CompactUNet(4, (1, 1), thumbnail_px)(picture).image
    torch.testing.assert_close(image, picture)


def test_tiles_agree_through_the_thumbnail() -> None:
    model = CompactUNet(4, (1, 1), thumbnail_px=8)
    torch.nn.init.normal_(model.overview.head[-1].weight)
    picture = torch.rand(1, 3, 16, 32)
    whole = model.encode(area_means(picture, 8))
    tile = picture[..., :16]
    assert not torch.allclose(model(tile, whole).image, model(tile).image)
    torch.testing.assert_close(model(tile, model.look(tile)).image, model(tile).image)


def test_large_maps_are_worked_on_in_strips_and_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a tile of 1152 px, memory falls from 348 to 155 MB."""
    torch.manual_seed(0)
    model = CompactUNet(8, (2, 2, 1), pictures=2).eval()
    wake(model)
    pictures = torch.rand(1, 6, 72, 56)
    given = pictures.clone()
    with torch.inference_mode():
        whole = model(pictures).image
        for at_once in (100, 3000, 9000):
            monkeypatch.setattr(compact, "AT_ONCE", at_once)
            torch.testing.assert_close(model(pictures).image, whole, atol=1e-6, rtol=0)
    assert torch.equal(pictures, given)
    assert model(pictures).image.requires_grad
