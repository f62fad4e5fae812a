"""The severity of a picture, from what is estimated of its crops."""

import pytest
import torch

from darnet.models.base import Output
from darnet.models.classifier import DegradationClassifier
from darnet.restore.severity import severities

KINDS = ("clean", "noise", "blur")


@pytest.fixture
def model() -> DegradationClassifier:
    return DegradationClassifier(kinds=KINDS, width=4, thumbnail_px=8, ranges={"noise": (5, 50), "blur": (0.5, 3)})


def estimated(*crops: tuple[float, float]) -> Output:
    """What a network says of noise and blur in each crop."""
    return Output(severities=torch.tensor([[1.0, noise, blur] for noise, blur in crops]))


def test_a_crop_counts_by_how_certain_the_kind_is_there(model: DegradationClassifier) -> None:
    presence = torch.tensor([[0, 1.0, 0.5], [1.0, 0, 0.5]])  # noise in one crop, blur in both
    found, strange = severities(model, estimated((20, 1), (40, 2)), presence)
    assert found["noise"] == pytest.approx(20, rel=1e-2)
    assert found["blur"] == pytest.approx(2**0.5, rel=1e-5)  # means of logarithms
    assert "clean" not in found
    assert not strange.any()


def test_what_befell_a_part_is_judged_where_it_is_certain(model: DegradationClassifier) -> None:
    """Many crops with a presence of 0.2 each told of another severity than the noisy corner."""
    corner = torch.tensor([[0, 0.99, 0.99]] + [[0, 0.3, 0.3]] * 12 + [[0.9, 0.05, 0.05]] * 3)
    output = estimated((40, 2), *[(6, 1)] * 15)
    found, _ = severities(model, output, corner)
    assert found["noise"] == pytest.approx(40)
    assert found["blur"] < 1.5  # which never befalls a part alone
    everywhere = corner.clamp(min=0.3)
    assert severities(model, output, everywhere)[0]["noise"] < 20
    unsure = corner.clamp(max=0.9)
    assert severities(model, output, unsure)[0]["noise"] < 20


def test_a_little_outside_its_range_it_is_the_end_of_it(model: DegradationClassifier) -> None:
    found, strange = severities(model, estimated((60, 0.4)), torch.ones(1, 3))
    assert found == pytest.approx({"noise": 50, "blur": 0.5})
    assert not strange.any()


@pytest.mark.parametrize("noise", [3, 80, float("inf"), float("nan")])
def test_far_outside_it_is_none(model: DegradationClassifier, noise: float) -> None:
    found, strange = severities(model, estimated((noise, 1)), torch.ones(1, 3))
    assert set(found) == {"blur"}
    assert strange.tolist() == [False, True, False]


def test_a_network_may_estimate_none(model: DegradationClassifier) -> None:
    found, strange = severities(model, Output(), torch.ones(1, 3))
    assert found == {}
    assert strange.shape == (3,)
