from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark_rows import row as a_row
from darnet.benchmark.methods import Cost
from darnet.benchmark.protocol import Protocol
from darnet.benchmark.rows import PerImage, Record, Row, average_psnr, groups, interval, one_protocol, row
from darnet.errors import DarnetError

decibels = st.floats(5, 60)
records = st.builds(
    Record,
    method=st.sampled_from(["identity", "darnet"]),
    set=st.sampled_from(["CBSD68", "McMaster"]),
    name=st.sampled_from(["a", "b", "c"]),
    kind=st.sampled_from(["clean", "noise"]),
    level=st.sampled_from([None, 15.0, 25.0]),
)


def record(name: str = "a", psnr: float | None = 30.0, ssim: float | None = 0.9, **others) -> Record:
    return Record("darnet", "CBSD68", name, "noise", 25.0, psnr, ssim, **others)


def test_a_row_is_the_mean_over_its_pictures():
    pictures = [
        record("b", 32.0, 0.8, seconds=0.5, pixels=1_000_000, peak_mb=10.4, left_alone=True),
        record("a", 30.0, 0.9, seconds=1.0, pixels=2_000_000, peak_mb=99.6),
    ]
    found = row(pictures, Protocol(), "kind", Cost(1234, 5.678))
    assert (found.method, found.set, found.kind, found.level) == ("darnet", "CBSD68", "noise", 25.0)
    assert (found.psnr, found.ssim) == (31.0, 0.85)
    assert (found.n, found.failed, found.left_alone) == (2, 0, 1)
    assert (found.told, found.params, found.gmacs_256) == ("kind", 1234, 5.678)
    assert (found.ms_per_megapixel, found.peak_mb) == (500.0, 100)
    assert found.protocol == Protocol().digest
    assert [image.name for image in found.per_image] == ["a", "b"]


@given(order=st.permutations(range(4)))
def test_a_row_does_not_depend_on_who_was_measured_first(order: list[int]):
    pictures = [record(str(index), 20.0 + index**2, index / 10, seconds=index, pixels=100) for index in range(4)]
    assert row([pictures[index] for index in order], Protocol(), None) == row(pictures, Protocol(), None)


def test_pictures_that_equal_their_clean_one_count_but_are_not_averaged():
    found = row([record("a", math.inf, 1.0), record("b", 30.0, 0.8)], Protocol(), None)
    assert (found.psnr, found.ssim, found.n) == (30.0, 0.9, 2)
    assert [image.psnr for image in found.per_image] == [None, 30.0]
    json.dumps(found.to_dict(), allow_nan=False)


def test_pictures_that_failed_are_counted_apart_and_say_why():
    found = row([record("a"), record("b", None, None, error="out of memory")], Protocol(), None)
    assert (found.psnr, found.n, found.failed) == (30.0, 1, 1)
    assert found.per_image[1].to_dict() == {"name": "b", "error": "out of memory"}


def test_a_row_of_failures_has_no_figures():
    found = row([record(psnr=None, ssim=None, error="no")], Protocol(), None)
    for name in ("psnr", "psnr_interval", "ssim", "ssim_interval", "ms_per_megapixel"):
        assert getattr(found, name) is None
    assert (found.n, found.failed, found.peak_mb) == (0, 1, 0)


def test_a_diagnosis_is_written_where_there_was_one():
    plain = record(seconds=0.01234).picture.to_dict()
    assert plain == {"name": "a", "psnr": 30.0, "ssim": 0.9, "ms": 12.3}
    blind = record(label="clean", confidence=0.87654, left_alone=True).picture.to_dict()
    assert (blind["label"], blind["confidence"], blind["left_alone"]) == ("clean", 0.8765, True)
    assert "estimated_level" not in blind
    assert record(label="noise", confidence=0.9, estimated=24.1239).picture.to_dict()["estimated_level"] == 24.124


@given(values=st.lists(decibels, min_size=1, max_size=8))
def test_psnr_is_averaged_over_pictures_or_over_errors(values: list[float]):
    errors = [10 ** (-value / 10) for value in values]
    over_pictures = average_psnr(values, Protocol())
    pooled = average_psnr(values, Protocol(averaging="pooled"))
    assert over_pictures == pytest.approx(sum(values) / len(values))
    assert pooled == pytest.approx(-10 * math.log10(sum(errors) / len(errors)))
    assert pooled <= over_pictures + 1e-9


def test_the_protocol_decides_how_a_row_averages():
    pictures = [record("a", 20.0), record("b", 40.0)]
    assert row(pictures, Protocol(), None).psnr == 30.0
    assert row(pictures, Protocol(averaging="pooled"), None).psnr == 22.967
    assert average_psnr([], Protocol()) is None


@given(values=st.lists(decibels, min_size=2, max_size=30))
def test_an_interval_contains_the_mean_and_lies_within_the_values(values: list[float]):
    low, high = interval(values, 6)
    assert min(values) - 1e-6 <= low <= np.mean(values) + 1e-6
    assert np.mean(values) - 1e-6 <= high <= max(values) + 1e-6
    assert interval(values, 6) == (low, high)


def test_an_interval_narrows_with_more_pictures_and_needs_two():
    few, many = (interval([20.0, 30.0] * count, 3) for count in (4, 100))
    assert many[1] - many[0] < (few[1] - few[0]) / 3
    # 1.96 standard errors: 5 dB over the root of 200 pictures
    assert many == pytest.approx([25 - 0.69, 25 + 0.69], abs=0.1)
    assert interval([30.0], 3) is None
    assert interval([], 3) is None


def test_a_pooled_figure_lies_in_its_interval_and_counts_perfect_pictures():
    pooled = Protocol(averaging="pooled")
    found = row([record("a", 10.0), record("b", 20.0), record("c", 40.0)], pooled, None)
    low, high = found.psnr_interval
    assert low <= found.psnr <= high
    half = row([record("a", 20.0), record("b", math.inf)], pooled, None)
    assert half.psnr == pytest.approx(20 + 10 * math.log10(2), abs=1e-3)
    perfect = row([record("a", math.inf), record("b", math.inf)], pooled, None)
    assert perfect.psnr is perfect.psnr_interval is None
    json.dumps([half.to_dict(), perfect.to_dict()], allow_nan=False)


@given(st.data())
def test_groups_do_not_depend_on_the_order_of_records(data: st.DataObject):
    found = data.draw(st.lists(records, unique_by=lambda record: (record.group, record.name), max_size=20))
    grouped = groups(found)
    assert groups(data.draw(st.permutations(found))) == grouped
    assert sorted(map(repr, found)) == sorted(repr(record) for members in grouped for record in members)
    assert len({members[0].group for members in grouped}) == len(grouped)
    assert all(record.group == members[0].group for members in grouped for record in members)


def test_rows_of_different_protocols_are_refused():
    one, other = Protocol().digest, Protocol(seed=1).digest
    assert one_protocol([a_row(protocol=one), a_row(protocol=one)]) == one
    assert one_protocol([]) == ""
    with pytest.raises(DarnetError, match=f"different protocols .*{max(one, other)}.* cannot share a table"):
        one_protocol([a_row(protocol=name) for name in (one, other, one)])


def test_a_row_comes_back_from_its_json_form():
    assert record("a", experts=("rain",)).picture.experts == ("rain",)  # told, not diagnosed
    diagnosed = record("a", label="rain", confidence=0.9, present=("rain",), experts=("rain",), estimated=2.0)
    found = row([diagnosed, record("b", 31.0), record("c", error="no")], Protocol(), "kind", Cost(12, 3.4))
    assert Row.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    assert found.misnamed == 1
    assert found.place == ("CBSD68", "noise", 25.0, "")


def test_a_row_of_an_older_document_knows_no_ways_and_less_of_a_diagnosis():
    written = row([record("a", label="noise", confidence=0.9)], Protocol(), None).to_dict()
    del written["way"], written["per_image"][0]["present"]
    found = Row.from_dict(written)
    assert found.way == ""
    assert found.per_image == (PerImage("a", 30.0, 0.9, 0.0, "noise", 0.9, left_alone=False),)
    with pytest.raises(TypeError, match="colour"):
        Row.from_dict({**written, "colour": "red"})
