"""JPEG in torch is JPEG."""

import io

import numpy as np
import PIL.Image
import pytest
import torch
from torch import Generator
from torch.nn import functional as F

from darnet.imaging.storage import jpeg, webp


def photo_like(height: int = 67, width: int = 90) -> torch.Tensor:
    """Smooth fields with edges and some texture, of 8 bits."""
    rng = Generator().manual_seed(0)
    smooth = F.interpolate(torch.rand(1, 3, 7, 9, generator=rng), (height, width), mode="bicubic")
    picture = smooth + 0.05 * torch.randn(1, 3, height, width, generator=rng)
    picture[..., 20:40, 30:60] *= 0.4
    return (picture.clamp(0, 1) * 255).round() / 255


def by_pillow(picture: torch.Tensor, quality: int, subsampling: int) -> np.ndarray:
    file = io.BytesIO()
    levels = (picture[0] * 255).round().byte().permute(1, 2, 0).numpy()
    PIL.Image.fromarray(levels).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(PIL.Image.open(file)).astype(int)


@pytest.mark.parametrize("quality", [20, 50, 75, 90, 98])
@pytest.mark.parametrize(("full_colour", "subsampling"), [(True, 0), (False, 2)])
def test_it_is_what_pillow_makes(quality: int, full_colour: bool, subsampling: int) -> None:
    picture = photo_like()
    stored = jpeg(picture, torch.tensor([float(quality)]), torch.tensor([full_colour]))
    difference = np.abs((stored[0] * 255).round().permute(1, 2, 0).numpy() - by_pillow(picture, quality, subsampling))
    # Where a coefficient lies between two values, the codec's whole numbers may take the other one.
    assert (difference <= 1).mean() > 0.8
    assert difference.mean() < 0.75


def test_half_colour_is_the_default_and_batches_are_their_pictures() -> None:
    pictures = torch.cat([photo_like(), photo_like().flip(-1)])
    quality = torch.tensor([30.0, 85.0])
    both = jpeg(pictures, quality)
    assert torch.equal(both, jpeg(pictures, quality, torch.tensor([False, False])))
    assert torch.equal(both[1:], jpeg(pictures[1:], quality[1:]))
    assert not torch.equal(both, jpeg(pictures, quality, torch.tensor([True, True])))


def test_a_lower_quality_is_further_away_and_a_plain_picture_is_kept() -> None:
    pictures = photo_like()
    distances = [
        float((jpeg(pictures, torch.tensor([q])) - pictures).square().mean()) for q in (10.0, 40.0, 70.0, 95.0)
    ]
    assert distances == sorted(distances, reverse=True)
    plain = torch.full((1, 3, 19, 33), 128 / 255)
    assert torch.allclose(jpeg(plain, torch.tensor([30.0])), plain, atol=1.01 / 255)


def test_webp_is_the_codec_s() -> None:
    pictures = photo_like()
    stored = webp(pictures, torch.tensor([40.0]))
    assert stored.shape == pictures.shape
    assert 0 < float((stored - pictures).abs().mean()) < 0.1
