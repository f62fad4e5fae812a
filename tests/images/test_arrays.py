"""The conversions under `Image`; what a user sees of them is tested in test_image.py."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darnet.images.arrays import Channels, from_planes, full_scale, join, pack, rescale, split, to_planes, unpack

DTYPES = (np.uint8, np.uint16, np.float32)


@given(value=st.integers(0, 255))
def test_8_bits_survive_every_other_depth(value: int) -> None:
    pixel = np.array([[[value]]], np.uint8)
    for dtype in DTYPES:
        np.testing.assert_array_equal(rescale(rescale(pixel, dtype), np.uint8), pixel)


@given(value=st.integers(0, 65535))
def test_16_bits_survive_floats(value: int) -> None:
    pixel = np.array([[[value]]], np.uint16)
    np.testing.assert_array_equal(rescale(rescale(pixel, np.float32), np.uint16), pixel)


@pytest.mark.parametrize("dtype", DTYPES)
def test_white_is_white_and_black_is_black(dtype: type) -> None:
    ends = np.array([[[0], [full_scale(dtype)]]], dtype)
    for other in DTYPES:
        assert rescale(ends, other).flatten().tolist() == [0, full_scale(other)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 3])
def test_planes_and_back(dtype: type, channels: int) -> None:
    values = rescale(np.random.default_rng(0).integers(0, 65536, (5, 4, channels), np.uint16), dtype)
    planes = to_planes(values)
    assert planes.shape == (3, 5, 4)
    assert planes.dtype == np.float32
    np.testing.assert_allclose(from_planes(planes, channels, dtype), values, atol=1e-7 if dtype == np.float32 else 0)


@pytest.mark.parametrize("bands", [1, 2, 3, 4])
def test_split_and_join_are_opposites(bands: int) -> None:
    values = np.random.default_rng(bands).integers(0, 256, (3, 2, bands), np.uint8)
    np.testing.assert_array_equal(join(split(values), bands), values)


def test_join_makes_up_what_is_missing() -> None:
    grey = Channels(np.full((2, 2, 1), 9, np.uint8), None)
    assert join(grey, 4)[0, 0].tolist() == [9, 9, 9, 255]
    colour = Channels(np.array([[[0, 3, 6]]], np.uint8), None)
    assert join(colour, 1).tolist() == [[[3]]]


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 2), (4, 5, 3), (4, 5, 4)])
def test_unpack_and_pack_are_opposites_and_share_no_memory(shape: tuple[int, ...]) -> None:
    source = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    channels = unpack(source)
    packed = pack(channels, source)
    np.testing.assert_array_equal(packed, source)
    for part in (channels.array, packed):
        assert not np.shares_memory(part, source)
