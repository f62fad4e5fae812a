from __future__ import annotations

from darnet.benchmark.cells import number, pair, percent, table, with_interval


def test_a_table_is_markdown() -> None:
    assert table(("a", "b"), [("1", "2")]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_figures_are_written_as_papers_write_them() -> None:
    assert pair(32.506, 0.9126) == "32.51 / 0.913"
    assert percent(0.12345) == "12.35 %"
    row = {"psnr": 31.0, "psnr_interval": [30.5, 31.5], "ssim": 0.9, "ssim_interval": None}
    assert with_interval(row, "psnr", ".2f") == "31.00 [30.50, 31.50]"
    assert with_interval(row, "ssim", ".4f") == "0.9000"


def test_what_nobody_knows_is_a_dash() -> None:
    assert number(None, ".2f") == "–"
    assert pair(28.0, None) == "28.00 / –"
