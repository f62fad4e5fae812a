from __future__ import annotations

import numpy as np

from darnet.data.graphics.canvas import Canvas
from darnet.data.graphics.pages import screenshot, text


def most_common(pixels: np.ndarray) -> float:
    _, counts = np.unique(pixels.reshape(-1, 3), axis=0, return_counts=True)
    return float(counts.max()) / counts.sum()


def test_a_page_has_a_mass_of_its_exact_ground_and_some_ink() -> None:
    for seed in range(30):
        pixels = np.asarray(text(Canvas(200, np.random.default_rng(seed))))
        assert pixels.shape == (200, 200, 3)
        assert 0.4 < most_common(pixels) < 0.999


def test_pages_are_light_and_dark_white_and_off_white() -> None:
    values, counts = [], []
    for seed in range(60):
        pixels, count = np.unique(
            np.asarray(text(Canvas(100, np.random.default_rng(seed)))).reshape(-1, 3), axis=0, return_counts=True
        )
        values.append(pixels[count.argmax()].mean())
        counts.append(len(pixels))
    assert sum(value == 255 for value in values) >= 12
    assert sum(225 <= value < 255 for value in values) >= 3
    assert sum(value < 70 for value in values) >= 3
    assert min(counts) == 2  # letters without grey edges
    assert max(counts) > 20


def test_a_screenshot_shows_a_photo_where_there_is_one() -> None:
    green = np.full((60, 60, 3), (0.1, 0.9, 0.2), dtype=np.float32)
    shown = 0
    for seed in range(30):
        pixels = np.asarray(screenshot(Canvas(160, np.random.default_rng(seed), green)))
        shown += bool((pixels == (26, 230, 51)).all(axis=2).any())
    assert shown >= 5
