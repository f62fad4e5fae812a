from __future__ import annotations

import pytest
import torch
from torch import Generator

from darnet.degradations import Overexposure


def test_gain_then_clip() -> None:
    x = torch.tensor([0.1, 0.5, 0.9]).reshape(1, 1, 1, 3)
    degraded = Overexposure().apply(x, torch.tensor([[1.76]]), Generator())
    torch.testing.assert_close(degraded.flatten(), torch.tensor([0.176, 0.88, 1.0]))


def test_stops() -> None:
    assert Overexposure.from_ev(1.0) == Overexposure((2.0, 2.0))
    low, high = Overexposure.from_ev(0.5, 1.0).gain
    assert (low, high) == pytest.approx((2**0.5, 2))


def test_the_severity_is_the_gain() -> None:
    assert Overexposure().severity(torch.tensor([[1.5]])).tolist() == [1.5]
