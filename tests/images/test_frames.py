"""darnet.images.frames: what a constant border is, and what is none."""

from __future__ import annotations

import io
from dataclasses import astuple

import numpy as np
import PIL.Image
import pytest

from darnet.images.frames import inside
from darnet.images.regions import Region


def photo(height: int = 120, width: int = 160, seed: int = 0) -> np.ndarray:
    """Something coarse with a little noise, (H, W, 3)."""
    generator = np.random.default_rng(seed)
    coarse = PIL.Image.fromarray(generator.integers(20, 230, (6, 8, 3), np.uint8))
    smooth = np.asarray(coarse.resize((width, height), PIL.Image.Resampling.BICUBIC), float)
    return (smooth + generator.normal(0, 4, smooth.shape)).clip(0, 255).round().astype(np.uint8)


@pytest.mark.parametrize("colour", [(255, 255, 255), (245, 245, 245), (0, 0, 0), (200, 30, 90)])
@pytest.mark.parametrize(
    ("top", "bottom", "left", "right"), [(20, 30, 40, 50), (24, 24, 0, 0), (0, 0, 12, 17), (0, 9, 0, 0), (0, 0, 0, 0)]
)
def test_a_frame_is_found_on_each_side(colour, top, bottom, left, right):
    picture = np.empty((120 + top + bottom, 160 + left + right, 3), np.uint8)
    picture[:] = colour
    picture[top : top + 120, left : left + 160] = photo()
    assert inside(picture) == Region(top, left, 120, 160)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_a_frame_in_other_depths(dtype):
    picture = np.full((160, 200, 3), 250, np.uint8)
    picture[20:140, 20:180] = photo()
    deep = picture.astype(np.uint16) * 257 if dtype == np.uint16 else (picture / 255).astype(np.float32)
    assert inside(deep) == Region(20, 20, 120, 160)


def test_a_frame_that_was_a_jpeg_file():
    picture = np.full((160, 224, 3), 245, np.uint8)
    picture[16:144, 32:192] = photo(128)
    file = io.BytesIO()
    PIL.Image.fromarray(picture).save(file, "JPEG", quality=90)
    found = inside(np.asarray(PIL.Image.open(file)))
    np.testing.assert_allclose(astuple(found), (16, 32, 128, 160), atol=4)  # colour is stored at half resolution


def test_frames_of_two_colours_around_each_other():
    picture = np.full((200, 240, 3), 10, np.uint8)
    picture[20:180, :] = 240
    picture[20:180, 30:210] = photo(160, 180)
    assert inside(picture) == Region(20, 30, 160, 180)


def test_a_white_sky_and_a_black_night_are_no_frames():
    rows, columns = np.mgrid[:120, :160]
    for colour in (255, 0):
        picture = photo()
        picture[rows < 40 + 30 * np.sin(columns / 15)] = colour  # hills
        assert inside(picture) == Region(0, 0, 120, 160)


def test_the_margin_of_a_page_is_no_frame():
    picture = np.full((120, 160, 3), 255, np.uint8)
    for row in range(10, 110, 12):
        picture[row : row + 7, 12:150][np.random.default_rng(row).random((7, 138)) < 0.3] = 0
    assert inside(picture) == Region(0, 0, 120, 160)


def test_what_is_left_inside_must_be_something():
    picture = np.full((120, 160, 3), 255, np.uint8)
    assert inside(picture) == Region(0, 0, 120, 160)
    picture[50:60, 50:60] = photo(10, 10)
    assert inside(picture) == Region(0, 0, 120, 160)
    assert inside(picture[:1, :1]) == Region(0, 0, 1, 1)
