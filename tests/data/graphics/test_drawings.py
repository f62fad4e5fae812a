from __future__ import annotations

import numpy as np

from darnet.data.graphics.canvas import BLACK, WHITE, Canvas
from darnet.data.graphics.drawings import hatch, illustration, lineart


def test_line_art_is_thin_on_its_ground() -> None:
    for seed in range(40):
        pixels = np.asarray(lineart(Canvas(160, np.random.default_rng(seed))))
        _, counts = np.unique(pixels.reshape(-1, 3), axis=0, return_counts=True)
        assert 0.25 < counts.max() / counts.sum() < 0.998


def test_hatching_stays_in_its_polygon() -> None:
    sheet = Canvas(100, np.random.default_rng(0)).sheet(WHITE, 1)
    hatch(sheet, [(20, 20), (80, 20), (80, 70), (20, 70)], BLACK, 6, 0.7, 1)
    ink = np.asarray(sheet.reduced())[..., 0] == 0
    assert 0.05 < ink[20:71, 20:81].mean() < 0.5
    ink[20:71, 20:81] = False
    assert not ink.any()


def test_illustrations_are_flat() -> None:
    for seed in range(30):
        pixels = np.asarray(illustration(Canvas(160, np.random.default_rng(seed)))).astype(int)
        assert (np.abs(np.diff(pixels, axis=1)).max(axis=2) <= 4).mean() > 0.6
