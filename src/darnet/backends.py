"""How a network is executed. A backend is a plain function of (pictures, context, box) on some device.

Shapes: B batch, H × W pixels. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import copy
from typing import Any, Literal, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from darnet.errors import ResourceError, UsageError, is_out_of_memory
from darnet.models.base import Context, Model, Output, channels_last
from darnet.version import __version__

Precision = Literal["auto", "fp32", "bf16", "fp16"]

Answer = TypeVar("Answer")

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class TorchBackend:
    """A network run by torch, in channels_last memory, which is what convolutions are fastest in.

    Raises UsageError for a device this machine lacks, or a precision that `pick_dtype` refuses.
    """

    def __init__(self, model: Model, device: str = "auto", precision: Precision = "auto") -> None:
        self.device = pick_device(device)
        self.dtype = pick_dtype(precision, self.device)
        self.model = channels_last(model.to(self.device))

    def running(self, model: Model) -> TorchBackend:
        """Another network, of weights that are on the device, run alike."""
        backend = copy(self)
        backend.model = model
        return backend

    def __call__(
        self,
        pictures: Float[Tensor, "B 3 H W"],
        context: Context | None = None,
        box: Float[Tensor, "B 4"] | None = None,
    ) -> Output:
        """Run the network; the answer is on its device. Raises ResourceError where memory runs out."""
        pictures = pictures.to(self.device, memory_format=torch.channels_last)
        box = None if box is None else box.to(self.device)
        output: Output = self._run(lambda: self.model(pictures, context, box), pictures)
        return output

    def encode(self, pictures: Float[Tensor, "B 3 H W"]) -> Context:
        """What the network wants to know of whole pictures (`Model.look`); only their views go to its device."""
        if self.model.views is None:
            return Context()
        views = self.model.views(pictures).to(self.device)
        return self._run(lambda: self.model.encode(views), views)

    def measure(self, sample: Float[Tensor, "1 3 H W"], context: Context) -> Context:
        """The context with the statistics of a picture, by a sample of it (`Model.measure`). Raises as a call does."""
        sample = sample.to(self.device, memory_format=torch.channels_last)
        return self._run(lambda: self.model.measure(sample, context), sample)

    def _run(self, function: Callable[[], Answer], pictures: Float[Tensor, "B C H W"]) -> Answer:
        try:
            with torch.inference_mode(), exact_float32(), self._autocast():
                return function()
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            size = "×".join(map(str, reversed(pictures.shape[2:])))
            raise ResourceError(f"{self.device}: out of memory on a tile of {size}; make `tiles` smaller") from error

    def _autocast(self) -> AbstractContextManager[object]:
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self.dtype)


@contextmanager
def exact_float32() -> Iterator[None]:
    """Compute in float32 what is float32, on CUDA too: cuDNN takes TF32 for convolutions, 10 bits of 23, if it may."""
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
    """`auto` is float32 on a CPU and bfloat16 on a GPU. Raises UsageError for float16 on a CPU."""
    if precision == "auto":
        precision = "fp32" if device.type == "cpu" else "bf16"
    if precision == "fp16" and device.type == "cpu":
        raise UsageError("`precision='fp16'`: slow and inexact on a CPU; use fp32 or bf16")
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
