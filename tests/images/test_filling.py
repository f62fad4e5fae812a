"""darnet.images.filling: hidden pixels are continued from visible ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from darnet.images import filling
from darnet.images.regions import Planes, Region, read_all


def fill(pixels: Tensor, known: Tensor) -> Tensor:
    """A whole picture in memory, filled."""
    return read_all(filling.fill(Planes(pixels), known.numpy(), len(pixels)))[: len(pixels)]


def ramp(height: int = 96, width: int = 80) -> torch.Tensor:
    """A smooth slope in both directions, (3, H, W)."""
    slope = torch.linspace(0.2, 0.5, height)[:, None] + torch.linspace(0.0, 0.3, width)
    return slope.expand(3, -1, -1).clone()


def disk(height: int, width: int, radius: float) -> torch.Tensor:
    rows, columns = torch.arange(height)[:, None] - height / 2, torch.arange(width) - width / 2
    return rows**2 + columns**2 <= radius**2


def test_known_pixels_stay_and_hidden_ones_say_nothing() -> None:
    known = disk(96, 80, 30)
    truth = ramp()
    for hidden in (0.0, 1.0):
        filled = fill(torch.where(known, truth, hidden), known)
        torch.testing.assert_close(filled[:, known], truth[:, known], rtol=0, atol=0)
        torch.testing.assert_close(filled, fill(truth, known))  # whatever lay there


def test_a_smooth_picture_goes_on_smoothly() -> None:
    known = torch.rand(96, 80, generator=torch.Generator().manual_seed(0)) < 0.7
    torch.testing.assert_close(fill(ramp() * known, known), ramp(), rtol=0, atol=0.02)
    known = disk(96, 80, 30)
    filled = fill(ramp() * known, known)
    assert float((filled[:, 1:] - filled[:, :-1]).abs().max()) < 0.05
    assert filled.min() >= ramp()[:, known].min() - 0.02


def test_one_colour_goes_on_as_that_colour() -> None:
    known = disk(37, 31, 8)
    torch.testing.assert_close(fill(torch.full((3, 37, 31), 0.3) * known, known), torch.full((3, 37, 31), 0.3))


def test_noise_goes_on_as_noise() -> None:
    """Beside a smooth surface an expert takes the last noisy pixels for detail."""
    noise = 0.1 * torch.randn(3, 128, 128, generator=torch.Generator().manual_seed(0))
    known = torch.zeros(128, 128, dtype=torch.bool)
    known[:, :64] = True
    filled = fill((0.5 + noise) * known, known)
    assert 0.07 < float(filled[:, :, 80:].std()) < 0.12


def test_nothing_hidden_and_nothing_known() -> None:
    picture = Planes(ramp())
    for known in (np.ones((96, 80), bool), np.zeros((96, 80), bool)):
        assert filling.fill(picture, known) is picture


def test_any_size() -> None:
    for height, width in ((1, 1), (1, 50), (17, 3), (33, 16)):
        known = torch.zeros(height, width, dtype=torch.bool)
        known[0, 0] = True
        assert fill(torch.full((1, height, width), 0.5), known).shape == (1, height, width)


MASKS = {
    "disk": disk(150, 210, 60),
    "scattered": torch.rand(150, 210, generator=torch.Generator().manual_seed(0)) < 0.7,
    "sparse": torch.rand(150, 210, generator=torch.Generator().manual_seed(0)) < 0.001,
    "frame": torch.nn.functional.pad(torch.ones(139, 197), (7, 6, 5, 6)) > 0,
}


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_large_picture_is_filled_by_region_as_a_small_one_at_once(
    name: str, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = 0.1 * torch.randn(channels, 150, 210, generator=torch.Generator().manual_seed(0))
    picture, known = (ramp(150, 210)[:channels] + noise).clamp(0, 1), MASKS[name]
    whole = fill(picture, known)
    monkeypatch.setattr(filling, "AT_ONCE", 1000)
    monkeypatch.setattr(filling, "PART_PX", 48)
    asked: list[int] = []

    class Counted(Planes):
        def read(self, region: Region) -> Tensor:
            asked.append(region.height * region.width)
            return super().read(region)

    source = filling.fill(Counted(picture.expand(3, -1, -1)), known.numpy(), channels)
    for region in (Region(0, 0, 150, 210), Region(31, 47, 90, 163), Region(149, 0, 1, 210), Region(70, 100, 16, 16)):
        part = source.read(region)
        torch.testing.assert_close(part, region.cut(whole).expand(3, -1, -1), rtol=0, atol=1e-6)
        assert (part[:, region.cut(known)] == region.cut(picture)[:, region.cut(known)]).all()
    assert max(asked) <= (48 + 4 * filling.JPEG_UNIT_PX) ** 2  # a part, and two blocks around it
