from __future__ import annotations

import torch
from torch import Generator, Tensor

from darnet.data.augmentation import SMALLEST_SCALE, Augmentation

PHOTO = torch.randint(0, 256, (3, 60, 90), generator=Generator().manual_seed(0)).to(torch.uint8)


def variants(augmentation: Augmentation, count: int = 40, photo: Tensor = PHOTO) -> list[Tensor]:
    picks = Generator().manual_seed(1)
    return [augmentation(photo, picks) for _ in range(count)]


def test_none_varies_nothing_and_uses_up_no_chance() -> None:
    picks = Generator().manual_seed(0)
    assert Augmentation()(PHOTO, picks) is PHOTO
    assert torch.equal(picks.get_state(), Generator().manual_seed(0).get_state())


def test_a_share_of_photos_is_varied() -> None:
    unvaried = sum(variant is PHOTO for variant in variants(Augmentation(0.5), 200))
    assert 70 < unvaried < 130


def test_variants_are_smaller_with_the_same_aspect_and_never_larger() -> None:
    heights = []
    for variant in variants(Augmentation(1.0)):
        _, height, width = variant.shape
        assert variant.dtype == torch.uint8
        assert height <= 60 and abs(width - 1.5 * height) <= 1.5
        heights.append(height)
    assert min(heights) < 30 and max(heights) > 50
    assert min(heights) >= int(60 * SMALLEST_SCALE)


def test_no_side_falls_below_the_smallest() -> None:
    assert min(variant.shape[1] for variant in variants(Augmentation(1.0, smallest_px=50))) >= 50
    assert all(variant.shape == PHOTO.shape for variant in variants(Augmentation(1.0, smallest_px=64)))


def test_tones_move_both_ways_and_nothing_clips() -> None:
    ramp = torch.arange(8, 248, dtype=torch.uint8).repeat(3, 4, 1)
    means = []
    for variant in variants(Augmentation(1.0, smallest_px=4), photo=ramp):
        means.append(float(variant.float().mean()))
        assert int(variant.min()) > 0
        assert int(variant.max()) < 255
    assert min(means) < 122
    assert max(means) > 133


def test_variants_follow_from_their_seed() -> None:
    first, second = variants(Augmentation(1.0)), variants(Augmentation(1.0))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
