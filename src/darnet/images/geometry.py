"""The eight views of a square: flips and quarter turns, which augment training and average experts; mirrors, means.

Shapes: B batch, C channels, H × W pixels, W × H after an odd number of quarter turns; L, T sides before and after.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor
from torch.nn import functional as F

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
        index = torch.arange(-before, pictures.shape[dim] + after, device=pictures.device)
        pictures = pictures.index_select(dim, mirrored(index, pictures.shape[dim]))
    return pictures


def mirrored(index: Int[Tensor, "*B"], length: int) -> Int[Tensor, "*B"]:
    """Which of `length` rows stands at an index that may lie outside: 0 1 … last … 1 0 1 …; one row alone repeats."""
    last = torch.full_like(index, length - 1)  # a tensor, since ONNX takes no remainder by a length that is free
    return last - (index.remainder((2 * last).clamp(min=1)) - last).abs()


def area_means(pictures: Float[Tensor, "B C H W"], side_px: int) -> Float[Tensor, "B C T T"]:
    """Means over a grid of side_px × side_px cells, whatever the aspect; a cell has every pixel that it touches."""
    if torch.compiler.is_exporting():  # ONNX knows only cells of one size, so the same means as products of matrices
        rows, columns = (_cell_weights(length, side_px) for length in pictures.shape[2:])
        return rows @ pictures @ columns.T
    return F.adaptive_avg_pool2d(pictures, side_px)


def cells(length: int, side_px: int) -> tuple[Int[Tensor, " T"], Int[Tensor, " T"]]:
    """The first pixel of each cell of `area_means` along an axis, and the one after its last."""
    cell = torch.arange(side_px)
    return cell * length // side_px, ((cell + 1) * length + side_px - 1) // side_px


def _cell_weights(length: int, side_px: int) -> Float[Tensor, "T L"]:
    """What each pixel of an axis weighs in each cell."""
    first, end = (edge[:, None] for edge in cells(length, side_px))
    place = torch.arange(length)
    return ((place >= first) & (place < end)) / (end - first)
