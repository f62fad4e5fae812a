from __future__ import annotations

import torch
from torch import Generator

from darnet.degradations import LowLight


def test_exposure_and_contrast() -> None:
    clean = torch.full((1, 3, 64, 64), 0.5)
    dark = LowLight().apply(clean, torch.tensor([[0.4, 2.0, 0.0, 1e-6, 0.0]]), Generator().manual_seed(0))
    torch.testing.assert_close(dark, torch.full_like(dark, 0.4 * 0.25), atol=5e-3, rtol=0)


def test_the_noise_is_the_sensors() -> None:
    clean = torch.full((1, 3, 128, 128), 0.5)
    dark = LowLight().apply(clean, torch.tensor([[0.4, 1.0, 0.0, 0.002, 2.55]]), Generator().manual_seed(0))
    wanted = (0.002 * 0.2 + 0.01**2) ** 0.5
    assert abs(float(dark.std()) - wanted) < 0.05 * wanted


def test_uneven_light_is_full_somewhere() -> None:
    clean = torch.full((1, 3, 64, 64), 0.5)
    dark = LowLight().apply(clean, torch.tensor([[0.1, 1.0, 1.0, 0.0, 0.0]]), Generator().manual_seed(0))
    assert abs(float(dark.min()) - 0.05) < 1e-3
    assert abs(float(dark.max()) - 0.5) < 1e-3


def test_the_severity_is_the_light_that_is_left() -> None:
    assert LowLight().severity(torch.tensor([[0.25, 1.5, 0.5, 0.0, 0.0]])).tolist() == [0.25]
