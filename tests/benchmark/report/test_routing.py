from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark_rows import cells
from benchmark_rows import row as a_row
from darnet.benchmark.report.routing import Naming, by_method, calibration_error, markdown, summary
from darnet.benchmark.rows import PerImage, Row


def row(kind: str, *images: tuple[str, float, bool], method: str = "darnet") -> Row:
    """Each picture: what it was called, how surely, and whether it was left alone."""
    pictures = (
        PerImage(str(index), label=label, confidence=confidence, left_alone=left_alone)
        for index, (label, confidence, left_alone) in enumerate(images)
    )
    return a_row(method, kind=kind, per_image=tuple(pictures))


@pytest.mark.parametrize(
    ("confidences", "right", "error"),
    [
        ([1.0, 1.0], [True, True], 0.0),
        ([1.0, 1.0], [True, False], 0.5),
        ([0.8, 0.8], [False, False], 0.8),
        ([0.75, 0.75, 0.75, 0.75], [True, True, True, False], 0.0),  # three in four, and it said so
        ([0.62, 0.68], [True, False], 0.15),  # one bin: |0.5 - 0.65|
        ([0.95, 0.95, 0.95, 0.55], [True, True, True, False], 0.75 * 0.05 + 0.25 * 0.55),  # two bins
        ([0.55, 0.65], [True, False], 0.5 * 0.45 + 0.5 * 0.65),  # errors of two bins do not cancel
    ],
)
def test_calibration_error_of_cases_done_by_hand(confidences: list[float], right: list[bool], error: float):
    assert calibration_error(confidences, right) == pytest.approx(error)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=30).flatmap(st.permutations))
def test_calibration_error_is_a_share_that_does_not_depend_on_order(pictures: list[tuple[float, bool]]):
    def error(pictures: list[tuple[float, bool]]) -> float:
        return calibration_error([confidence for confidence, _ in pictures], [right for _, right in pictures])

    assert -1e-9 <= error(pictures) <= 1 + 1e-9
    assert error(sorted(pictures)) == pytest.approx(error(pictures))
    overall = sum(confidence - right for confidence, right in pictures) / len(pictures)
    assert error(pictures) >= abs(overall) - 1e-9  # finer bins only add


def test_a_summary_counts_who_was_called_what():
    found = summary(
        [
            row("noise", ("noise", 1.0, False), ("blur", 1.0, False), ("noise", 1.0, False)),
            row("noise", ("noise", 1.0, False)),  # another level
            row("clean", ("clean", 1.0, True), ("noise", 1.0, False), ("blur", 1.0, True), ("clean", 1.0, True)),
        ]
    )
    assert found.pictures == 8
    assert found.accuracy == 0.625
    assert found.confusion == {"clean": {"blur": 1, "clean": 2, "noise": 1}, "noise": {"blur": 1, "noise": 3}}
    assert found.calibration_error == 0.375
    assert found.clean_called_damaged == 0.5
    assert found.false_repairs == 0.25  # one of the two was too unsure to be repaired


def test_without_clean_pictures_nothing_is_said_of_them():
    found = summary([row("noise", ("noise", 0.9, False))])
    assert found.accuracy == 1
    assert found.calibration_error == pytest.approx(0.1)
    assert found.clean_called_damaged is None
    assert found.false_repairs is None


def test_pictures_that_nobody_diagnosed_do_not_count():
    failed, told = PerImage("x", error="damaged"), PerImage("y", 30.0, 0.9, 1.0)
    seen = row("clean", ("clean", 1.0, True)).per_image
    assert summary([a_row(kind="clean", per_image=(*seen, failed, told))]).pictures == 1
    assert summary([a_row(per_image=(failed,))]) is None
    assert summary([]) is None


def test_every_system_that_diagnosed_is_summed_up_by_its_name():
    rows = [row("noise", ("noise", 1.0, False), method=name) for name in ("a:router", "b")]
    assert list(by_method([*rows, a_row("identity")])) == ["a", "b"]


def test_a_router_shows_the_truth_in_rows_and_what_it_said_in_columns():
    naming = Naming(10, 0.9, {"noise": {"noise": 3, "blur": 2}, "clean": {"clean": 5}}, 0.0123, 0.2, 0.1)
    text = markdown("darnet", naming)
    assert text.splitlines()[0] == "| is, called | blur | clean | noise |"
    assert cells(text) == [["clean", "0", "5", "0"], ["noise", "2", "0", "3"]]
    facts = text.splitlines()[-1]
    assert facts.startswith("darnet: 90.00 % of 10 pictures named rightly; expected calibration error 1.23 %;")
    assert facts.endswith("clean called damaged 20.00 %; clean that would be repaired 10.00 %.")
    assert "clean" not in markdown("darnet", Naming(10, 0.9, {}, 0.0123, None, None))


@given(
    st.dictionaries(
        st.sampled_from(["clean", "noise", "blur"]),
        st.lists(st.tuples(st.sampled_from(["clean", "noise", "blur"]), st.floats(0, 1), st.booleans()), max_size=8),
        min_size=1,
    ).filter(lambda found: any(found.values()))
)
def test_the_confusion_holds_every_picture_once(found: dict):
    figures = summary([row(kind, *images) for kind, images in found.items()])
    counted = {kind: sum(named.values()) for kind, named in figures.confusion.items()}
    assert counted == {kind: len(images) for kind, images in found.items() if images}
    diagonal = sum(named.get(kind, 0) for kind, named in figures.confusion.items())
    assert figures.accuracy == pytest.approx(diagonal / figures.pictures, abs=1e-4)
