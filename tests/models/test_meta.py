from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from darnet.models.base import Context, Model, Output
from darnet.models.meta import VALUES, on_meta


class Drawing(Model):
    """Draws its first weights by one of torch's methods."""

    def __init__(self, method: str, arguments: list[float]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(4, 3))
        with torch.no_grad():
            self.answer = getattr(self.weight, method)(*arguments)
            self.constant = getattr(torch.zeros(400, device="cpu"), method)(*arguments)

    def encode(self, views: Tensor) -> Context:
        return Context({"views": views})

    def forward(self, degraded: Tensor, context: Context | None = None, box: Tensor | None = None) -> Output:
        return Output(degraded)


@pytest.mark.parametrize("method", sorted(method.__name__ for method in VALUES - {Tensor.lerp_}))
def test_weights_are_not_drawn_and_constants_are(method: str) -> None:
    before = torch.get_rng_state()
    model = on_meta(Drawing, {"method": method, "arguments": [0.5] if method in {"bernoulli_", "geometric_"} else []})
    assert model.weight.is_meta
    assert model.answer is model.weight
    assert model.constant.any() or method == "random_"
    torch.set_rng_state(before)


def test_what_was_there_before_is_there_again() -> None:
    """Also where a constructor fails."""
    with pytest.raises(AttributeError):
        on_meta(Drawing, {"method": "nothing_", "arguments": []})
    assert torch.empty(3).device.type == "cpu"
    assert torch.empty(400).normal_().any()
