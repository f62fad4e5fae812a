"""The eight views of a square grid: flips and quarter turns, which augment training and average experts; and mirrors.

Shapes: B batch, C channels, H × W pixels, W × H after an odd number of quarter turns.
"""

from __future__ import annotations

import torch
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


def mirror_pad(
    pictures: Shaped[Tensor, "B C H W"], rows: tuple[int, int], columns: tuple[int, int]
) -> Shaped[Tensor, "B C H2 W2"]:
    """Add (before, after) rows and columns, mirrored without repeating the edge, as often as it takes."""
    for dim, (before, after) in ((2, rows), (3, columns)):
        last = pictures.shape[dim] - 1
        index = torch.arange(-before, last + 1 + after, device=pictures.device)
        # A triangle wave: 0 1 … last … 1 0 1 …; one row alone is repeated.
        index = last - (index.remainder(2 * last) - last).abs() if last else torch.zeros_like(index)
        pictures = pictures.index_select(dim, index)
    return pictures
