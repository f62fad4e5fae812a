from __future__ import annotations

import numpy as np
import pytest

from darnet.data.graphics import scenes
from darnet.data.graphics.canvas import Canvas


def made(name: str, seed: int) -> np.ndarray:
    return np.asarray(getattr(scenes, name)(Canvas(128, np.random.default_rng(seed))))


def test_things_stand_on_a_flat_ground() -> None:
    for seed in range(20):
        pixels = made("thing", seed)
        assert (pixels == pixels[0, 0]).all(axis=2).mean() > 0.2


def test_snow_is_bright_and_hardly_white() -> None:
    for seed in range(20):
        pixels = made("snow", seed)
        assert np.median(pixels) > 180
        assert (pixels == 255).mean() < 0.2


@pytest.mark.parametrize("name", ["thing", "snow", "microscopy", "thermal", "xray"])
def test_nothing_is_noisy(name: str) -> None:
    for seed in range(15):
        pixels = made(name, seed).astype(float)
        bent = np.abs(pixels[:, 2:] - 2 * pixels[:, 1:-1] + pixels[:, :-2])
        assert np.median(bent) <= 4  # at least half of the picture is smooth


def test_a_colour_map_goes_through_its_colours() -> None:
    for colours in scenes.MAPS:
        steps = np.linspace(0, 1, len(colours), dtype=np.float32)[None]
        assert np.allclose(scenes.coloured(steps, colours)[0] * 255, colours, atol=0.01)
