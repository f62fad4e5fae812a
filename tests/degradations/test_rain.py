from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor

from darnet.degradations import Rain
from darnet.degradations.rain import VEIL_LIGHT, streak_kernels

BLACK = torch.zeros(1, 3, 120, 120)


def rain(clean: Tensor = BLACK, **values: float) -> Tensor:
    names = {"streaks": 2.0, "length_px": 20.0, "width_px": 0.7, "angle_deg": 90.0, "opacity": 0.5, "veil": 0.0}
    parameters = torch.tensor([[{**names, **values}[name] for name in Rain.parameters]])
    return Rain().apply(clean, parameters, Generator().manual_seed(0))


def test_streaks_are_grey_and_brighten() -> None:
    clean = torch.full((1, 3, 60, 60), 0.3)
    difference = rain(clean) - clean
    assert float(difference.min()) >= -1e-4
    torch.testing.assert_close(difference[:, 0], difference[:, 1])
    assert 0.1 < float(difference.max()) <= 0.5 * 1.7


def test_streaks_lie_along_their_angle() -> None:
    down, across = rain(angle_deg=90.0)[0, 0], rain(angle_deg=0.0)[0, 0]
    assert float(down.diff(dim=0).abs().mean()) < 0.5 * float(down.diff(dim=1).abs().mean())
    assert float(across.diff(dim=1).abs().mean()) < 0.5 * float(across.diff(dim=0).abs().mean())


def test_more_streaks_more_light_and_none_is_none() -> None:
    few, many = rain(streaks=1.0).mean(), rain(streaks=6.0).mean()
    assert float(many) > 3 * float(few) > 0
    torch.testing.assert_close(rain(streaks=0.0), BLACK, atol=1e-5, rtol=0)


def test_the_veil_is_a_mix_with_light() -> None:
    veiled = rain(streaks=0.0, veil=0.25)
    torch.testing.assert_close(veiled, torch.full_like(veiled, 0.25 * VEIL_LIGHT), atol=1e-5, rtol=0)


def test_a_streak_is_as_long_as_it_says() -> None:
    kernel = streak_kernels(torch.tensor([20.0]), torch.tensor([0.7]), torch.tensor([90.0]), 15)[0]
    assert float(kernel.max()) == 1.0
    assert kernel[:, 15].count_nonzero() == pytest.approx(21, abs=1)
    assert int((kernel[15] > 0.1).sum()) <= 3
