from __future__ import annotations

import numpy as np
import pytest

from darnet.data.graphics.canvas import BLACK, WHITE, Canvas, finished, luma, mixed, plain, smoothstep, stretched


def canvas(seed: int = 0, side_px: int = 64) -> Canvas:
    return Canvas(side_px, np.random.default_rng(seed))


@pytest.mark.parametrize("cells", [1.0, 3.5, 500.0])
def test_a_field_fills_its_range(cells: float) -> None:
    for field in (canvas().field(cells), canvas().clouds(cells)):
        assert field.shape == (64, 64)
        assert field.dtype == np.float32
        assert field.min() == 0
        assert field.max() == pytest.approx(1)


def test_clouds_have_no_detail_that_would_be_noise() -> None:
    for seed in range(10):
        steps = np.abs(np.diff(canvas(seed, 256).clouds(8, octaves=9), axis=1))
        assert steps.max() < 0.25


def test_a_constant_field_stays_finite() -> None:
    assert not stretched(np.full((3, 3), 7, dtype=np.float32)).any()


def test_a_gradient_goes_from_one_colour_to_the_other() -> None:
    down = finished(canvas().gradient(BLACK, WHITE, angle=0.0))
    assert down.getpixel((5, 0)) == BLACK
    assert down.getpixel((60, 63)) == WHITE
    rows = np.asarray(down)[..., 0]
    assert (np.diff(rows[:, 0].astype(int)) > 0).all()
    assert (rows == rows[:, :1]).all()


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_a_sheet_comes_back_at_its_own_size_with_its_ground_untouched(factor: int) -> None:
    sheet = canvas().sheet((10, 20, 30), factor)
    assert sheet.side == 64 * factor
    sheet.pen.rectangle((0, 0, sheet.side // 2 - 1, sheet.side - 1), WHITE)
    pixels = np.asarray(sheet.reduced())
    assert pixels.shape == (64, 64, 3)
    assert (pixels[:, :32] == 255).all()
    assert (pixels[:, 32:] == (10, 20, 30)).all()


def test_turning_keeps_the_middle_and_fills_the_corners() -> None:
    sheet = canvas().sheet(WHITE, 2)
    sheet.pen.rectangle((50, 50, 78, 78), BLACK)
    turned = sheet.turned(45, (1, 2, 3)).reduced()
    assert turned.getpixel((32, 32)) == BLACK
    assert turned.getpixel((0, 0)) == (1, 2, 3)
    assert np.array_equal(np.asarray(sheet.turned(0, BLACK).reduced()), np.asarray(sheet.reduced()))


def test_ink_is_legible_on_its_ground() -> None:
    for seed in range(200):
        chance = canvas(seed)
        ground = chance.ground()
        assert abs(luma(ground) - luma(chance.ink(ground))) > 25


def test_mixing_and_steps_keep_their_ends() -> None:
    steps = smoothstep(np.linspace(-1, 2, 31, dtype=np.float32)[None], 0, 1)
    assert steps.min() == 0
    assert steps.max() == 1
    assert (np.diff(steps) >= 0).all()
    share = np.array([[0.0, 1.0]], dtype=np.float32)
    assert np.array_equal(mixed(BLACK, plain(WHITE, 1), share)[0], [[0, 0, 0], [1, 1, 1]])
