from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from darnet.benchmark import suites
from darnet.benchmark.cases import Case, cases
from darnet.benchmark.protocol import PROTOCOLS
from darnet.benchmark.suite import Request
from darnet.benchmark.suites import speed
from darnet.benchmark.suites.speed import clock


@pytest.fixture
def case(sets_root: Path) -> Case:
    return cases("noise", sets_root, limit=1)[0]


@pytest.mark.usefixtures("in_this_process")
def test_a_photo_smaller_than_the_size_is_mirrored_to_it(case: Case) -> None:
    record, row = clock("identity", "cpu", PROTOCOLS["promptir"], case, 100)
    assert (record.level, record.pixels, record.name) == (100, 100 * 100, "100×100")
    assert record.seconds > 0
    assert row.level == 100
    assert row.params is row.told is None


def test_the_memory_is_that_of_a_process_of_its_own(case: Case, tiny_system: Path) -> None:
    record, row = clock(str(tiny_system / "noise"), "cpu", PROTOCOLS["promptir"], case, 64)
    assert record.error is None
    assert row.peak_mb > 50
    assert row.params > 0
    assert row.gmacs_256 > 0


@pytest.mark.usefixtures("in_this_process")
def test_a_picture_that_cannot_be_read_is_a_failure(case: Case, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"x")
    record, _ = clock("identity", "cpu", PROTOCOLS["promptir"], replace(case, clean=tmp_path / "bad.png"), 32)
    assert record.error is not None
    assert "bad.png" in record.error


@pytest.mark.usefixtures("in_this_process")
def test_speed_is_measured_at_every_size(tiny_system: Path, sets_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "SIZES_PX", (32, 64))
    document = suites.run(Request("speed", sets_root, (str(tiny_system / "noise"), "wiener")))
    assert [row.level for row in document.part.rows] == [32, 64]
    assert [row["level"] for row in document.to_dict()["rows"]] == [32, 64]
    assert all(row.ms_per_megapixel > 0 and row.peak_mb > 50 and row.told == "kind" for row in document.part.rows)
    assert document.left_out == {"wiener": "not meant for noise"}


@pytest.mark.usefixtures("in_this_process")
def test_a_speed_run_that_fails_is_reported(sets_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "SIZES_PX", (32,))
    root = Path(shutil.copytree(sets_root, tmp_path / "sets"))
    (root / "CBSD68" / "0.png").write_bytes(b"x")
    (failure,) = suites.run(Request("speed", root, ("identity",))).failures
    assert failure.method == "identity"
