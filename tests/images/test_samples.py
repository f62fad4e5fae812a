"""darnet.images.samples: a region of a picture is what the whole picture has there, with its profile too."""

from __future__ import annotations

import numpy as np
import pytest
import pyvips
import torch

from darnet.images.image import Image
from darnet.images.regions import Region
from darnet.images.samples import Samples

REGION = Region(7, 3, 20, 11)
P3 = bytes(pyvips.Image.profile_load("p3"))
SRGB = bytes(pyvips.Image.profile_load("srgb"))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize(("channels", "profile"), [(3, None), (1, None), (3, P3)], ids=["colour", "grey", "profile"])
def test_a_region_is_what_the_whole_has_there(dtype: type, channels: int, profile: bytes | None) -> None:
    values = np.random.default_rng(0).random((40, 30, channels))
    values = (values * (1 if dtype == np.float32 else np.iinfo(dtype).max)).astype(dtype)
    image, samples = Image(values, profile=profile), Samples(values, profile, SRGB if profile else None)
    assert (samples.height, samples.width) == (40, 30)
    whole = image.pixels()
    assert torch.equal(samples.read(REGION), REGION.cut(whole))
    brighter = (whole + 0.07).clamp(0, 1)
    after = samples.changed(REGION, REGION.cut(brighter))
    np.testing.assert_array_equal(after, REGION.of(image.with_pixels(brighter).array))
    # A mean of three equal floats may differ in the last digit; integers are what they were.
    np.testing.assert_allclose(samples.changed(REGION, samples.read(REGION)), REGION.of(values), atol=1e-7, rtol=0)
