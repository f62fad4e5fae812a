"""The eight views of a square grid: flips and quarter turns, which augment training and average experts.

Shapes: H × W pixels, W × H after an odd number of quarter turns.
"""

from __future__ import annotations

from jaxtyping import Shaped
from torch import Tensor

COUNT = 8


def view(pictures: Shaped[Tensor, "*B H W"], way: int) -> Shaped[Tensor, "*B H2 W2"]:
    """One of the eight views; 0 is the picture itself."""
    return (pictures.flip(-1) if way >= COUNT // 2 else pictures).rot90(way % (COUNT // 2), (-2, -1))


def unview(pictures: Shaped[Tensor, "*B H W"], way: int) -> Shaped[Tensor, "*B H2 W2"]:
    """Undo `view`."""
    upright = pictures.rot90(-(way % (COUNT // 2)), (-2, -1))
    return upright.flip(-1) if way >= COUNT // 2 else upright
