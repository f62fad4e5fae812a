from __future__ import annotations

import pytest
import torch

from darnet.engines.devices import environment, pick_device
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
