"""A picture's own numbers by region: the same as all at once, and back to the same numbers."""

import numpy as np
import pytest
import pyvips
import torch

from darnet.images.image import Image
from darnet.images.regions import Region
from darnet.images.samples import Samples

REGION, PART = Region(3, 5, 7, 11), Region(7, 3, 20, 11)
P3, SRGB = (bytes(pyvips.Image.profile_load(name)) for name in ("p3", "srgb"))


def picture(dtype: str, channels: int = 3) -> np.ndarray:
    rng = np.random.default_rng(0)
    if dtype == "float32":
        return rng.random((16, 20, channels), np.float32)
    return rng.integers(0, np.iinfo(dtype).max, (16, 20, channels), dtype, endpoint=True)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_region_is_a_part_of_the_whole(dtype: str, channels: int) -> None:
    values = picture(dtype, channels)
    samples = Samples(values)
    assert (samples.height, samples.width) == (16, 20)
    assert torch.equal(samples.read(REGION), REGION.cut(Image(values).pixels()))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize(("channels", "profile"), [(3, None), (1, None), (3, P3)], ids=["colour", "grey", "profile"])
def test_a_region_is_what_the_whole_has_there(dtype: type, channels: int, profile: bytes | None) -> None:
    values = np.random.default_rng(0).random((40, 30, channels))
    values = (values * (1 if dtype == np.float32 else np.iinfo(dtype).max)).astype(dtype)
    image, samples = Image(values, profile=profile), Samples(values, profile, SRGB if profile else None)
    assert (samples.height, samples.width) == (40, 30)
    whole = image.pixels()
    assert torch.equal(samples.read(PART), PART.cut(whole))
    brighter = (whole + 0.07).clamp(0, 1)
    after = samples.changed(PART, PART.cut(brighter))
    np.testing.assert_array_equal(after, PART.of(image.with_pixels(brighter).array))
    # A mean of three equal floats may differ in the last digit; integers are what they were.
    np.testing.assert_allclose(samples.changed(PART, samples.read(PART)), PART.of(values), atol=1e-7, rtol=0)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_what_nobody_changed_keeps_its_numbers(dtype: str) -> None:
    values = picture(dtype)
    samples = Samples(values)
    assert np.array_equal(samples.changed(REGION, samples.read(REGION)), REGION.of(values))


def test_changes_are_clamped_and_rounded() -> None:
    samples = Samples(np.full((2, 2, 3), 100, np.uint8))
    region = Region(0, 0, 1, 2)
    changed = samples.changed(region, torch.tensor([[-0.5, 2.0], [0.5, 100 / 255], [1.0, 0.0]])[:, None])
    assert changed.tolist() == [[[0, 128, 255], [255, 100, 0]]]


def test_grey_stays_grey() -> None:
    samples = Samples(picture("uint8", 1))
    tinted = samples.read(REGION) * torch.tensor([0.9, 1.0, 1.1])[:, None, None]
    changed = samples.changed(REGION, tinted)
    assert changed.shape == (7, 11, 1)
    assert np.abs(changed.astype(int) - REGION.of(samples.values)).max() <= 9
