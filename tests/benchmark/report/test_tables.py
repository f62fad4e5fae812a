from __future__ import annotations

import pytest

from benchmark_rows import cells, row
from darnet.benchmark.protocol import PROTOCOLS
from darnet.benchmark.report.tables import closed, plain
from darnet.errors import DarnetError


def test_a_plain_table_has_a_line_a_row():
    blank = {"psnr": None, "psnr_interval": None, "ssim": None, "params": None, "gmacs_256": None, "level": None}
    text = plain([row(), row("identity", **blank, told="kind", failed=2)])
    first, second = cells(text)
    head = ["darnet", "CBSD68", "noise", "25", "31.00 [30.50, 31.50]", "0.8800"]
    assert first == [*head, "68", "–", "1.23", "4.6", "789", "512"]
    assert second == ["identity", "CBSD68", "noise", *["–"] * 3, "68 (2 failed)", "kind", "–", "–", "789", "512"]
    title = text.splitlines()[0].strip("|").split("|")
    assert len(title) == len(first)


def test_rows_of_different_protocols_never_meet():
    with pytest.raises(DarnetError, match="cannot share a table"):
        plain([row(), row(protocol="ba9876543210")])


def test_below_the_tables_stands_how_their_figures_were_taken():
    assert closed(PROTOCOLS["kair"], "one", "two") == f"one\n\ntwo\n\nProtocol {PROTOCOLS['kair']}."
