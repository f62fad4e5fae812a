from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor

from darnet.data.graphics import NEEDS_PHOTO, SORTS, draw, draw_many
from darnet.errors import UnknownNameError, UsageError

PHOTO = torch.nn.functional.interpolate(
    torch.rand((1, 3, 20, 30), generator=Generator().manual_seed(0)) * 255, size=(100, 150), mode="bilinear"
)[0].to(torch.uint8)


def drawn(sort: str, seed: int = 0, side_px: int = 96) -> Tensor:
    return draw(sort, side_px, Generator().manual_seed(seed), PHOTO)


@pytest.mark.parametrize("sort", SORTS)
def test_every_sort_is_a_picture_that_follows_from_its_generator(sort: str) -> None:
    before = PHOTO.clone()
    pictures = [drawn(sort, seed) for seed in range(6)]
    for seed, picture in enumerate(pictures):
        assert picture.shape == (3, 96, 96)
        assert picture.dtype == torch.uint8
        assert picture.is_contiguous()
        assert torch.equal(picture, drawn(sort, seed))
        assert int(picture.min()) < int(picture.max())
    assert len({picture.numpy().tobytes() for picture in pictures}) == 6
    assert torch.equal(PHOTO, before)


@pytest.mark.parametrize("side_px", [1, 7, 33, 130])
def test_any_side(side_px: int) -> None:
    for sort in SORTS:
        assert drawn(sort, 3, side_px).shape == (3, side_px, side_px)


def test_one_chance_of_the_generator_is_used_up() -> None:
    rng, other = Generator().manual_seed(5), Generator().manual_seed(5)
    first = draw("chart", 64, rng)
    draw("stars", 64, other)
    assert torch.equal(rng.get_state(), other.get_state())
    assert not torch.equal(first, draw("chart", 64, rng))


def test_sorts_that_show_a_photo_need_one() -> None:
    assert set(SORTS) > NEEDS_PHOTO
    for sort in SORTS:
        if sort in NEEDS_PHOTO:
            with pytest.raises(UsageError, match=sort):
                draw(sort, 64, Generator().manual_seed(0))
        else:
            assert draw(sort, 64, Generator().manual_seed(0)).shape == (3, 64, 64)


def test_an_unknown_sort_is_named() -> None:
    with pytest.raises(UnknownNameError, match=r"sort of graphics called 'charts'.*did you mean 'chart'"):
        draw("charts", 64, Generator().manual_seed(0))


def test_many_take_the_sorts_in_turn_and_each_its_own_chance() -> None:
    few, many = draw_many(3, 48, seed=1), draw_many(2 * len(SORTS), 48, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(few, many, strict=False))
    assert len({picture.numpy().tobytes() for picture in many}) == len(many)
    assert not torch.equal(few[0], draw_many(1, 48, seed=2)[0])
    with_photos = draw_many(len(SORTS), 48, seed=1, photos=[PHOTO])
    assert len(with_photos) == len(SORTS)
    assert draw_many(0, 48, seed=1) == []


def test_a_photo_may_lie_in_memory_in_any_order() -> None:
    turned = PHOTO.transpose(1, 2)
    a, b = (draw("lowkey", 64, Generator().manual_seed(2), photo) for photo in (turned, turned.contiguous()))
    assert torch.equal(a, b)


@pytest.mark.parametrize("sort", ["text", "chart", "code", "lineart"])
def test_grounds_of_exact_white_are_common(sort: str) -> None:
    shares = [(drawn(sort, seed, 128) == 255).all(dim=0).float().mean().item() for seed in range(30)]
    assert sum(share > 0.3 for share in shares) >= 6
    assert sum(share == 0.0 for share in shares) >= 2  # but no law


def test_a_part_is_grey_as_a_whole() -> None:
    grey = sum(torch.equal(picture[0], picture[1]) for picture in (drawn("illustration", seed) for seed in range(60)))
    assert 2 <= grey <= 30
