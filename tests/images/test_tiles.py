from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from darnet.images.regions import Planes, gather
from darnet.images.tiles import TilePlan, by_tiles, grid_crops, mosaic, pad_to
from darnet.restore.experts.base import TILES

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


def tiled(function, pixels: Tensor, **cut: int) -> Tensor:
    plan = TilePlan.cut(*pixels.shape[-2:], **cut)
    return gather(by_tiles(plan, lambda tile, _: function(tile), Planes(pixels)), like=pixels)


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
    plan = TilePlan.cut(height, width, **cut)
    assert counted.shapes == [(1, 3, plan.tile_height, plan.tile_width)] * len(plan.regions)


@quick
@given(side, side, cuts())
def test_a_plan_keeps_its_limits(height: int, width: int, cut: dict[str, int]):
    plan, multiple_of = TilePlan.cut(height, width, **cut), cut["multiple_of"]
    grown = [math.ceil(side / multiple_of) * multiple_of for side in (height, width)]
    assert [plan.rows[-1] + plan.tile_height, plan.columns[-1] + plan.tile_width] == grown
    if max(height, width) <= cut["tile_px"]:
        assert len(plan.regions) == 1
        return
    most = max(cut["tile_px"] // multiple_of, 1) * multiple_of
    overlap_px = min(math.ceil(cut["overlap_px"] / multiple_of) * multiple_of, most - multiple_of)
    for length, tile, starts in zip(grown, (plan.tile_height, plan.tile_width), (plan.rows, plan.columns), strict=True):
        assert tile <= most
        assert starts[0] == 0
        assert starts[-1] + tile == length
        assert all(number % multiple_of == 0 for number in (*starts, tile))
        assert all(one + tile - other >= overlap_px for one, other in pairwise(starts))
        assert len(starts) == 1 + math.ceil(max(0, length - most) / (most - overlap_px))
        # No tile is longer than an even share of the picture and of the overlaps needs.
        assert tile - multiple_of < math.ceil((length + (len(starts) - 1) * overlap_px) / len(starts))


@pytest.mark.parametrize(
    ("size", "issue", "default"),
    [
        ((3000, 4000), 1.14, 1.192),
        ((1080, 1920), 1.10, 1.067),
        ((1030, 1030), 1.15, 1.004),
        ((2000, 3000), 1.14, 1.158),
    ],
)
def test_little_work_is_done_twice(size: tuple[int, int], issue: float, default: float):
    """Tiles whose last one is shifted back, of 1024 px that share 64: 1.75, 2.02, 3.95 and 2.10 pixels per pixel."""
    assert TilePlan.cut(*size, tile_px=1024, overlap_px=64, multiple_of=8).work == pytest.approx(issue, abs=0.006)
    tiles = {"tile_px": TILES.size_px, "overlap_px": TILES.overlap_px}
    assert TilePlan.cut(*size, **tiles, multiple_of=8).work == pytest.approx(default, abs=0.001)


def test_a_region_knows_its_share_of_the_picture():
    plan = TilePlan.cut(20, 40, tile_px=20, overlap_px=0)
    assert [region.box(20, 40).tolist() for region in plan.regions] == [[[0, 0, 1, 0.5]], [[0, 0.5, 1, 1]]]


def test_a_plan_is_for_pictures_of_its_size():
    with pytest.raises(ValueError, match="a plan for 20 × 40, and a picture of 40 × 20"):
        next(by_tiles(TilePlan.cut(20, 40, tile_px=20, overlap_px=0), lambda tile, _: tile, Planes(picture(40, 20))))


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


@pytest.mark.parametrize(("height", "width", "sides"), [(50, 90, (30, 30)), (20, 90, (10, 30)), (5, 7, (10, 10))])
def test_a_mosaic_shows_the_crops_as_they_lie(height: int, width: int, sides: tuple[int, int]):
    pixels = picture(height, width)
    sample = mosaic(pixels, size_px=10, grid=3, align_px=16)
    assert tuple(sample.shape[1:]) == sides
    crops = grid_crops(pixels, size_px=10, grid=3, align_px=16)
    assert torch.equal(sample[:, :10, :10], crops[0])
    assert torch.equal(sample[:, -10:, -10:], crops[-1])
    if len(crops) > 1:
        assert torch.equal(sample[:, :10, 10:20], crops[1])


@pytest.mark.parametrize(("size_px", "grid", "align_px"), [(0, 2, 1), (8, 0, 1), (8, 2, 0)])
def test_impossible_grids_are_refused(size_px: int, grid: int, align_px: int):
    with pytest.raises(ValueError, match="at least 1"):
        grid_crops(picture(20, 20), size_px=size_px, grid=grid, align_px=align_px)
