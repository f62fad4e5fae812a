"""Laws of routing: dispatch is the dense weighted sum, and it sends every expert only the samples it serves."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from darnet.routing import Routing, dispatch


def scale(factor: float):
    return lambda x: x * factor + factor


EXPERTS = [scale(2.0), scale(-1.0), scale(0.5)]


def routing_of(batch: int, seed: int, *, soft: bool) -> Routing:
    logits = torch.randn(batch, len(EXPERTS), generator=torch.Generator().manual_seed(seed))
    return Routing.soft(logits) if soft else Routing.hard(logits)


@given(batch=st.integers(1, 7), seed=st.integers(0, 1000), soft=st.booleans())
def test_dispatch_equals_the_dense_weighted_sum(batch: int, seed: int, soft: bool) -> None:
    routing = routing_of(batch, seed, soft=soft)
    x = torch.rand(batch, 3, 4, 5, generator=torch.Generator().manual_seed(seed))
    dense = sum(expert(x) * routing.weights[:, i, None, None, None] for i, expert in enumerate(EXPERTS))
    torch.testing.assert_close(dispatch(EXPERTS, routing, x), dense)


@pytest.mark.parametrize("soft", [False, True])
def test_an_exported_graph_gives_the_same_answer(soft: bool) -> None:
    class Mixture(torch.nn.Module):
        def forward(self, x: Tensor, logits: Tensor) -> Tensor:
            return dispatch(EXPERTS, Routing.soft(logits) if soft else Routing.hard(logits), x)

    x, routing = torch.rand(4, 3, 5), routing_of(4, 0, soft=soft)
    exported = torch.export.export(Mixture(), (x, routing.logits)).module()
    others = routing_of(4, 1, soft=soft)
    for decided in (routing, others):  # the graph follows the routing; it did not freeze the first one
        torch.testing.assert_close(exported(x, decided.logits), dispatch(EXPERTS, decided, x))


@given(seed=st.integers(0, 1000), soft=st.booleans())
def test_permuting_the_batch_permutes_the_output(seed: int, soft: bool) -> None:
    routing = routing_of(6, seed, soft=soft)
    x = torch.rand(6, 2, generator=torch.Generator().manual_seed(seed))
    order = torch.randperm(6, generator=torch.Generator().manual_seed(seed + 1))
    permuted = Routing(routing.logits[order], routing.weights[order])
    torch.testing.assert_close(dispatch(EXPERTS, permuted, x[order]), dispatch(EXPERTS, routing, x)[order])


def test_an_expert_sees_only_the_samples_it_serves() -> None:
    seen: list[int] = []

    def watch(x: Tensor) -> Tensor:
        seen.append(len(x))
        return x

    logits = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    dispatch([watch, watch, watch], Routing.hard(logits), torch.rand(3, 2))
    assert seen == [2, 1]  # the third expert serves nobody and is not called


def test_one_expert_for_all_gets_the_input_itself() -> None:
    x = torch.rand(2, 3)
    received = []

    def watch(x: Tensor) -> Tensor:
        received.append(x)
        return x

    dispatch([watch, watch], Routing.hard(torch.tensor([[0.0, 1.0], [0.0, 1.0]])), x)
    assert received[0] is x


def test_soft_weights_learn() -> None:
    logits = torch.zeros(2, 3, requires_grad=True)
    dispatch(EXPERTS, Routing.soft(logits), torch.rand(2, 4)).sum().backward()
    assert logits.grad is not None
    assert bool(logits.grad.abs().sum() > 0)


def test_hard_rows_are_one_hot_and_soft_rows_sum_to_one() -> None:
    logits = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    hard, soft = Routing.hard(logits).weights, Routing.soft(logits).weights
    assert hard.sum(dim=1).tolist() == [1.0] * 5
    assert hard.argmax(dim=1).tolist() == logits.argmax(dim=1).tolist()
    torch.testing.assert_close(soft.sum(dim=1), torch.ones(5))


def test_bad_routings_are_errors() -> None:
    weights = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    with pytest.raises(ValueError, match="no expert"):
        dispatch(EXPERTS[:2], Routing(weights, weights), torch.rand(2, 1))
    with pytest.raises(ValueError, match="empty batch"):
        dispatch(EXPERTS, Routing(torch.zeros(0, 3), torch.zeros(0, 3)), torch.rand(0, 1))
    with pytest.raises(ValueError, match="zip"):
        dispatch(EXPERTS[:2], routing_of(2, 0, soft=True), torch.rand(2, 1))
