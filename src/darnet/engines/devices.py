"""On what a network is executed: devices and precisions, and what a reader of figures must know of a machine."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from threading import Lock
from typing import Any, Final, Literal

import torch

from darnet.errors import UsageError
from darnet.version import __version__

Precision = Literal["auto", "fp32", "bf16", "fp16", "int8"]
#: What torch does not compute in here, but graphs do (`darnet.engines.quantisation`).
INT8: Final = "int8"
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Shared:
    """A `state` of the whole process, as a context that threads may be in together: the last to leave ends it."""

    def __init__(self, state: Callable[[], AbstractContextManager[None]]) -> None:
        self.state, self.lock, self.holders, self.held = state, Lock(), 0, ExitStack()

    def __enter__(self) -> None:
        with self.lock:
            if not self.holders:
                self.held.enter_context(self.state())
            self.holders += 1

    def __exit__(self, *reason: object) -> None:
        with self.lock:
            self.holders -= 1
            if not self.holders:
                self.held.close()


@contextmanager
def _exact_float32() -> Iterator[None]:
    cudnn: Any = torch.backends.cudnn
    new = hasattr(cudnn, "conv")  # from torch 2.9 on, where reading the older switch fails if a program uses this one
    switch, name, exact = (cudnn.conv, "fp32_precision", "ieee") if new else (cudnn, "allow_tf32", False)
    before = getattr(switch, name), torch.get_float32_matmul_precision()
    setattr(switch, name, exact)
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        setattr(switch, name, before[0])
        torch.set_float32_matmul_precision(before[1])


#: Compute in float32 what is float32, on CUDA too: cuDNN takes TF32 for convolutions, 10 bits of 23, if it may.
exact_float32 = Shared(_exact_float32)


def pick_device(device: str) -> torch.device:
    """`auto`, `cpu`, `cuda`, `cuda:1`, `mps`. Raises UsageError for an unknown or missing one."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        picked = torch.device(device)
    except RuntimeError as error:
        raise UsageError(f"`device={device!r}`: expected auto, cpu, cuda, cuda:N or mps") from error
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (picked.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not available.get(picked.type, False):
        raise UsageError(f"`device={device!r}`: this machine has no such device")
    return picked


def pick_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """`auto` is float32 on a CPU and bfloat16 on a GPU. Raises UsageError for float16 on a CPU, and for 8 bits."""
    if precision == "auto":
        precision = "fp32" if device.type == "cpu" else "bf16"
    if precision == "fp16" and device.type == "cpu":
        raise UsageError("`precision='fp16'`: slow and inexact on a CPU; use fp32 or bf16")
    if precision == INT8:
        raise UsageError("`precision='int8'`: torch does not compute in it; OpenVINO does, on a CPU")
    return DTYPES[precision]


def environment(device: torch.device) -> dict[str, Any]:
    """What a reader needs to trust or repeat a figure."""
    return {
        "darnet": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
    }
