from __future__ import annotations

import os
import random
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from darnet.benchmark import peers, run
from darnet.benchmark.cases import Case, cases
from darnet.benchmark.protocol import PROTOCOLS
from darnet.benchmark.rows import Row
from darnet.benchmark.run import Bench, evaluate, peak_mb, pictures, unusable
from darnet.errors import UnknownNameError

PROMPTIR = PROTOCOLS["promptir"]


def figures(rows: list[Row]) -> list[Row]:
    """Rows without what a clock or the system says."""
    return [
        replace(row, ms_per_megapixel=None, peak_mb=0, per_image=tuple(replace(i, ms=None) for i in row.per_image))
        for row in rows
    ]


def test_workers_and_order_change_nothing(tiny_system: Path, sets_root: Path) -> None:
    chosen = cases("noise", sets_root)
    shuffled = random.Random(0).sample(chosen, len(chosen))
    one = Bench(PROMPTIR, jobs=1)(["identity", str(tiny_system)], chosen)
    two = Bench(PROMPTIR, jobs=2)(["identity", str(tiny_system)], shuffled)
    assert figures(one.rows) == figures(two.rows)
    assert [row.method for row in one.rows] == ["identity"] * 3 + [str(tiny_system)] * 3
    assert all(row.n == 3 and row.ms_per_megapixel > 0 for row in one.rows[3:])
    assert one.failures == []
    assert {row.peak_mb > 50 for row in one.rows} == {True}


def test_a_picture_that_fails_is_named_and_the_rest_goes_on(sets_root: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    good = cases("noise", sets_root)[:2]
    broken = Case("CBSD68", "bad.png", "noise", 15.0, bad, good[0].degradation)
    seen = []
    measured = Bench(PROMPTIR, jobs=2)(["identity"], [broken, *good], seen.append)
    (row,) = measured.rows
    assert (row.n, row.failed) == (2, 1)
    (failure,) = measured.failures
    assert failure.name == "bad.png"
    assert "not a JPEG" in failure.error
    assert len(seen) == 3
    assert [image.name for image in row.per_image if image.error] == ["bad.png"]


class Killer:
    """What a case must not do: it ends the process that loads it, as a fault in foreign code would."""

    parameters = ()
    kind = "noise"

    def __call__(self, clean: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        os._exit(1)


def test_a_process_that_dies_costs_only_its_own_picture(sets_root: Path) -> None:
    good = cases("noise", sets_root)[:2]
    deadly = Case("CBSD68", "deadly.png", "noise", 15.0, good[0].clean, Killer())
    measured = Bench(PROMPTIR, jobs=1)(["identity"], [deadly, *good])
    assert [record.name for record in measured.failures] == ["deadly.png"]
    assert measured.rows[0].n == 2


def test_what_cannot_be_measured_is_left_out_with_its_reason(sets_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = cases("noise", sets_root)
    assert unusable("wiener", chosen) == "not meant for noise"
    assert unusable("identity", chosen) is None
    monkeypatch.setitem(sys.modules, "bm3d", None)
    assert "darnet[peers]" in unusable("bm3d", chosen)


def test_a_record_says_what_was_done(tiny_system: Path, sets_root: Path) -> None:
    case = cases("noise", sets_root)[0]
    record = evaluate(str(tiny_system), "cpu", PROMPTIR, case)
    assert record.error is None
    assert record.label == "noise"
    assert record.pixels == 48 * 64
    assert not record.left_alone
    assert record.estimated == pytest.approx(24, rel=1e-3)
    identity = evaluate("identity", "cpu", PROMPTIR, case)
    assert identity.left_alone
    assert identity.label is None


def test_the_pictures_of_a_report(tiny_system: Path, sets_root: Path) -> None:
    case = cases("noise", sets_root)[0]
    damaged, restored, clean = pictures(str(tiny_system), "cpu", PROMPTIR, case)
    assert damaged.shape == restored.shape == clean.shape == (48, 64, 3)
    assert (damaged != restored).any()
    assert (damaged != clean).any()
    looked, same, _ = pictures(f"{tiny_system}:router", "cpu", PROMPTIR, case)
    assert (looked == same).all()


def test_the_peak_of_memory_is_seen() -> None:
    before = peak_mb()
    block = torch.ones(int(1.3e6 * before), dtype=torch.uint8)
    assert 3 * before > peak_mb() > 1.2 * before > 50
    del block


@pytest.mark.usefixtures("in_this_process")
def test_a_method_is_loaded_once_a_process(tiny_system: Path, sets_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here the pool is a thread of this process, whose methods are kept apart all the same."""
    loaded: list[str] = []
    monkeypatch.setattr(run, "load_method", lambda name, device="cpu": loaded.append(name) or peers.load_method(name))
    run.loaded.cache_clear()
    Bench(PROMPTIR)(["identity", str(tiny_system)], cases("noise", sets_root))
    asked, measured = loaded[:2], loaded[2:]
    assert asked == ["identity", str(tiny_system)]  # what they are told
    assert measured == ["identity", str(tiny_system)]


@pytest.mark.usefixtures("in_this_process")
def test_what_is_wrong_with_a_method_is_said_before_another_is_measured(sets_root: Path) -> None:
    seen = []
    with pytest.raises(UnknownNameError, match="nobody"):
        Bench(PROMPTIR)(["identity", "nobody"], cases("noise", sets_root), seen.append)
    assert seen == []
