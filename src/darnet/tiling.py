"""Pictures larger than memory: a function of a small picture becomes a function of a picture of any size.

Shape letters: C channels, H rows, W columns of the picture; h, w of a tile; N crops, s their side; L one axis.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise, product

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from darnet.views import mirror_pad

#: Of the pixels that two tiles share, the quarter next to a tile's edge is dropped: a network saw too little around it.
DISCARDED_FRACTION = 4


def tiled(
    function: Callable[[Tensor], Tensor],
    pixels: Float[Tensor, "C H W"],
    *,
    tile_px: int,
    overlap_px: int,
    multiple_of: int = 1,
) -> Float[Tensor, "C H W"]:
    """Apply `function` tile by tile and blend the results without seams.

    All tiles of a picture have the same size; the last of a row or column is shifted back to fit, so its overlap is
    larger. Neighbours are cross-faded linearly over the middle half of what they share, with weights that sum to 1 at
    every pixel. A function whose reach is at most a quarter of the overlap gives exactly what it gives untiled.
    Beyond the function's own needs, memory is one output of the picture's size.

    Args:
        function: "1 C h w" to "1 C h w", pure. Runs once a tile; may answer in another dtype or on another device.
        pixels: "C H W"; H and W are at least 1.
        tile_px: Longest side of a tile, cut down to a multiple of `multiple_of`. A picture that fits is one call.
        overlap_px: Least number of pixels that neighbouring tiles share; below `tile_px`.
        multiple_of: Both sides and the position of what `function` sees are multiples of this; the picture is padded
            for it, and cropped again.

    Returns:
        "C H W", the dtype and device of `pixels`.

    Raises:
        ValueError: An impossible size, or a function that changes the shape of its input.
    """
    _check(pixels, tile_px, overlap_px)
    height, width = pixels.shape[-2:]
    # Padded once and cut at multiples: a network that halves its input sees every pixel in the phase it has untiled.
    pixels = pad_to(pixels, multiple_of)
    if max(height, width) <= tile_px:
        return _run(function, pixels).to(pixels)[:, :height, :width]
    tile_px = max(tile_px // multiple_of, 1) * multiple_of
    overlap_px = min(overlap_px + -overlap_px % multiple_of, tile_px - multiple_of)
    rows, columns = (_starts(length, tile_px, overlap_px) for length in pixels.shape[-2:])
    tile_height, tile_width = (min(tile_px, length) for length in pixels.shape[-2:])
    row_weights = _weights(rows, tile_height, like=pixels)
    column_weights = _weights(columns, tile_width, like=pixels)
    output = torch.zeros_like(pixels)
    for (top, down), (left, across) in product(
        zip(rows, row_weights, strict=True), zip(columns, column_weights, strict=True)
    ):
        region = (slice(None), slice(top, top + tile_height), slice(left, left + tile_width))
        output[region] += _run(function, pixels[region]).to(output) * down[:, None] * across
    return output[:, :height, :width]


def grid_crops(
    pixels: Float[Tensor, "C H W"], *, size_px: int, grid: int, align_px: int = 1
) -> Float[Tensor, "N C s s"]:
    """Square crops at native resolution, evenly spread over the whole picture, its four corners included.

    This is how a router looks at a picture: resizing would destroy the noise and the blur that it looks for.

    Args:
        pixels: "C H W".
        size_px: Side s of a crop.
        grid: Crops a side. With 1 it is the centre. Crops that would coincide, in a small picture, appear once.
        align_px: Crops begin at multiples of this, up to one less before their even place.

    Returns:
        "N C s s", 1 ≤ N ≤ grid², row by row. A picture shorter than a crop is first mirrored to its size, as often as
        it takes, at the bottom and right: what it is known by goes on.

    Raises:
        ValueError: A size, grid or alignment below 1, or pixels that are not "C H W".
    """
    places = grid_places(pixels, size_px=size_px, grid=grid, align_px=align_px)
    missing = [max(0, size_px - side) for side in pixels.shape[-2:]]
    padded = mirror_pad(pixels[None], (0, missing[0]), (0, missing[1]))[0]
    return torch.stack([padded[:, y : y + size_px, x : x + size_px] for y, x in places])


def grid_places(pixels: Float[Tensor, "C H W"], *, size_px: int, grid: int, align_px: int = 1) -> list[tuple[int, int]]:
    """(top, left) of each crop of `grid_crops`, in its order. Raises as it does."""
    if min(size_px, grid, align_px) < 1:
        raise ValueError(f"size_px, grid and align_px must be at least 1, got {size_px}, {grid} and {align_px}")
    _check_shape(pixels)
    rows, columns = (_spread(max(0, length - size_px), grid, align_px) for length in pixels.shape[-2:])
    return list(product(rows, columns))


def pad_to(pixels: Float[Tensor, "*B C H W"], multiple_of: int) -> Float[Tensor, "*B C H2 W2"]:
    """Grow a picture at the bottom and right until both sides are multiples of `multiple_of`.

    The new pixels mirror the picture, or repeat its last row or column where it is too small to be mirrored.

    Args:
        pixels: "C H W" or "B C H W".
        multiple_of: At least 1.

    Returns:
        The same picture in the top left corner; `pixels` itself where nothing is missing.

    Raises:
        ValueError: `multiple_of` is below 1.
    """
    if multiple_of < 1:
        raise ValueError(f"multiple_of must be at least 1, got {multiple_of}")
    height, width = pixels.shape[-2:]
    return _padded(pixels, height + -height % multiple_of, width + -width % multiple_of)


def _run(function: Callable[[Tensor], Tensor], tile: Tensor) -> Tensor:
    """One call, "C h w" to "C h w"."""
    result = function(tile[None])
    if result.shape[1:] != tile.shape:
        raise ValueError(f"a tiled function must keep the shape: {tuple(tile.shape)} became {tuple(result.shape[1:])}")
    return result[0]


def _starts(length: int, tile: int, overlap: int) -> list[int]:
    """First pixel of each tile along one axis: as few as the overlap allows, the last one flush with the end."""
    last = max(length - tile, 0)
    return [*range(0, last, tile - overlap), last]


def _weights(starts: list[int], tile: int, like: Tensor) -> list[Tensor]:
    """Weight of every pixel of every tile along one axis, each "tile"; at every pixel of the axis they sum to 1.

    Between two neighbours lies a ramp f that rises from 0 to 1. A tile weighs f at its start minus f at its end: the
    sum telescopes to 1 however many tiles overlap at a pixel.
    """
    positions = torch.arange(tile, dtype=like.dtype, device=like.device)
    rises = [torch.ones_like(positions)]
    falls = []
    for start, following in pairwise(starts):
        shared = start + tile - following
        rises.append(_ramp(positions, 0, shared))
        falls.append(_ramp(positions, following - start, shared))
    falls.append(torch.zeros_like(positions))
    return [rise - fall for rise, fall in zip(rises, falls, strict=True)]


def _ramp(positions: Tensor, begin: int, shared: int) -> Tensor:
    """0 to 1 over the middle half of the `shared` pixels that start at `begin`; a step where nothing is shared."""
    discarded = shared // DISCARDED_FRACTION
    # Half a pixel: values are taken at pixel centres. And a length of at least that: a step needs no case of its own.
    length = max(shared - 2 * discarded, 0.5)
    return ((positions - (begin + discarded) + 0.5) / length).clamp(0, 1)


def _spread(slack: int, count: int, align: int) -> list[int]:
    """Up to `count` different offsets, evenly spaced from 0 to `slack`, both included; the middle if `count` is 1."""
    even = [slack // 2] if count == 1 else [round(index * slack / (count - 1)) for index in range(count)]
    return sorted({offset - offset % align for offset in even})


def _padded(pixels: Tensor, height: int, width: int) -> Tensor:
    """Grow "… H W" to the given height and width, one axis after the other."""
    below, right = height - pixels.shape[-2], width - pixels.shape[-1]
    if below:
        # A mirror does not repeat the edge, so it has only H - 1 pixels to give.
        pixels = functional.pad(pixels, (0, 0, 0, below), "reflect" if below < pixels.shape[-2] else "replicate")
    if right:
        pixels = functional.pad(pixels, (0, right, 0, 0), "reflect" if right < pixels.shape[-1] else "replicate")
    return pixels


def _check(pixels: Tensor, tile_px: int, overlap_px: int) -> None:
    if tile_px < 1:
        raise ValueError(f"tile_px must be at least 1, got {tile_px}")
    if not 0 <= overlap_px < tile_px:
        raise ValueError(f"overlap_px must be at least 0 and below tile_px = {tile_px}, got {overlap_px}")
    _check_shape(pixels)


def _check_shape(pixels: Tensor) -> None:
    if pixels.ndim != 3 or 0 in pixels.shape:
        raise ValueError(f"expected a picture of shape (C, H, W), none of them 0, got {tuple(pixels.shape)}")
