"""How much of a picture is nearly black."""

import numpy as np
import torch

from darnet.images.darkness import mostly_black


def picture(dark_rows: int) -> torch.Tensor:
    pixels = torch.full((3, 20, 30), 0.5)
    pixels[:, :dark_rows] = 0.1
    return pixels


def test_half_of_it_is_much():
    assert mostly_black(picture(9)) is None
    assert mostly_black(picture(10)) == "50 % of it is nearly black"


def test_hidden_pixels_do_not_count():
    seen = np.ones((20, 30), bool)
    seen[:5] = False
    assert mostly_black(picture(10), seen) is None
    assert mostly_black(picture(14), seen) == "60 % of it is nearly black"
    assert mostly_black(picture(20), np.zeros((20, 30), bool)) is None
