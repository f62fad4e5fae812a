from __future__ import annotations

import sys

import pytest

from darnet.analysis.drawing import COLOURS, need, png
from darnet.errors import MissingPackageError


def test_a_figure_becomes_a_file() -> None:
    assert png(need()(figsize=(1, 1))).startswith(b"\x89PNG")


def test_colours_are_not_repeated() -> None:
    assert len({*COLOURS}) == len(COLOURS) == 8


def test_figures_need_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingPackageError, match=r"darnet\[bench\]"):
        need()
