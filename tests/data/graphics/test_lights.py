from __future__ import annotations

import numpy as np
import pytest

from darnet.data.graphics import lights
from darnet.data.graphics.canvas import Canvas


@pytest.mark.parametrize("name", ["neon", "stars", "nightcity"])
def test_lights_are_few_and_bright_on_dark(name: str) -> None:
    medians, peaks = [], []
    for seed in range(20):
        pixels = np.asarray(getattr(lights, name)(Canvas(128, np.random.default_rng(seed)))).max(axis=2)
        medians.append(float(np.median(pixels)))
        peaks.append(int(pixels.max()))
    assert np.median(medians) < 60
    assert np.median(peaks) > 180


def test_a_point_of_light_has_its_sum_wherever_it_lies() -> None:
    total = lights.glowing(Canvas(64, np.random.default_rng(1)), 1, 1.0, (1.5, 1.5))
    assert total.shape == (64, 64, 3)
    row, column, _ = np.unravel_index(total.argmax(), total.shape)
    far = total.copy()
    far[max(0, row - 6) : row + 7, max(0, column - 6) : column + 7] = 0
    assert total.max() > 0
    assert not far.any()
