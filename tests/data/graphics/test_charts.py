from __future__ import annotations

from collections.abc import Callable

import numpy as np
import PIL.Image
import pytest

from darnet.data.graphics.canvas import Canvas
from darnet.data.graphics.charts import chart, map_


@pytest.mark.parametrize("make", [chart, map_])
def test_charts_and_maps_have_edges_between_flat_areas(make: Callable[[Canvas], PIL.Image.Image]) -> None:
    for seed in range(25):
        pixels = np.asarray(make(Canvas(160, np.random.default_rng(seed)))).astype(int)
        assert pixels.shape == (160, 160, 3)
        steps = np.abs(np.diff(pixels, axis=1)).max(axis=2)
        assert (steps <= 4).mean() > 0.4
        assert (steps > 40).mean() > 0.005
