"""Precision is chosen by trying: what is tried, and what is made of it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from darnet.models.classifier import DegradationClassifier
from darnet.models.compact import CompactUNet
from darnet.training.precision import fastest, muon_seconds, network_seconds

CPU = torch.device("cpu")


@pytest.mark.parametrize(("bf16", "wanted"), [(0.5, "bf16"), (0.99, "fp32"), (1.0, "fp32"), (10.0, "fp32")])
def test_bf16_must_be_faster(bf16: float, wanted: str) -> None:
    assert fastest({"fp32": 1.0, "bf16": bf16}) == wanted


@pytest.mark.parametrize("kind", ["expert", "router"])
def test_a_trial_leaves_the_network_and_chance_as_they_were(kind: str) -> None:
    torch.manual_seed(0)
    model = CompactUNet(4, (1, 1), 8) if kind == "expert" else DegradationClassifier(["clean", "noise"], 4, dropout=0.5)
    before, state = {k: v.clone() for k, v in model.state_dict().items()}, torch.get_rng_state()
    seconds = network_seconds(model, CPU, 16, 32)
    assert set(seconds) == {"fp32", "bf16"}
    assert min(seconds.values()) > 0
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(weight.grad is None for weight in model.parameters())


def test_both_precisions_are_really_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, forward = set(), nn.Conv2d.forward

    def spy(self: nn.Conv2d, pictures: torch.Tensor) -> torch.Tensor:
        answer = forward(self, pictures)
        seen.add(answer.dtype)
        return answer

    monkeypatch.setattr(nn.Conv2d, "forward", spy)
    network_seconds(CompactUNet(4, (1, 1)), CPU, 16)
    assert seen == {torch.float32, torch.bfloat16}


def test_muon_is_tried_once_a_process() -> None:
    assert muon_seconds(CPU) is muon_seconds(CPU)
