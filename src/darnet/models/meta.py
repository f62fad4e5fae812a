"""A network on the meta device: its layers and their shapes, and no numbers, since those of a file are put in next.

torch imports its compiler (`torch._dynamo`) to do arithmetic there, which takes longer than all else that loading a
system does. So a constructor should do none: it computes constants on the CPU. First weights are left out here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from darnet.models.base import Model

#: Methods that give a tensor other values, and leave it as it is where it has none.
VALUES = frozenset(
    getattr(Tensor, f"{name}_")
    for name in ("bernoulli", "cauchy", "exponential", "geometric", "lerp", "log_normal", "normal", "random", "uniform")
)


class _Valueless(TorchFunctionMode):
    """Skips what only sets values."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        return args[0] if func in VALUES and args[0].is_meta else func(*args, **(kwargs or {}))


def on_meta(network: Callable[..., Model], config: Mapping[str, Any]) -> Model:
    """The network that a constructor makes of its arguments, without weights."""
    with torch.device("meta"), _Valueless():
        return network(**config)
