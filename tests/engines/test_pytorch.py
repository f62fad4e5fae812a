from __future__ import annotations

import pytest
import torch

from darnet.engines.pytorch import TorchBackend
from darnet.errors import ResourceError
from darnet.models.base import Context, Model, Output
from darnet.models.compact import CompactUNet


def test_precisions_agree_and_differ() -> None:
    torch.manual_seed(0)
    model = CompactUNet(8, (1, 1)).eval()
    torch.nn.init.normal_(model.tail.weight, std=0.05)
    picture = torch.rand(1, 3, 32, 32)
    exact, fast = TorchBackend(model, "cpu")(picture).image, TorchBackend(model, "cpu", "bf16")(picture).image
    assert not torch.equal(exact, fast)
    torch.testing.assert_close(exact, fast.float(), atol=0.03, rtol=0)
    torch.testing.assert_close(TorchBackend(model, "cpu", "fp32")(picture).image, exact, atol=0, rtol=0)


class Hungry(Model):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def encode(self, views: torch.Tensor) -> Context:
        return Context({"views": views})

    def forward(
        self, degraded: torch.Tensor, context: Context | None = None, box: torch.Tensor | None = None
    ) -> Output:
        raise self.error


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA"), RuntimeError("DefaultCPUAllocator: can't allocate memory"), MemoryError()]
)
def test_running_out_of_memory_says_what_to_do(error: Exception) -> None:
    with pytest.raises(ResourceError, match="cpu: out of memory on 20×10 pixels"):
        TorchBackend(Hungry(error), "cpu")(torch.rand(1, 3, 10, 20))


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    with pytest.raises(RuntimeError, match="shapes"):
        TorchBackend(Hungry(RuntimeError("shapes differ")), "cpu")(torch.rand(1, 3, 10, 20))


class Watching(Model):
    """Notes how convolutions and matrix products of float32 would be computed on CUDA."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[bool, str]] = []

    def encode(self, views: torch.Tensor) -> Context:
        return Context({"views": views})

    def forward(
        self, degraded: torch.Tensor, context: Context | None = None, box: torch.Tensor | None = None
    ) -> Output:
        self.seen.append(cuda_settings())
        return Output(degraded)


def cuda_settings() -> tuple[bool, str]:
    """Whether convolutions may be in TF32, and how exact matrix products are."""
    conv = getattr(torch.backends.cudnn, "conv", None)
    tf32 = torch.backends.cudnn.allow_tf32 if conv is None else conv.fp32_precision == "tf32"
    return tf32, torch.get_float32_matmul_precision()


def test_float32_is_no_tf32_and_the_settings_of_others_stay() -> None:
    model = Watching()
    torch.set_float32_matmul_precision("high")
    before = cuda_settings()
    try:
        TorchBackend(model, "cpu", "fp32")(torch.rand(1, 3, 8, 8))
        after = cuda_settings()
    finally:
        torch.set_float32_matmul_precision("highest")
    assert model.seen == [(False, "highest")]
    assert before == after == (True, "high")
    with pytest.raises(RuntimeError, match="shapes"):
        TorchBackend(Hungry(RuntimeError("shapes differ")), "cpu")(torch.rand(1, 3, 10, 20))
    assert cuda_settings() == (True, "highest")
