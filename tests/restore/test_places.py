from __future__ import annotations

import numpy as np
import pytest
import torch

from darnet.images import regions
from darnet.images.regions import Planes, Region
from darnet.restore import places
from darnet.restore.diagnosis import Crop
from darnet.restore.places import Map, completed, confine, spread


def grid(presence: np.ndarray, side: int = 16) -> list[Crop]:
    """Crops that lie side by side."""
    return [
        Crop(side * row, side * column, side, {"noise": float(seen)})
        for row, line in enumerate(presence)
        for column, seen in enumerate(line)
    ]


def test_a_map_is_what_crops_say_and_linear_between_them() -> None:
    found = Map.of(grid(np.array([[0.1, 0.9], [0.5, 0.5]])), "noise").read(Region(0, 0, 32, 32)).sigmoid()
    assert found[:8, :8].allclose(torch.tensor(0.1))  # beyond the centres
    assert found[:8, 24:].allclose(torch.tensor(0.9))
    assert found[24:].allclose(torch.tensor(0.5))
    assert (found[0].diff() >= 0).all()


def test_parts_of_a_map_are_those_of_the_whole() -> None:
    found = Map.of(grid(np.random.default_rng(0).random((3, 5))), "noise")
    whole = found.read(Region(0, 0, 48, 80))
    torch.testing.assert_close(found.read(Region(7, 20, 11, 31)), whole[7:18, 20:51])
    torch.testing.assert_close(found.scaled(48, 80, 48, 80), whole)
    assert found.scaled(48, 80, 6, 10).shape == (6, 10)


def noisy_part(marked: np.ndarray) -> tuple[Planes, Planes]:
    """A picture with noise where it is marked, and what an expert makes of it, which errs a little everywhere."""
    rng = np.random.default_rng(0)
    clean = torch.from_numpy(rng.uniform(0.2, 0.8, (3, *marked.shape))).float()
    noise = torch.from_numpy(rng.normal(0, 25 / 255, (3, *marked.shape)) * marked).float()
    slip = torch.from_numpy(rng.normal(0, 1.5 / 255, (3, *marked.shape))).float()
    return Planes(clean + noise), Planes(clean + slip)


def halves(height: int, width: int) -> np.ndarray:
    return np.arange(height)[:, None] >= height // 2 + np.zeros(width)


def corner(height: int, width: int) -> np.ndarray:
    return (np.arange(height)[:, None] < height // 3) & (np.arange(width) < width // 3)


@pytest.mark.parametrize("shape", [halves, corner])
@pytest.mark.parametrize("at_once", [regions.AT_ONCE, 1000])
def test_the_border_of_damage_is_found_to_the_pixel(shape, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what an expert changes; the crops say only about where. In strips it is the same."""
    monkeypatch.setattr(places, "AT_ONCE", at_once)
    marked = shape(96, 112)
    before, after = noisy_part(marked)
    seen = np.array([[marked[16 * r : 16 * r + 16, 16 * c : 16 * c + 16].mean() for c in range(7)] for r in range(6)])
    found = confine(before, after, Map.of(grid(seen.clip(0.02, 0.98)), "noise"))
    assert (found != marked).mean() < 0.003


def test_what_is_certainly_free_of_damage_stays_whatever_is_changed_there() -> None:
    marked = halves(96, 112)
    before, after = noisy_part(np.ones_like(marked))
    found = confine(before, after, Map.of(grid(np.repeat([[0.9999], [1e-5]], 3, axis=0) * np.ones((6, 7))), "noise"))
    assert found[:40].all()
    assert not found[56:].any()


def test_where_nothing_is_changed_nothing_is_found() -> None:
    before, _ = noisy_part(np.zeros((96, 112)))
    assert not confine(before, before, Map.of(grid(np.full((6, 7), 0.6)), "noise")).any()


def timid(picture: Planes, marked: np.ndarray, clean: torch.Tensor) -> Planes:
    """What an expert makes of it that leaves noise within 12 pixels of where there is none."""
    near = torch.from_numpy(~marked).float()[None, None]
    shy = torch.nn.functional.max_pool2d(near, 25, stride=1, padding=12)[0] > 0
    slip = torch.from_numpy(np.random.default_rng(1).normal(0, 3 / 255, clean.shape)).float()
    return Planes(torch.where(shy, picture.pixels, clean + slip))


@pytest.mark.parametrize("shape", [halves, corner])
@pytest.mark.parametrize("at_once", [regions.AT_ONCE, 2000])
def test_what_an_expert_leaves_beside_a_clean_part_is_found_with_all_of_it_damaged(
    shape, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "AT_ONCE", at_once)
    marked = shape(192, 208)
    before, after = noisy_part(marked)
    clean = after.pixels
    found = Map.of(grid(np.full((12, 13), 0.4)), "noise")
    first = confine(before, timid(before, marked, clean), found)
    damaged = spread(before, timid(before, marked, clean), first)
    second = Planes(clean + 3 / 255 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(2)))
    complete = completed(before, second, first, found)
    assert (marked & ~first).sum() > 0.05 * marked.sum()
    assert (complete != marked).mean() < 0.02
    whole = regions.read_all(damaged)
    torch.testing.assert_close(damaged.read(Region(16, 8, 50, 70)), whole[:, 16:66, 8:78])
    added = (whole - before.pixels)[:, ~marked].std()
    assert 0.7 * 25 / 255 < float(added) < 1.3 * 25 / 255


def test_damage_far_from_what_is_known_to_be_is_none_of_it() -> None:
    marked = corner(192, 208)
    before, after = noisy_part(np.ones_like(marked))
    complete = completed(before, after, marked, Map.of(grid(np.full((12, 13), 0.4)), "noise"))
    assert complete[:112, :112].mean() > 0.99
    assert not complete[144:, 144:].any()
