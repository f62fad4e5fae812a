"""A picture's own numbers by region: the same as all at once, and back to the same numbers."""

import numpy as np
import pytest
import torch
from PIL import ImageCms

from darnet.images.image import Image
from darnet.images.regions import Region
from darnet.images.samples import Samples

REGION = Region(3, 5, 7, 11)


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


def test_so_it_is_in_another_profile() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = Image(picture("uint8"), profile=lab)
    samples = Samples(image.array, image.profile, None)
    assert torch.equal(samples.read(REGION), REGION.cut(image.pixels()))


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
