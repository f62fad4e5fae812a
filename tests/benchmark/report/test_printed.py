from __future__ import annotations

import pytest

from darnet.benchmark.report.printed import PRINTED
from darnet.benchmark.suites.tasks import TASKS


def test_every_suite_of_tasks_has_the_papers_rows_once() -> None:
    assert PRINTED.keys() == TASKS.keys()
    for papers in PRINTED.values():
        methods = [entry.method for entries in papers.values() for entry in entries]
        assert len(methods) == len(set(methods))
        assert set(papers) <= set(methods)  # who prints a table is in it


#: Means that the papers misprint: they do not follow from the columns.
MISPRINTED = {("3-task", "Restormer"), ("5-task", "FSNet"), ("5-task", "InstructIR")}


@pytest.mark.parametrize("suite", PRINTED)
def test_printed_means_follow_from_the_printed_columns(suite: str) -> None:
    """Whoever mistypes a digit is found."""
    for entry in (entry for entries in PRINTED[suite].values() for entry in entries):
        for figures, tolerance in ((entry.psnr, 0.011), (entry.ssim, 0.0011)):
            assert len(figures) in (0, 6)
            if figures and (suite, entry.method) not in MISPRINTED:
                assert figures[-1] == pytest.approx(sum(figures[:5]) / 5, abs=tolerance), entry
