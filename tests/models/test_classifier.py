from __future__ import annotations

import torch

from darnet.models.classifier import DegradationClassifier

KINDS = ["clean", "noise", "blur", "overexposure"]


def test_it_routes_hard_and_estimates_positive_levels() -> None:
    output = DegradationClassifier(KINDS, 4)(torch.rand(5, 3, 32, 32))
    assert output.image is None
    (routing,) = output.routings
    assert routing.weights.shape == (5, 4)
    assert routing.weights.sum(dim=1).tolist() == [1.0] * 5
    assert output.levels is not None
    assert bool((output.levels > 0).all())


def test_what_ships_is_lightweight() -> None:
    with torch.device("meta"):
        size = sum(weight.numel() for weight in DegradationClassifier(KINDS).parameters())
    assert 0.1e6 < size < 0.5e6
