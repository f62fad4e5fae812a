"""How constructors of networks are run: with first weights, or on the meta device.

There a network is its layers and their shapes, and no numbers, since those of a file are put in next. torch imports its
compiler (`torch._dynamo`) to do arithmetic there, which takes longer than all else that loading a system does. So a
constructor should do none: it computes constants on the CPU. First weights are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from darnet.models.base import Model

#: Methods that give a tensor other values, and leave it as it is where it has none.
VALUES = frozenset(
    getattr(Tensor, f"{name}_")
    for name in ("bernoulli", "cauchy", "exponential", "geometric", "lerp", "log_normal", "normal", "random", "uniform")
)


class _Filled(TorchFunctionMode):
    """Refuses first weights where there are none to set, of which torch only warns. Raises ValueError."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == nn.init.__name__:
            weights = kwargs["tensor"] if "tensor" in kwargs else args[0]
            if not weights.numel():
                raise ValueError(f"a layer has no weights: their shape is {tuple(weights.shape)}")
        return self.set(func, args, kwargs)

    def set(self, func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Do it."""
        return func(*args, **kwargs)


class _Valueless(_Filled):
    """Skips what only sets values."""

    def set(self, func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Do it, or not."""
        return args[0] if func in VALUES and args[0].is_meta else func(*args, **kwargs)


def with_weights(network: Callable[..., Model], config: Mapping[str, Any]) -> Model:
    """The network that a constructor makes of its arguments. Raises ValueError where a layer would have no weights."""
    with _Filled():
        return network(**config)


def on_meta(network: Callable[..., Model], config: Mapping[str, Any]) -> Model:
    """The same without weights."""
    with torch.device("meta"), _Valueless():
        return network(**config)
