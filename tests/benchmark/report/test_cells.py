from __future__ import annotations

from darnet.benchmark.report.cells import (
    counted,
    damage,
    failures,
    millions,
    number,
    pair,
    percent,
    table,
    with_interval,
)


def test_a_table_is_markdown() -> None:
    assert table(("a", "b"), [("1", "2")]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_figures_are_written_as_papers_write_them() -> None:
    assert pair(32.506, 0.9126) == "32.51 / 0.913"
    assert percent(0.12345) == "12.35 %"
    assert millions(6_420_000) == "6.42"
    assert with_interval(31.0, (30.5, 31.5), ".2f") == "31.00 [30.50, 31.50]"
    assert with_interval(0.9, None, ".4f") == "0.9000"


def test_what_nobody_knows_is_a_dash() -> None:
    assert number(None, ".2f") == millions(None) == "–"
    assert pair(28.0, None) == "28.00 / –"


def test_pictures_that_failed_are_said_beside_the_others() -> None:
    assert (counted(68, 0), counted(66, 2)) == ("68", "66 (2 failed)")
    assert (failures(0), failures(1)) == ("", " (1 failed)")


def test_a_damage_in_words() -> None:
    assert damage("noise", 15.0, "JPEG 85") == "noise 15, JPEG 85"
    assert damage("blur", None, "disk of 3 px") == "blur, disk of 3 px"
    assert damage("haze", None, "") == "haze"
