"""Backends are tried out: who answers as torch in float32 does, and in which time."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import darnet
from darnet.engines import probing
from darnet.engines.graphs import GRAPH
from darnet.engines.probing import Part, prepared, probe
from darnet.engines.pytorch import TorchBackend
from darnet.engines.tracing import functions
from darnet.errors import UsageError
from darnet.models import cards

RAIN = Path(darnet.__file__).parent / "weights" / "darnet" / "rain"


@pytest.fixture
def part() -> Part:
    model, card = cards.load(RAIN)
    return Part(model, RAIN / GRAPH, {}, card.sha256)


def test_the_random_numbers_of_a_program_are_left_alone(part: Part) -> None:
    torch.manual_seed(3)
    wanted = torch.rand(1)
    torch.manual_seed(3)
    probe(part, [("torch", "fp32")])
    functions(part.model)
    assert torch.equal(torch.rand(1), wanted)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
def test_how_far_an_answer_may_be_depends_on_the_precision(precision: str) -> None:
    right = torch.full((1, 3, 64, 64), 0.5)
    most = {"fp32": 0.25, **{name: 255 * share for name, share in probing.CLOSE.items()}}[precision] / 255
    noise = torch.where(torch.rand(right.shape, generator=torch.Generator().manual_seed(0)) < 0.5, -1.0, 1.0)
    assert probing._is_right(right + 0.99 * most * noise, right, precision)
    assert not probing._is_right(right + 1.01 * most * noise, right, precision)
    assert not probing._is_right(right[..., 1:], right, precision)
    assert not probing._is_right(right / 0, right, precision)


def test_nobody_knows_an_answer_in_another_precision() -> None:
    right = torch.full((1, 3, 8, 8), 0.5)
    assert not probing._is_right(right + 1e-3, right, "fp8")


def test_the_fastest_is_taken_and_all_times_are_kept(part: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([3.0, 2.0])
    monkeypatch.setattr(probing, "_time", lambda run: next(times))
    choice = probe(part, [("torch", "fp32"), ("torch", "bf16")])
    assert (choice.backend, choice.precision) == ("torch", "bf16")
    assert choice.milliseconds == {"torch fp32": 3.0, "torch bf16": 2.0}
    assert probe(part, []) == probing.Choice("torch", "fp32", {})


def test_a_part_without_a_graph_is_torch_s(part: Part) -> None:
    assert isinstance(prepared(Part(part.model), "openvino", "fp32"), TorchBackend)
    with pytest.raises(UsageError, match="`precision='int8'`: there is no such graph of this CompactUNet"):
        prepared(part, "openvino", "int8")
