"""Every registered degradation keeps the contract of `darnet.testing`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from torch import Generator, Tensor

from darnet import registry
from darnet.degradations import Degradation
from darnet.errors import ContractError
from darnet.testing import check_degradation

#: Its kernels are a file: its contract is checked in tests/degradations/test_motion.py.
NEEDS_A_FILE = {"measured-motion"}


@pytest.mark.parametrize("name", sorted({*registry.names("degradation")} - NEEDS_A_FILE))
def test_the_contract(name: str) -> None:
    check_degradation(registry.find("degradation", name)())


@dataclass(frozen=True)
class Faulty(Degradation):
    fault: str = ""
    amount: tuple[float, float] = (0.1, 0.9)
    parameters: ClassVar[tuple[str, ...]] = ("amount",)
    kind: ClassVar[str] = "faulty"

    def apply(self, clean: Tensor, parameters: Tensor, rng: Generator) -> Tensor:
        if self.fault == "input":
            clean.mul_(0.5)
        if self.fault == "seed":
            return torch.rand(clean.shape)
        if self.fault == "shape":
            return clean[:, :, :1]
        if self.fault == "first":
            return clean * parameters[0, 0]
        if self.fault == "last":
            return clean * parameters[-1, 0]
        if self.fault == "ignored":
            return clean * 0.5
        return clean * 2 if self.fault == "range" else clean

    def severity(self, parameters: Tensor) -> Tensor:
        return parameters.new_zeros(len(parameters))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("input", "changes its input"),
        ("seed", "not reproducible"),
        ("range", "leaves"),
        ("shape", "changes the shape"),
        ("first", "with its own"),
        ("last", "of another"),
        ("ignored", "with its own"),
    ],
)
def test_the_contract_catches_what_it_is_for(fault: str, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        check_degradation(Faulty(fault))
