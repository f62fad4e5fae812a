"""Scenes for the way of a photo."""

import torch
from torch import Generator

from darnet.data.scenes import Scenes

RNG = Generator().manual_seed(0)
PHOTOS = [torch.randint(0, 256, (3, 50 + n, 60), generator=RNG, dtype=torch.uint8) for n in range(4)]
DRAWING = torch.full((3, 40, 40), 255, dtype=torch.uint8)
DEPTH = torch.linspace(0, 1, 50)[None, :, None].expand(1, 50, 60)


def test_scenes_are_squares_of_photos_by_their_seed() -> None:
    scenes = Scenes(PHOTOS, 32)
    clean, depth, drawn = scenes(6, Generator().manual_seed(1))
    assert clean.shape == (6, 3, 32, 32)
    assert depth is None
    assert drawn == []
    assert torch.equal(clean, scenes(6, Generator().manual_seed(1))[0])
    whole = [photo.unfold(1, 32, 1).unfold(2, 32, 1).permute(1, 2, 0, 3, 4).reshape(-1, 3, 32, 32) for photo in PHOTOS]
    levels = (clean[0] * 255).round().to(torch.uint8)
    assert any(bool((squares == levels).flatten(1).all(dim=1).any()) for squares in whole)


def test_a_small_photo_is_mirrored() -> None:
    clean, _, _ = Scenes([PHOTOS[0][:, :20, :20]], 32)(2, Generator().manual_seed(0))
    assert torch.equal(clean[..., 20:, :], clean[..., 7:19, :].flip(-2))


def test_what_is_drawn_is_said_and_depth_lies_where_its_photo_does() -> None:
    scenes = Scenes(PHOTOS, 32, deep=[(PHOTOS[0], DEPTH)], graphics=[DRAWING], deep_share=0.4, graphics_share=0.4)
    clean, depth, drawn = scenes(60, Generator().manual_seed(2))
    assert depth is not None
    white = [row for row in range(60) if bool((clean[row] == 1).all())]
    assert drawn == white
    assert 10 < len(drawn) < 40
    known = [row for row in range(60) if not bool(depth[row].isnan().any())]
    assert 10 < len(known) < 40
    for row in known:
        assert torch.allclose(depth[row, 0, :, 0].diff(), torch.full((31,), 1 / 49), atol=1e-5)


def test_a_share_is_turned_grey() -> None:
    clean, _, _ = Scenes(PHOTOS, 32, grey_share=1.0)(4, Generator().manual_seed(0))
    assert torch.equal(clean[:, 0], clean[:, 1])
