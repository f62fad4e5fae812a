"""darnet.images.thumbnails: small pictures of pictures."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from darnet.errors import ImageError
from darnet.images.image import Image
from darnet.images.thumbnails import thumbnail


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp", "gif", "bmp", "ppm", "avif"])
def test_every_format_is_shown_in_its_colours(tmp_path, suffix):
    colours = np.zeros((60, 120, 3), np.uint8)
    colours[:, :60] = (200, 40, 40)
    colours[:, 60:] = (40, 40, 200)
    path = Image.of(colours).write(tmp_path / f"a.{suffix}")
    small = PIL.Image.open(io.BytesIO(thumbnail(path, 30)))
    assert (small.format, small.mode, small.size) == ("JPEG", "RGB", (30, 15))
    assert np.abs(np.asarray(small)[7, [7, 22]].astype(int) - [(200, 40, 40), (40, 40, 200)]).max() < 25


@pytest.mark.parametrize(("dtype", "suffix"), [(np.uint16, "png"), (np.uint16, "tif"), (np.float32, "tif")])
def test_deep_samples_and_grey(tmp_path, dtype, suffix):
    scale = 1 if dtype == np.float32 else 65535
    path = Image.of(np.full((40, 40), 0.5 * scale).astype(dtype)).write(tmp_path / f"a.{suffix}")
    small = np.asarray(PIL.Image.open(io.BytesIO(thumbnail(path, 20))))
    assert small.shape == (20, 20, 3)
    assert np.abs(small.astype(int) - 128).max() < 4


def test_small_ones_stay_and_hidden_pixels_are_of_the_middle(tmp_path):
    values = np.zeros((10, 10, 4), np.uint8)
    path = Image.of(values).write(tmp_path / os.fsdecode(b"a\n.png"))
    small = np.asarray(PIL.Image.open(io.BytesIO(thumbnail(path, 20))))
    assert small.shape == (10, 10, 3)
    assert np.abs(small.astype(int) - 128).max() < 4


def test_what_is_no_picture_is_an_error(tmp_path):
    path = tmp_path / "a.png"
    path.write_text("no picture")
    with pytest.raises(ImageError, match="not a JPEG"):
        thumbnail(path, 20)
    with pytest.raises(ImageError, match="no such file"):
        thumbnail(Path("gone.png"), 20)
