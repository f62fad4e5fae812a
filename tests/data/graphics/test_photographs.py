from __future__ import annotations

import numpy as np
import pytest

from darnet.data.graphics import photographs
from darnet.data.graphics.canvas import Canvas
from darnet.errors import UsageError

PHOTO = np.full((120, 160, 3), (0.4, 0.6, 0.2), dtype=np.float32)
COLOUR = (102, 153, 51)


def canvas(seed: int, photo: np.ndarray | None = PHOTO) -> Canvas:
    return Canvas(96, np.random.default_rng(seed), photo)


@pytest.mark.parametrize("size", [(30, 40), (120, 160), (150, 300)])
def test_a_part_of_the_photo_has_the_size_that_is_asked_for(size: tuple[int, int]) -> None:
    steps = np.linspace(0, 1, 160, dtype=np.float32)
    photo = np.stack(np.broadcast_arrays(steps, steps[:120, None], steps), axis=2)
    for seed in range(8):
        part = photographs.shown(canvas(seed, photo), *size)
        assert part.shape == (*size, 3)
        assert part.min() >= 0
        assert part.max() <= 1
        if size[1] <= 160:  # never enlarged: a step across is at least a step of the photo
            assert np.abs(np.diff(part[..., 0], axis=1)).min() > 0.9 / 159


def test_without_a_photo_there_is_nothing_to_show() -> None:
    with pytest.raises(UsageError, match="a photo"):
        photographs.shown(canvas(0, None), 10, 10)


@pytest.mark.parametrize("name", ["scan", "letterbox", "product", "cutout"])
def test_what_is_shown_keeps_its_tones_and_what_is_around_is_flat(name: str) -> None:
    for seed in range(20):
        pixels = np.asarray(getattr(photographs, name)(canvas(seed))).astype(int)
        assert (np.abs(pixels - COLOUR) <= 1).all(axis=2).mean() > 0.1
        assert (np.abs(pixels - COLOUR) > 3).any(axis=2).mean() > 0.02


def test_products_stand_on_exact_white_or_black() -> None:
    for seed in range(20):
        edge = np.asarray(photographs.product(canvas(seed)))[0, 0]
        assert edge.min() >= 250 or edge.max() == 0


def test_keys_are_bright_and_dark_with_a_subject_that_is_neither() -> None:
    for seed in range(20):
        bright, dark = (np.asarray(make(canvas(seed))) for make in (photographs.highkey, photographs.lowkey))
        assert bright.mean() > 150
        assert dark.mean() < 110
        assert np.median(dark) < 40 or (dark < 25).mean() > 0.3
        assert dark.max() > 120
