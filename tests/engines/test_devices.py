from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import torch

from darnet.engines.devices import environment, exact_float32, pick_device
from darnet.engines.pytorch import TorchBackend
from darnet.errors import UsageError
from darnet.models.compact import CompactUNet


def test_half_precision_on_a_cpu_is_refused() -> None:
    with pytest.raises(UsageError, match="fp16"):
        TorchBackend(CompactUNet(4, (1, 1)), "cpu", "fp16")


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "meta"])
def test_devices_this_machine_lacks(device: str) -> None:
    with pytest.raises(UsageError, match=f"`device={device!r}`"):
        pick_device(device)


def test_auto_finds_a_device() -> None:
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_the_environment_names_the_device_that_is_used() -> None:
    found = environment(torch.device("cpu"))
    assert found["device"] == "cpu"
    assert found["torch"] == torch.__version__
    assert found["threads"] == torch.get_num_threads()


def test_threads_compute_exactly_until_the_last_is_done() -> None:
    """One that was done gave the others what it had found; what the last one gave back, stayed for good."""
    before, together = torch.get_float32_matmul_precision(), Barrier(2)

    def compute(*, first: bool) -> str:
        if not first:
            together.wait()  # the first is at it
        with exact_float32:
            if first:
                together.wait()
            together.wait()  # both are at it
            if not first:
                together.wait()  # the first is done
            found = torch.get_float32_matmul_precision()
        if first:
            together.wait()
        return found

    torch.set_float32_matmul_precision("high")
    try:
        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(lambda first: compute(first=first), (True, False))) == ["highest", "highest"]
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision(before)
