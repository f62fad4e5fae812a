"""darnet.images.vips: arrays and fields become libvips images and come back."""

from __future__ import annotations

import numpy as np
import pytest

from darnet.images.vips import DELAYS, header, header_fields, to_vips


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_samples_are_the_same(dtype: type, channels: int) -> None:
    values = np.random.default_rng(0).random((3, 5, channels)).astype(np.float32)
    values = values if dtype is np.float32 else (values * np.iinfo(dtype).max).astype(dtype)
    np.testing.assert_array_equal(to_vips(values, {}).numpy().reshape(values.shape), values)


def test_fields_come_back_and_those_of_nobody_elses_stay_outside() -> None:
    fields = {"xmp-data": b"<x/>", "xres": 3.0, "yres": 4.0, "loop": 2, DELAYS: "100 20", "png-text": b"abc"}
    image = to_vips(np.zeros((2, 2, 3), np.uint8), fields)
    assert image.get("delay") == [100, 20]
    assert "png-text" not in header_fields(image) and DELAYS not in header_fields(image)
    assert (image.xres, image.yres) == (3, 4)
    assert {**header(image, {}, turned=False), "xres": 3.0, "yres": 4.0, "png-text": b"abc"} == fields


def test_xmp_names_an_orientation_no_longer_where_it_was_applied() -> None:
    xmp = b'<rdf:Description tiff:Orientation="6"/>'
    image = to_vips(np.zeros((2, 2, 3), np.uint8), {"xmp-data": xmp})
    assert header(image, {}, turned=False)["xmp-data"] == xmp
    assert header(image, {}, turned=True)["xmp-data"] == xmp.replace(b"6", b"1")
