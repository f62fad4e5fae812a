from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from darnet.benchmark import suites
from darnet.benchmark.cases import Case, cases
from darnet.benchmark.documents import Document
from darnet.benchmark.methods import Method
from darnet.benchmark.report.speed import Speed
from darnet.benchmark.rows import Record
from darnet.benchmark.suite import Request
from darnet.benchmark.suites import speed
from darnet.benchmark.suites.speed import Work, clock, counted


@pytest.fixture
def case(sets_root: Path) -> Case:
    return cases("noise", sets_root, limit=1)[0]


@pytest.fixture
def request_(sets_root: Path) -> Request:
    return Request("speed", sets_root)


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two cores, at two sizes, in this process; its convolutions are timed elsewhere."""
    monkeypatch.setattr(speed, "SIZES_PX", (32, 64))
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(speed, "convolution_peak", peak)


def peak(precision: str, device: str) -> float:
    return {"fp32": 100.0, "bf16": 300.0}[precision]


@pytest.mark.usefixtures("in_this_process")
def test_a_photo_smaller_than_the_size_is_mirrored_to_it(request_: Request, case: Case) -> None:
    record, row = clock(request_, "identity", case, (100, 1), Work())
    assert (record.level, record.pixels, record.name) == (100, 100 * 100, "100×100")
    assert record.seconds > 0
    assert (row.level, row.way) == (100, "1 thread")
    assert row.params is row.told is None


def test_memory_and_threads_are_those_of_a_process_of_its_own(request_: Request, case: Case, tiny_system: Path) -> None:
    noise = str(tiny_system / "noise")
    work = speed._alone(1, counted, noise, "cpu", case)
    assert list(work.gmacs) == [256, 512, 1024]
    assert work.gmacs[512] == pytest.approx(4 * work.gmacs[256], rel=0.1)
    record, row = clock(request_, noise, case, (256, 1), work)
    assert record.error is None
    assert row.peak_mb > 50
    assert row.params > 0
    assert record.figures["gmacs"] == row.gmacs_256 == work.cost.gmacs_256
    assert speed._alone(1, threads) == 1
    assert speed._alone(2, threads) == 2


def threads() -> int:
    import torch

    return torch.get_num_threads()


@pytest.mark.usefixtures("in_this_process")
def test_a_picture_that_cannot_be_read_is_a_failure(request_: Request, case: Case, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"x")
    record, _ = clock(request_, "identity", replace(case, clean=tmp_path / "bad.png"), (32, 2), Work())
    assert record.error is not None
    assert "bad.png" in record.error


@pytest.mark.usefixtures("in_this_process")
def test_calls_are_fewer_where_they_take_long(request_: Request, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(speed, "loaded", lambda method, device: Slow(calls))
    monkeypatch.setattr(speed, "LONG_SECONDS", 0.0)
    clock(request_, "identity", case, (32, 1), Work())
    assert len(calls) == 2  # of which the first does not count


class Slow:
    def __init__(self, calls: list[int]) -> None:
        self.calls = calls

    def __call__(self, observed: object, case: Case) -> None:
        self.calls.append(1)


@pytest.mark.usefixtures("in_this_process", "quickly")
def test_work_is_counted_once_for_all_threads_and_runtimes(
    tiny_system: Path, sets_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides = list[int]()
    whole = Method.gmacs

    def gmacs(self: Method, case: Case, side_px: int) -> float | None:
        sides.append(side_px)
        return whole(self, case, side_px)

    monkeypatch.setattr(Method, "gmacs", gmacs)
    names = tuple(f"{tiny_system}:oracle{by}" for by in ("", "%torch-bf16"))
    paces = suites.run(Request("speed", sets_root, names)).found.paces
    assert len(paces) == 8
    assert sorted(sides) == [32, 64, 256]
    assert len({(pace.size_px, pace.gmacs_per_megapixel) for pace in paces}) == 2


@pytest.mark.usefixtures("in_this_process", "quickly")
def test_speed_is_measured_at_every_size_and_in_one_and_all_threads(tiny_system: Path, sets_root: Path) -> None:
    noise = str(tiny_system / "noise")
    document = suites.run(Request("speed", sets_root, (noise, "wiener")))
    places = [(row.level, row.way) for row in document.part.rows]
    assert places == [(32, "1 thread"), (64, "1 thread"), (32, "2 threads"), (64, "2 threads")]
    assert [row["level"] for row in document.to_dict()["rows"]] == [32, 64, 32, 64]
    assert all(row.ms_per_megapixel > 0 and row.peak_mb > 50 and row.told == "kind" for row in document.part.rows)
    assert document.left_out == {"wiener": "not meant for noise"}
    assert [(pace.size_px, pace.threads) for pace in document.found.paces] == [(32, 1), (64, 1), (32, 2), (64, 2)]
    for pace in document.found.paces:
        per_second = pace.gmacs_per_megapixel / (pace.ms_per_megapixel / 1e3)
        assert pace.share_of_peak == pytest.approx(per_second / 100, abs=2e-3)
    assert Document.from_dict(document.to_dict(), Speed) == document
    told = suites.markdown(document)
    assert "| fp32 | 2 | 100 |" in told
    assert f"| {noise} | 2 | 64 |" in told


@pytest.mark.usefixtures("in_this_process", "quickly")
def test_a_method_is_read_beside_the_peak_of_its_precision(tiny_system: Path, sets_root: Path) -> None:
    names = tuple(f"{tiny_system}:oracle{by}" for by in ("", "%torch-bf16"))
    found = suites.run(Request("speed", sets_root, names)).found
    record = Record("darnet%openvino-int8", "", "", "noise", 32, seconds=1.0, pixels=32**2, figures={"gmacs": 1.0})
    assert speed._pace(record, 1, found.peaks).share_of_peak is None, "torch convolves in no 8 bits"
    assert [(peak.precision, peak.threads) for peak in found.peaks] == [
        ("fp32", 1),
        ("fp32", 2),
        ("bf16", 1),
        ("bf16", 2),
    ]
    for pace in found.paces:
        most = 300 if pace.method.endswith("bf16") else 100
        reached = pace.gmacs_per_megapixel / (pace.ms_per_megapixel / 1e3)
        assert pace.share_of_peak == pytest.approx(reached / most, abs=2e-3)


@pytest.mark.usefixtures("in_this_process", "quickly")
def test_no_larger_picture_is_measured_than_one_that_takes_long(
    sets_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed, "LONG_SECONDS", 0.0)
    document = suites.run(Request("speed", sets_root, ("identity",)))
    assert [(row.level, row.way) for row in document.part.rows] == [(32, "1 thread"), (32, "2 threads")]
    assert document.failures == ()


@pytest.mark.usefixtures("in_this_process", "quickly")
def test_a_speed_run_that_fails_is_reported(sets_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "SIZES_PX", (32,))
    root = Path(shutil.copytree(sets_root, tmp_path / "sets"))
    (root / "CBSD68" / "0.png").write_bytes(b"x")
    document = suites.run(Request("speed", root, ("identity",)))
    assert {failure.method for failure in document.failures} == {"identity"}
    assert document.found.paces == ()
