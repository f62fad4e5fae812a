from __future__ import annotations

import pytest
import torch

from darnet.models.layers.statistics import Statistics


def test_who_is_given_a_statistic_measures_nothing() -> None:
    first = Statistics()
    own = [first(lambda value=value: torch.tensor(value)) for value in (1.0, 2.0)]
    assert [float(value) for value in first.taken] == [1.0, 2.0]

    def measure() -> torch.Tensor:
        raise AssertionError("measured all the same")

    second = Statistics(tuple(first.taken))
    assert [second(measure) for _ in own] == own
    assert second.taken == own


def test_a_network_that_asks_for_more_than_is_given_is_another_one() -> None:
    given = Statistics((torch.tensor(1.0),))
    given(lambda: torch.tensor(0.0))
    with pytest.raises(StopIteration):
        given(lambda: torch.tensor(0.0))
