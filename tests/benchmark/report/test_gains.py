"""Decibels before and after, and how many pictures lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from benchmark_rows import row as a_row
from darnet.benchmark.peers import INPUT
from darnet.benchmark.report.gains import Gain, gains, markdown
from darnet.benchmark.rows import Row
from darnet.errors import DarnetError


def row(method: str, psnr: dict[str, float | None], **changed: Any) -> Row:
    return a_row(method, psnr, **{"set": "A", "level": 15.0, "way": "JPEG 85", "protocol": "p", **changed})


def test_gains_are_means_over_the_pictures_of_both() -> None:
    rows = [
        row(INPUT, {"a": 20.0, "b": 30.0, "c": 25.0}),
        row("m", {"a": 26.0, "b": 29.0, "c": None}, left_alone=1),
    ]
    gain, whole = gains(rows)
    assert (gain.psnr_in, gain.psnr_out, gain.gain_db, gain.n) == (25, 27.5, 2.5, 2)
    assert (gain.worse, gain.changed, gain.found) == (1, 2, None)
    assert (whole.set, whole.gain_db, whole.worse) == ("all", 2.5, 1)


def test_documents_call_them_in_and_out() -> None:
    gain, _ = gains([row(INPUT, {"a": 20.0}), row("m", {"a": 26.0})])
    written = gain.to_dict()
    assert list(written)[6:9] == ["in", "out", "gain_db"]
    assert Gain.from_dict(written) == gain


@pytest.mark.parametrize(("after", "worse"), [(29.71, 0), (29.69, 1), (40.0, 0)])
def test_less_than_a_third_of_a_decibel_is_not_worse(after: float, worse: int) -> None:
    gain, _ = gains([row(INPUT, {"a": 30.0}), row("m", {"a": after})])
    assert gain.worse == worse


def test_the_same_kind_on_two_ways_is_kept_apart() -> None:
    rows = [
        row(method, {"a": psnr + stored}, way=way)
        for method, psnr in ((INPUT, 20.0), ("m", 25.0))
        for way, stored in (("JPEG 85", 0.0), ("", 7.0))
    ]
    *both, whole = gains(rows)
    assert [(gain.way, gain.psnr_in, gain.psnr_out) for gain in both] == [("JPEG 85", 20, 25), ("", 27, 32)]
    assert (whole.n, whole.gain_db) == (2, 5)


def test_a_kind_may_be_found_beside_another() -> None:
    psnr = {"a": 30.0, "b": 30.0, "c": 30.0}
    named = row("m", psnr)
    found = (("jpeg", "noise"), ("jpeg",), ())
    images = tuple(replace(image, present=kinds) for image, kinds in zip(named.per_image, found, strict=True))
    gain, whole = gains([row(INPUT, psnr), replace(named, per_image=images)])
    assert gain.found == whole.found == 1


def test_a_method_without_figures_has_none() -> None:
    gain, whole = gains([row(INPUT, {"a": 30.0}), row("m", {"a": None}, failed=1, n=0)])
    assert (gain.psnr_in, gain.gain_db, gain.n, whole.failed) == (None, None, 0, 1)
    assert "| 0 (1 failed) |" in markdown([gain], [])


def test_rows_of_two_protocols_never_meet() -> None:
    rows = [row(INPUT, {"a": 30.0}), row("m", {"a": 30.0}, protocol="q")]
    with pytest.raises(DarnetError, match="different protocols"):
        markdown(gains(rows), rows)
