from __future__ import annotations

import sys
from pathlib import Path

import PIL.Image
import pytest

from darnet.errors import MissingPackageError
from darnet.training.figure import draw

REPORT = {
    "phases": ["1-noise", "2-blur"],
    "starts": [0, 2],
    "validation_accuracy": [[0.9, 1.0], [0.95]],
    "accuracy": [1.0, 0.97],
    "matrix": [{"clean": 1.0, "noise": 1.0}, {"clean": 0.98, "noise": 0.99, "blur": 0.94}],
    "backward_transfer": -1.5,
}


def test_a_figure_is_a_picture(tmp_path: Path) -> None:
    draw(REPORT, tmp_path / "figure.png")
    with PIL.Image.open(tmp_path / "figure.png") as picture:
        assert picture.width > 1000
        assert len(picture.convert("RGB").getcolors(10**6)) > 50


def test_a_figure_needs_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingPackageError, match=r"darnet\[train\]"):
        draw(REPORT, tmp_path / "figure.png")
