from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from darnet.tiling import grid_crops, pad_to, tiled

quick = settings(max_examples=60, deadline=None)
side = st.integers(1, 45)


@st.composite
def cuts(draw) -> dict[str, int]:
    """Every legal way to cut: tiles smaller than, equal to and larger than the picture; overlaps up to all but one."""
    tile_px = draw(st.integers(1, 50))
    lowest = max(0, tile_px - 24) if tile_px > 30 else 0
    overlap_px = draw(st.integers(min(lowest, tile_px - 1), tile_px - 1))
    return {
        "tile_px": tile_px,
        "overlap_px": min(overlap_px, max(tile_px - 3, 0)),
        "multiple_of": draw(st.integers(1, 9)),
    }


def picture(height: int, width: int) -> Tensor:
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(height * 100 + width))


def box_blur(x: Tensor) -> Tensor:
    """Reach: one pixel. At the picture's border the edge is repeated."""
    return functional.avg_pool2d(functional.pad(x, (1, 1, 1, 1), "replicate"), 3, stride=1)


class Counted:
    """A function that remembers what it was shown."""

    def __init__(self, function) -> None:
        self.function, self.shapes = function, []

    def __call__(self, x: Tensor) -> Tensor:
        self.shapes.append(tuple(x.shape))
        return self.function(x)


@quick
@given(side, side, cuts())
def test_tiling_the_identity_is_the_identity(height: int, width: int, cut: dict[str, int]):
    pixels = picture(height, width)
    torch.testing.assert_close(tiled(lambda x: x, pixels, **cut), pixels, atol=1e-6, rtol=0)


@quick
@given(side, side, cuts())
def test_tiling_a_pointwise_function_is_the_function(height: int, width: int, cut: dict[str, int]):
    pixels = picture(height, width)
    torch.testing.assert_close(tiled(lambda x: 1 - x.square(), pixels, **cut), 1 - pixels.square(), atol=1e-6, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(37, 31), (1, 1), (1, 40), (16, 16), (17, 16), (64, 33)])
@pytest.mark.parametrize("overlap_px", [4, 7, 12, 15])
def test_a_reach_within_a_quarter_of_the_overlap_leaves_no_trace(height: int, width: int, overlap_px: int):
    pixels = picture(height, width)
    result = tiled(box_blur, pixels, tile_px=16, overlap_px=overlap_px)
    torch.testing.assert_close(result, box_blur(pixels[None])[0], atol=1e-5, rtol=0)


def test_without_overlap_the_seams_of_a_blur_are_visible():
    """The property above is earned by the overlap, not by a blur too weak to be seen."""
    pixels = picture(37, 31)
    assert (tiled(box_blur, pixels, tile_px=16, overlap_px=0) - box_blur(pixels[None])[0]).abs().max() > 0.01


@quick
@given(side, side, cuts())
def test_every_call_sees_one_tile_of_one_size_in_the_right_multiple(height: int, width: int, cut: dict[str, int]):
    counted = Counted(lambda x: x)
    tiled(counted, picture(height, width), **cut)
    multiple_of = cut["multiple_of"]
    padded = [math.ceil(length / multiple_of) * multiple_of for length in (height, width)]
    if max(height, width) <= cut["tile_px"]:
        assert counted.shapes == [(1, 3, *padded)]
        return
    tile_px = max(cut["tile_px"] // multiple_of, 1) * multiple_of
    overlap_px = min(math.ceil(cut["overlap_px"] / multiple_of) * multiple_of, tile_px - multiple_of)
    calls = [1 + math.ceil(max(0, length - tile_px) / (tile_px - overlap_px)) for length in padded]
    assert len(counted.shapes) == calls[0] * calls[1]
    assert set(counted.shapes) == {(1, 3, *(min(length, tile_px) for length in padded))}


def test_tiles_lie_on_multiples_so_a_strided_function_gives_what_it_gives_untiled():
    pixels = picture(37, 31)

    def coarse(x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.interpolate(torch.nn.functional.avg_pool2d(x, 4), scale_factor=4)

    whole = tiled(coarse, pixels, tile_px=64, overlap_px=0, multiple_of=4)
    torch.testing.assert_close(tiled(coarse, pixels, tile_px=18, overlap_px=5, multiple_of=4), whole)


@pytest.mark.parametrize(("tile_px", "calls"), [(16, 1), (17, 1), (15, 4)])
def test_a_picture_that_fits_is_one_call(tile_px: int, calls: int):
    counted = Counted(lambda x: x)
    tiled(counted, picture(16, 16), tile_px=tile_px, overlap_px=4)
    assert len(counted.shapes) == calls


def test_results_in_another_dtype_come_back_in_that_of_the_picture():
    for tile_px in (8, 64):
        result = tiled(lambda x: x.bfloat16(), picture(20, 20), tile_px=tile_px, overlap_px=2)
        assert result.dtype == torch.float32


def test_the_picture_is_not_mutated():
    pixels = picture(20, 20)
    before = pixels.clone()
    tiled(lambda x: x + 1, pixels, tile_px=8, overlap_px=2)
    assert torch.equal(pixels, before)


@pytest.mark.parametrize(
    ("sizes", "reason"),
    [
        ({"tile_px": 8, "overlap_px": 8}, "below tile_px = 8, got 8"),
        ({"tile_px": 8, "overlap_px": -1}, "got -1"),
        ({"tile_px": 0, "overlap_px": 0}, "tile_px must be at least 1"),
        ({"tile_px": 8, "overlap_px": 2, "multiple_of": 0}, "multiple_of must be at least 1"),
    ],
)
def test_impossible_sizes_are_refused(sizes: dict[str, int], reason: str):
    with pytest.raises(ValueError, match=reason):
        tiled(lambda x: x, picture(20, 20), **sizes)


def test_a_function_that_changes_the_shape_is_refused():
    with pytest.raises(ValueError, match="must keep the shape"):
        tiled(lambda x: x[..., ::2], picture(20, 20), tile_px=8, overlap_px=2)
    with pytest.raises(ValueError, match="must keep the shape"):
        tiled(lambda x: x[:, :1], picture(20, 20), tile_px=8, overlap_px=2)  # would broadcast


@pytest.mark.parametrize("shape", [(1, 3, 20, 20), (20, 20), (3, 0, 20)])
def test_only_pictures_are_cut(shape: tuple[int, ...]):
    with pytest.raises(ValueError, match="expected a picture"):
        tiled(lambda x: x, torch.zeros(shape), tile_px=8, overlap_px=2)
    with pytest.raises(ValueError, match="expected a picture"):
        grid_crops(torch.zeros(shape), size_px=8, grid=2)


@quick
@given(side, side, st.integers(1, 60))
def test_padding_grows_to_the_multiple_and_keeps_the_picture(height: int, width: int, multiple_of: int):
    pixels = picture(height, width)
    padded = pad_to(pixels, multiple_of)
    assert [length % multiple_of for length in padded.shape[-2:]] == [0, 0]
    assert padded.shape[-2] - height < multiple_of
    assert padded.shape[-1] - width < multiple_of
    assert torch.equal(padded[:, :height, :width], pixels)


def test_padding_mirrors_and_repeats_where_there_is_too_little_to_mirror():
    row = torch.tensor([[[1.0, 2.0, 3.0]]])
    assert pad_to(row, 5).tolist()[0] == [[1, 2, 3, 2, 1]] * 5
    assert pad_to(row, 6).tolist()[0][0] == [1, 2, 3, 3, 3, 3]
    assert pad_to(row, 1) is row


@quick
@given(side, side, st.integers(1, 30), st.integers(1, 5))
def test_crops_are_different_regions_at_native_resolution(height: int, width: int, size_px: int, grid: int):
    # Every pixel has its own value, so a crop names the place it came from.
    pixels = torch.arange(height * width, dtype=torch.float32).view(1, height, width).repeat(3, 1, 1)
    crops = grid_crops(pixels, size_px=size_px, grid=grid)
    rows, columns = (min(grid, max(length - size_px, 0) + 1) for length in (height, width))
    assert crops.shape == (rows * columns, 3, size_px, size_px)
    corners = {int(crop[0, 0, 0]) for crop in crops}
    assert len(corners) == rows * columns
    for crop, corner in zip(crops, (int(crop[0, 0, 0]) for crop in crops), strict=True):
        y, x = divmod(corner, width)
        inside = pixels[:, y : y + size_px, x : x + size_px]
        assert torch.equal(crop[:, : inside.shape[1], : inside.shape[2]], inside)


@quick
@given(st.integers(8, 45), st.integers(8, 45), st.integers(2, 5))
def test_crops_cover_the_four_corners(height: int, width: int, grid: int):
    pixels = picture(height, width)
    crops = grid_crops(pixels, size_px=8, grid=grid)
    for corner in (pixels[:, :8, :8], pixels[:, :8, -8:], pixels[:, -8:, :8], pixels[:, -8:, -8:]):
        assert any(torch.equal(crop, corner) for crop in crops)


def test_one_crop_is_the_centre_and_the_exact_size_is_the_picture():
    pixels = picture(20, 30)
    assert torch.equal(grid_crops(pixels, size_px=10, grid=1)[0], pixels[:, 5:15, 10:20])
    assert torch.equal(grid_crops(pixels[:, :, :20], size_px=20, grid=4), pixels[None, :, :, :20])


def test_crops_begin_where_they_are_aligned():
    """JPEG blocks begin in the corner; crops that begin with a block show them alike."""
    pixels = torch.arange(50 * 90, dtype=torch.float32).view(1, 50, 90).repeat(3, 1, 1)
    crops = grid_crops(pixels, size_px=10, grid=3, align_px=16)
    assert [divmod(int(crop[0, 0, 0]), 90) for crop in crops] == [(y, x) for y in (0, 16, 32) for x in (0, 32, 80)]


@pytest.mark.parametrize(("size_px", "grid", "align_px"), [(0, 2, 1), (8, 0, 1), (8, 2, 0)])
def test_impossible_grids_are_refused(size_px: int, grid: int, align_px: int):
    with pytest.raises(ValueError, match="at least 1"):
        grid_crops(picture(20, 20), size_px=size_px, grid=grid, align_px=align_px)
