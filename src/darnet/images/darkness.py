"""How much of a picture is nearly black: a hint that it was taken with too little light, counted and not learnt.

h, w: height and width. Pixels are sRGB in [0, 1].
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

#: Mean of the channels below which a pixel is nearly black; and the share of such pixels that is worth a word. Of 1033
#: clean photos 36 have it, of 269 taken with too little light (SICE, LOL, PFRN) 196.
NEARLY_BLACK, MUCH = 0.12, 0.5


def mostly_black(pixels: Float[Tensor, "3 h w"], seen: NDArray[np.bool_] | None = None) -> str | None:
    """That at least half of a picture is nearly black, in words, or None. `seen`, (h, w): which pixels count.

    >>> import torch
    >>> night = torch.zeros(3, 10, 10)
    >>> night[:, :2] = 0.8
    >>> mostly_black(night)
    '80 % of it is nearly black'
    """
    dark: NDArray[np.bool_] = (pixels.mean(dim=0) < NEARLY_BLACK).numpy()
    counted = dark if seen is None else dark[seen]
    share = float(counted.mean()) if counted.size else 0.0
    return f"{100 * share:.0f} % of it is nearly black" if share >= MUCH else None
