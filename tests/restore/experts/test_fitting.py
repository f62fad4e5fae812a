"""darnet.restore.experts.fitting: what is done where memory runs short at work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from darnet.errors import ResourceError
from darnet.images.budget import LEAST_TILE_PX
from darnet.images.regions import Planes, Region
from darnet.notices import overheard
from darnet.restore.experts.base import TILES, SelfEnsemble, Tiles
from darnet.restore.experts.fitting import Fitting
from darnet.restore.experts.foreign import ForeignExpert

SHORT = [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory"), torch.OutOfMemoryError("CUDA")]
SHORT += [RuntimeError("std::bad_alloc"), RuntimeError("could not create a memory object")]


def hungry(most_px: int, error: Exception, seen: list[tuple[int, ...]]) -> Callable[[Tensor], Tensor]:
    """A blur of small reach that has no memory for a tile with a longer side."""

    def repair(tile: Tensor) -> Tensor:
        seen.append(tuple(tile.shape[2:]))
        if max(tile.shape[2:]) > most_px:
            raise error
        return torch.nn.functional.avg_pool2d(tile, 9, stride=1, padding=4, count_include_pad=False)

    return repair


def photo(height: int, width: int) -> Tensor:
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("error", SHORT, ids=lambda error: type(error).__name__)
def test_smaller_tiles_are_taken_and_the_answer_is_the_same(error: Exception) -> None:
    seen: list[tuple[int, ...]] = []
    pixels = photo(900, 1300)
    with overheard() as said:
        found = ForeignExpert("hungry", hungry(300, error, seen), TILES, multiple_of=4)(pixels)
    torch.testing.assert_close(found, hungry(9999, error, [])(pixels[None])[0])
    assert [str(one) for one in said] == [
        "picture: memory is short: tiles of 450 px in place of 900",
        "picture: memory is short: tiles of 256 px in place of 424",
    ]
    assert len([shape for shape in seen if max(shape) > 300]) == 2  # and never tried again
    assert all(side % 4 == 0 for shape in seen for side in shape)


def test_every_view_of_an_ensemble_is_fitted() -> None:
    pixels = photo(400, 520)
    expert = ForeignExpert("hungry", hungry(300, MemoryError(), []), TILES)
    whole = ForeignExpert("patient", hungry(9999, MemoryError(), []), TILES)
    with overheard():
        torch.testing.assert_close(SelfEnsemble(expert)(pixels), SelfEnsemble(whole)(pixels))


def test_stated_tiles_are_kept_to() -> None:
    seen: list[tuple[int, ...]] = []
    expert = ForeignExpert("hungry", hungry(300, MemoryError(), seen), Tiles(512))
    with pytest.raises(ResourceError, match=r"out of memory on a tile of 512×512; .* make `tiles` smaller"):
        expert(photo(896, 896))
    assert len(seen) == 1


def test_there_is_a_least() -> None:
    seen: list[tuple[int, ...]] = []
    with overheard(), pytest.raises(ResourceError, match=r"out of memory on a tile of \d+ px, the least"):
        ForeignExpert("hungry", hungry(0, MemoryError(), seen), TILES)(photo(1152, 1152))
    sides = [max(shape) for shape in seen]
    assert sides[0] == 1152
    assert sides == sorted(sides, reverse=True)
    assert sides[-1] <= LEAST_TILE_PX < sides[-2]


def test_other_errors_pass_at_once() -> None:
    seen: list[tuple[int, ...]] = []
    with pytest.raises(RuntimeError, match="shapes differ"):
        ForeignExpert("odd", hungry(0, RuntimeError("shapes differ"), seen), TILES)(photo(600, 600))
    assert len(seen) == 1


def test_parts_are_told_where_they_lie() -> None:
    """The function answers with what it is told of the place: rows and columns of the picture."""
    source = Planes(photo(600, 700))

    def places(tile: Tensor, region: Region) -> Tensor:
        if max(tile.shape[2:]) > 300:
            raise MemoryError
        rows = torch.arange(region.top, region.bottom).view(1, 1, -1, 1) / 1000
        return (rows + torch.arange(region.left, region.right) / 1000).expand_as(tile)

    with overheard():
        found = Fitting(places, replace(TILES, overlap_px=32))(source.pixels[None], Region(100, 200, 600, 700))
    wanted = torch.arange(100, 700).view(-1, 1) / 1000 + torch.arange(200, 900) / 1000
    torch.testing.assert_close(found[0, 0], wanted)
