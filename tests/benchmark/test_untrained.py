from __future__ import annotations

from pathlib import Path

import pytest
import torch

from darnet.benchmark.cases import Case
from darnet.benchmark.methods import parameters
from darnet.benchmark.peers import load_method, repairs
from darnet.benchmark.untrained import UNTRAINED

CASE = Case("CBSD68", "0.png", "noise", 25.0, Path("0.png"))
#: Millions of parameters, and 10⁹ multiply–accumulates at 256×256, as their papers say.
SAID = {"restormer-sized": (26.1, 141), "nafnet-32-sized": (29.2, 16), "drunet-sized": (32.6, 144)}


@pytest.mark.parametrize("name", UNTRAINED)
def test_its_size_is_that_of_the_paper(name: str) -> None:
    method = load_method(name)
    million, gmacs = SAID[name]
    assert parameters(method.networks(CASE)) / 1e6 == pytest.approx(million, rel=0.03)
    if name == "nafnet-32-sized":  # the others take seconds
        assert method.gmacs(CASE, 256) == pytest.approx(gmacs, rel=0.05)


def test_it_takes_any_size_and_is_told_nothing() -> None:
    method = load_method("nafnet-32-sized")
    answer = method(torch.rand(3, 37, 50), CASE)
    assert answer.pixels.shape == (3, 37, 50)
    assert method.told is None
    assert repairs("nafnet-32-sized", "rain")
