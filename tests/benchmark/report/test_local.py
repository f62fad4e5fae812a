from __future__ import annotations

import json
from math import inf

import pytest

from benchmark_rows import cells
from darnet.benchmark.local import CHANGED, EVERYWHERE, IDENTICAL
from darnet.benchmark.report.local import Local, local, markdown
from darnet.benchmark.rows import Record


def record(name: str, way: str, **figures: float) -> Record:
    named = {key.replace("_", " "): value for key, value in figures.items()}
    return Record("darnet", "CBSD68", name, "noise", 25.0, psnr=30.0, way=way, figures=named)


RECORDS = [
    record("a", "corner", corner=30.0, **{CHANGED: 0.0, IDENTICAL: 1.0}),
    record("b", "corner", corner=28.0, **{CHANGED: 0.01, IDENTICAL: 0.0}),
    record("c", "corner", corner=20.0, **{CHANGED: 1.0, IDENTICAL: 0.0}),  # failed with damage everywhere
    record("d", "corner", corner=inf, **{CHANGED: 0.0, IDENTICAL: 1.0}),  # nothing to restore there
    record("b", "lower half", lower_half=27.0, **{CHANGED: 0.5, IDENTICAL: 0.0}),
    record("a", EVERYWHERE, corner=31.0, lower_half=29.0),
    record("b", EVERYWHERE, corner=29.5, lower_half=28.0),
    record("d", EVERYWHERE, corner=inf, lower_half=28.0),
    Record("darnet", "CBSD68", "a", "blur", 1.5, psnr=30.0),
]


def test_a_part_is_compared_with_itself_where_all_is_damaged() -> None:
    half, corner = local(RECORDS)
    assert (half.mask, [image.name for image in half.per_image]) == ("lower half", ["b"])
    assert [image.name for image in corner.per_image] == ["a", "b"]
    assert (corner.part, corner.everywhere, corner.behind_db) == (29.0, 30.25, 1.25)
    assert (corner.changed, corner.worst_changed, corner.identical) == (pytest.approx(0.005), 0.01, 1)


def test_it_is_read_back() -> None:
    for entry in local(RECORDS):
        assert Local.from_dict(json.loads(json.dumps(entry.to_dict(), allow_nan=False))) == entry


def test_the_table() -> None:
    assert cells(markdown(local(RECORDS)))[1] == [
        *("darnet", "CBSD68", "noise 25", "corner", "29.00", "30.25", "+1.25", "0.50 %", "1.00 %", "1", "2"),
    ]
