"""Routing: who works on which sample. Read this file first.

One function, `dispatch`, is every mixture of experts inside a network. Only the size of an expert differs: a low-rank
branch inside a block (DaAIR), a stage of the backbone (SLER-IR). In DaR-Net it is a whole network; a picture is read
and written part by part then (`darnet.restore`), and the router's label names the one that serves.

Shapes: B batch, E experts, D embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Routing:
    """A decision for a batch: which expert serves which sample, and how strongly.

    Example:
        >>> Routing.hard(torch.tensor([[0.2, 1.5], [3.0, 0.1]])).weights  # two samples, two experts
        tensor([[0., 1.],
                [1., 0.]])
    """

    logits: Float[Tensor, "B E"]
    weights: Float[Tensor, "B E"]  # non-negative; a row that is one-hot is a hard decision
    embedding: Float[Tensor, "B D"] | None = None  # unit norm: what was decided by, where experts have no kinds

    @classmethod
    def hard(cls, logits: Float[Tensor, "B E"], embedding: Float[Tensor, "B D"] | None = None) -> Routing:
        """Send each sample to its best expert only (argmax gate; DaR-Net §III-B, SLER-IR eq. 3)."""
        weights = F.one_hot(logits.argmax(dim=1), logits.shape[1]).to(logits.dtype)
        return cls(logits, weights, embedding)

    @classmethod
    def soft(cls, logits: Float[Tensor, "B E"], embedding: Float[Tensor, "B D"] | None = None) -> Routing:
        """Send each sample to every expert, weighted by softmax (SLER-IR eq. 2)."""
        return cls(logits, logits.softmax(dim=1), embedding)


def dispatch(experts: Iterable[Callable[..., Tensor]], routing: Routing, *inputs: Tensor) -> Tensor:
    """y[b] = Σ_e weights[b, e] · experts[e](inputs[b]); an expert sees only the samples it serves.

    `inputs` share the batch dimension. Where values cannot be looked at (a graph that is exported), every expert serves
    every sample, and weights of 0 leave it out: the same answer at the cost of all. On the meta device, where there is
    cost and no answer, a hard decision costs what it does elsewhere: one expert a sample.
    Raises ValueError if the number of experts is not E, or if a sample has no expert at all.

    Example:
        >>> experts = [lambda x: x + 1, lambda x: 10 * x]
        >>> routing = Routing.hard(torch.tensor([[0.2, 1.5], [3.0, 0.1]]))
        >>> dispatch(experts, routing, torch.tensor([[2.0], [3.0]]))
        tensor([[20.],
                [ 4.]])
    """
    if routing.weights.is_meta and not routing.weights.requires_grad:
        return next(iter(experts))(*inputs)
    if torch.compiler.is_exporting() or routing.weights.is_meta:
        pairs = zip(experts, routing.weights.unbind(dim=1), strict=True)
        return torch.stack([_weighted(expert(*inputs), weight) for expert, weight in pairs]).sum(dim=0)
    if bool((routing.weights.sum(dim=1) <= 0).any()):
        raise ValueError("routing sends a sample to no expert")
    out: Tensor | None = None
    for expert, weight in zip(experts, routing.weights.unbind(dim=1), strict=True):
        rows = weight.nonzero().squeeze(1)
        if len(rows) == 0:
            continue
        if len(rows) == len(weight) and not weight.requires_grad and bool((weight == 1).all()):
            return expert(*inputs)  # it serves everyone: no gathering, so a large picture is not copied
        served = expert(*(tensor[rows] for tensor in inputs))
        if out is None:
            out = served.new_zeros(len(weight), *served.shape[1:])
        out = out.index_add(0, rows, _weighted(served, weight[rows]))
    if out is None:
        raise ValueError("routing of an empty batch")
    return out


def _weighted(served: Float[Tensor, "B ..."], weights: Float[Tensor, " B"]) -> Float[Tensor, "B ..."]:
    return served * weights.to(served.dtype).view(-1, *[1] * (served.ndim - 1))
