from __future__ import annotations

from pathlib import Path

import pytest
import torch

from darnet.benchmark import machine
from darnet.benchmark.machine import Energy, convolution_peak
from darnet.errors import UsageError


def test_a_larger_share_of_the_machine_does_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "SHAPES", ((32, 64),))
    assert convolution_peak() > 0
    monkeypatch.setattr(
        machine, "conv2d", lambda *given, **more: [torch.mm(torch.rand(512, 512), torch.rand(512, 512))]
    )
    slow = convolution_peak()
    monkeypatch.setattr(machine, "conv2d", lambda *given, **more: None)
    assert convolution_peak() > 10 * slow


def test_a_device_that_is_missing_is_refused() -> None:
    with pytest.raises(UsageError, match="cuda:7"):
        convolution_peak(device="cuda:7")


@pytest.fixture
def counters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Two processors, and a part of the first, which is not to count twice."""
    names = ("intel-rapl:0", "intel-rapl:0:0", "intel-rapl:1")
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "energy_uj").write_text("1000000\n")
        (tmp_path / name / "max_energy_range_uj").write_text("1999999\n")
    monkeypatch.setattr(machine, "POWERCAP", tmp_path)
    return [tmp_path / name / "energy_uj" for name in names]


def test_joules_are_those_of_all_processors(counters: list[Path]) -> None:
    with Energy() as energy:
        for counter, now in zip(counters, (1_500_000, 1_400_000, 1_250_000), strict=True):
            counter.write_text(f"{now}\n")
    assert energy.joules == pytest.approx(0.75)


def test_a_counter_may_begin_again(counters: list[Path]) -> None:
    with Energy() as energy:
        counters[0].write_text("500000\n")
    assert energy.joules == pytest.approx(1.5)


def test_a_machine_that_does_not_tell_has_no_joules(
    counters: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counters[2].write_text("secret")
    with Energy() as energy:
        pass
    assert energy.joules is None
    monkeypatch.setattr(machine, "POWERCAP", tmp_path / "none")
    with Energy() as energy:
        pass
    assert energy.joules is None
