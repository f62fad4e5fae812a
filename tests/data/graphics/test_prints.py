from __future__ import annotations

import numpy as np
import pytest

from darnet.data.graphics.canvas import Canvas
from darnet.data.graphics.prints import _screen, bilevel, code, halftone, pixelart, poster

PHOTO = np.repeat(np.linspace(0, 1, 200, dtype=np.float32)[None, :, None], 3, axis=2).repeat(200, axis=0)


def colours(pixels: np.ndarray) -> int:
    return len(np.unique(pixels.reshape(-1, 3), axis=0))


def test_one_bit_has_two_values_and_keeps_the_tone() -> None:
    for seed in range(20):
        for photo in (None, PHOTO):
            assert colours(np.asarray(bilevel(Canvas(128, np.random.default_rng(seed), photo)))) == 2


def test_codes_have_two_values_where_they_are_not_turned() -> None:
    counts = [colours(np.asarray(code(Canvas(128, np.random.default_rng(seed))))) for seed in range(40)]
    assert sum(count == 2 for count in counts) > 15


def test_pixel_art_has_few_colours_in_squares() -> None:
    for seed in range(20):
        pixels = np.asarray(pixelart(Canvas(96, np.random.default_rng(seed))))
        assert colours(pixels) <= 16
        assert (pixels[0::2][:, 0::2].shape) == (48, 48, 3)


@pytest.mark.parametrize("shape", ["dot", "line", "diamond"])
def test_a_screen_prints_dark_tones_with_more_ink(shape: str) -> None:
    screen = _screen(300, 7.0, 20.0, shape)
    assert screen.min() >= -1e-6
    assert screen.max() <= 1 + 1e-6
    assert (screen < 0.5).mean() == pytest.approx(0.5, abs=0.1)
    assert (screen < 0.2).mean() < (screen < 0.8).mean()


def test_halftone_is_dots_whose_mean_follows_the_photo() -> None:
    found = 0
    for seed in range(30):
        pixels = np.asarray(halftone(Canvas(192, np.random.default_rng(seed), PHOTO)).convert("L")).astype(float)
        assert np.abs(np.diff(pixels, axis=1)).max() > 60
        found += abs(pixels[:, :40].mean() - pixels[:, -40:].mean()) > 60
    assert found >= 10


def test_a_poster_has_few_tones() -> None:
    for seed in range(10):
        assert colours(np.asarray(poster(Canvas(96, np.random.default_rng(seed), PHOTO)))) <= 24
        assert colours(np.asarray(poster(Canvas(96, np.random.default_rng(seed))))) <= 9
