from __future__ import annotations

import math

import pytest
import torch
from torch import Generator

from darnet.degradations import Haze


def rng(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def test_the_nearest_point_is_clear_and_the_farthest_is_veiled() -> None:
    black = torch.zeros(1, 3, 40, 50)
    hazy = Haze().apply(black, torch.tensor([[1.2, 0.9, 0.0]]), rng())
    assert float(hazy.min()) == pytest.approx(0, abs=1e-5)
    assert float(hazy.max()) == pytest.approx(0.9 * (1 - math.exp(-1.2)), abs=1e-5)


def test_the_airlight_itself_does_not_change() -> None:
    """x = a: what is scattered away is replaced by as much."""
    light = torch.full((1, 3, 20, 20), 0.8)
    torch.testing.assert_close(Haze().apply(light, torch.tensor([[2.0, 0.8, 0.0]]), rng()), light)


def test_without_scattering_nothing_happens() -> None:
    clean = torch.rand(1, 3, 9, 7, generator=rng())
    torch.testing.assert_close(Haze().apply(clean, torch.tensor([[0.0, 1.0, 0.06]]), rng()), clean)


def test_a_tint_darkens_some_colours_and_never_the_brightest() -> None:
    hazy = Haze().apply(torch.zeros(1, 3, 30, 30), torch.tensor([[2.0, 1.0, 0.5]]), rng()).amax(dim=(2, 3))[0]
    top = 1 - math.exp(-2.0)
    assert float(hazy.max()) == pytest.approx(top, abs=1e-5)
    assert float(hazy.min()) < top - 0.02
