"""Muon (Jordan et al. 2024) on convolutions: the momentum of a weight matrix is orthogonalised before the step.

The weight of a convolution, (out, in, k, k), is the matrix (out, in·k·k). Matrices of one shape go through the
Newton–Schulz iteration together, in a precision of one's choice; `torch.optim.Muon` (torch 2.9) takes them one by
one, in bfloat16 on every machine, which costs some CPUs sixteen times as long as float32.

Shapes: N matrices of R rows and C columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

#: How many matrices go through one iteration together, at most: memory for four copies of them is needed.
TOGETHER = 64
#: Of the quintic iteration, Jordan's: steep at zero, so that singular values end between 0.7 and 1.2, not at 1.
COEFFICIENTS, ITERATIONS = (3.4445, -4.7750, 2.0315), 5
SMALLEST_NORM = 1e-7


class ConvolutionMuon(torch.optim.Optimizer):
    """Muon over the matrix views of convolution weights, orthogonalised in `dtype`.

    Weights must be in channels_last memory, which the trainer sees to: then (out, k, k, in) is contiguous, and its
    matrix is a view. The order of columns does not matter to an orthogonalisation. The rate is that of
    `match_rms_adamw`: 0.2·√max(R, C), which gives a step the size of AdamW's. Momentum is Nesterov's.
    """

    def __init__(
        self,
        weights: list[Tensor],
        dtype: torch.dtype = torch.bfloat16,
        *,
        lr: float = 1e-3,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
    ) -> None:
        self.weights, self.dtype = weights, dtype
        matrices = [_matrix(weight.detach()) for weight in weights]
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One update from the gradients of the weights; a weight without a gradient stays as it is."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        group = self.param_groups[0]
        alike: dict[tuple[int, int], list[tuple[Tensor, Tensor]]] = {}
        for weight, matrix in zip(self.weights, group["params"], strict=True):
            if weight.grad is not None:
                gradient = weight.grad.permute(0, 2, 3, 1).flatten(1)
                alike.setdefault((matrix.shape[0], matrix.shape[1]), []).append((matrix, gradient))
        for pairs in alike.values():
            for begin in range(0, len(pairs), TOGETHER):
                self._update(pairs[begin : begin + TOGETHER], group)
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of the weights themselves."""
        for weight in self.weights:
            weight.grad = None

    def _update(self, pairs: list[tuple[Tensor, Tensor]], group: Mapping[str, Any]) -> None:
        """Step the matrices of `pairs`, all of one shape, along their gradients."""
        matrices, gradients = ([pair[index] for pair in pairs] for index in range(2))
        momenta = [self._momentum(matrix) for matrix in matrices]
        torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
        ahead = torch.stack(torch._foreach_lerp(gradients, momenta, group["momentum"]))
        steps = orthogonal(ahead, self.dtype)
        rate = group["lr"] * 0.2 * max(ahead.shape[1:]) ** 0.5
        torch._foreach_mul_(matrices, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(matrices, list(steps.to(ahead.dtype).unbind()), alpha=-rate)

    def _momentum(self, matrix: Tensor) -> Tensor:
        state = self.state[matrix]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(matrix)
        momentum: Tensor = state["momentum_buffer"]
        return momentum


def orthogonal(matrices: Float[Tensor, "N R C"], dtype: torch.dtype = torch.float32) -> Float[Tensor, "N R C"]:
    """Matrices with singular values near 1 and the singular vectors of those given: Newton–Schulz in `dtype`."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = (matrices.mT if tall else matrices).to(dtype, copy=True)
    x.div_(torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True).clamp(min=SMALLEST_NORM))
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


def _matrix(weight: Tensor) -> Tensor:
    return weight.permute(0, 2, 3, 1).view(weight.shape[0], -1).requires_grad_()
