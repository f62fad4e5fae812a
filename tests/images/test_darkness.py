"""How much of a picture is nearly black, whatever it is stored as."""

import numpy as np
import pytest

from darnet.images.darkness import mostly_black


def picture(dark_rows: int, dtype: type = np.uint8, channels: int = 3) -> np.ndarray:
    values = np.full((20, 30, channels), 0.5)
    values[:dark_rows] = 0.1
    return (values * 255).astype(np.uint8) if dtype is np.uint8 else (values * 65535).astype(np.uint16)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_half_of_it_is_much(dtype, channels):
    assert mostly_black(picture(9, dtype, channels)) is None
    assert mostly_black(picture(10, dtype, channels)) == "50 % of it is nearly black"


def test_hidden_pixels_do_not_count():
    seen = np.ones((20, 30), bool)
    seen[:5] = False
    assert mostly_black(picture(10), seen) is None
    assert mostly_black(picture(14), seen) == "60 % of it is nearly black"
    assert mostly_black(picture(20), np.zeros((20, 30), bool)) is None


def test_of_a_large_picture_some_pixels_are_enough():
    large = np.kron(picture(11), np.ones((150, 100, 1), np.uint8))
    assert mostly_black(large) == "55 % of it is nearly black"
