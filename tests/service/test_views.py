"""Views: what a page draws of a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from darnet.images.image import Image
from darnet.restore.restorer import Restorer
from darnet.restore.routers import Always
from darnet.service import views

invert: Any = Restorer(Always("negative"), {"negative": lambda pixels: 1 - pixels})


def drawn(picture: object, folder: Path, **how: object) -> dict[str, np.ndarray]:
    result = invert(picture, **how)
    views.draw("steps", invert, result, folder / "views")
    return {path.name: np.asarray(PIL.Image.open(path)) for path in sorted((folder / "views").iterdir())}


def values(channels: int = 3, dtype: Any = np.uint8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (20, 30, channels), dtype, endpoint=True)


def test_16_bits_are_drawn_in_8_with_alpha(tmp_path) -> None:
    array = values(dtype=np.uint16)
    alpha = np.full((20, 30), 40_000, np.uint16)
    files = drawn(Image(array, alpha), tmp_path, keep=True)
    assert [*files] == ["before.png", "step-01.png"]
    assert files["before.png"].shape == (20, 30, 4)
    assert (files["before.png"][..., 3] == round(40_000 / 257)).all()
    assert np.abs(files["before.png"][..., :3] - array / 257).max() <= 0.5
    assert np.abs(files["step-01.png"][..., :3] - (255 - array / 257)).max() <= 1


def test_colours_are_drawn_in_srgb(tmp_path) -> None:
    """A browser that was told nothing takes them for that."""
    import pyvips

    wide = bytes(pyvips.Image.profile_load("p3"))
    array = np.full((20, 30, 3), (200, 60, 60), np.uint8)
    (red, green, blue), *_ = drawn(Image(array, profile=wide), tmp_path)["before.png"][0].astype(int)
    assert red > 208  # Display P3's red lies outside sRGB's
    assert green < 52
    assert abs(blue - 60) < 8


def test_what_was_not_kept_is_drawn_after_all_steps(tmp_path) -> None:
    array = values()
    files = drawn(array, tmp_path)
    assert [*files] == ["before.png", "step-01.png"]
    assert (files["step-01.png"] == 255 - array).all()


def test_what_was_left_alone_has_no_step(tmp_path) -> None:
    assert [*drawn(values(), tmp_path, strength=0)] == ["before.png"]


def test_grey_stays_grey(tmp_path) -> None:
    assert drawn(Image(values(1)), tmp_path)["before.png"].ndim == 2


def test_large_pictures_are_drawn_smaller(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(views, "MOST_PIXELS", 150)
    assert {file.shape[:2] for file in drawn(values(), tmp_path).values()} == {(10, 15)}


def test_a_map_needs_a_router_that_says_where(tmp_path) -> None:
    from darnet.errors import UsageError

    with pytest.raises(UsageError, match="does not say where damage is"):
        views.draw("map", invert, invert(values()), tmp_path / "views")
