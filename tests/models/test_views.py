"""Views of a picture that is read by region are those of the whole."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from darnet.images.regions import Planes, Region
from darnet.models import views
from darnet.models.deconvolution import Spectrum
from darnet.models.layers.fusion import Glance
from darnet.models.views import Thumbnail, by_region

SIZES = [(200, 333), (64, 500), (70, 61), (30, 900), (5, 7)]


class Limited(Planes):
    """A picture of which nobody may read much at once."""

    def read(self, region: Region) -> Tensor:
        assert region.height * region.width < 0.8 * self.height * self.width
        return super().read(region)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("look", [Thumbnail(8), Thumbnail(64), Glance(16), Spectrum()], ids=str)
@pytest.mark.parametrize("at_once", [1, 900, 10**9])
def test_views_by_region(
    look: Callable[[Tensor], Tensor], size: tuple[int, int], at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "AT_ONCE", at_once)
    pixels = torch.rand(3, *size, generator=torch.Generator().manual_seed(0)) ** 2
    found = by_region(look, Planes(pixels))
    torch.testing.assert_close(found, look(pixels[None]), atol=2e-5, rtol=1e-5)


def test_little_is_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "AT_ONCE", 5000)
    for look in (Thumbnail(8), Glance(16), Spectrum()):
        by_region(look, Limited(torch.rand(3, 200, 333)))


def test_a_plain_function_sees_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "AT_ONCE", 1)
    pixels = torch.rand(3, 20, 30)
    assert torch.equal(by_region(lambda pictures: pictures * 2, Planes(pixels)), pixels[None] * 2)
