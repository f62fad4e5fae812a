"""darnet.images.regions: parts of a picture, its views and what lies beyond it, as if it had been read whole."""

from __future__ import annotations

import pytest
import torch

from darnet.images import geometry, scratch, tiles
from darnet.images.regions import (
    Grown,
    Kept,
    Planes,
    Region,
    Viewed,
    as_source,
    gather,
    parts,
    read_all,
    read_beyond,
    turned,
)
from darnet.images.tiles import TilePlan, by_tiles, pad_to

PIXELS = torch.rand(3, 37, 53, generator=torch.Generator().manual_seed(0))
REGION = Region(5, 11, 9, 20)


@pytest.mark.parametrize("way", range(geometry.COUNT))
def test_a_view_is_read_by_region(way: int) -> None:
    source, whole = Viewed(Planes(PIXELS), way), geometry.view(PIXELS, way)
    assert torch.equal(read_all(source), whole)
    assert torch.equal(source.read(REGION), REGION.cut(whole))
    there = turned(REGION, *PIXELS.shape[1:], way)
    assert torch.equal(there.cut(whole), geometry.view(REGION.cut(PIXELS), way))


def test_what_is_kept_between_steps_gives_its_memory_back(monkeypatch: pytest.MonkeyPatch) -> None:
    given_back: list[str] = []
    monkeypatch.setattr(scratch, "MOST_BYTES", 256)
    monkeypatch.setattr(scratch, "release", lambda: given_back.append("all"))
    kept = Kept.empty(*PIXELS.shape)
    for region, pixels in parts(Planes(PIXELS)):
        kept.write(region, pixels)
    assert given_back == ["all"]
    part = kept.read(REGION)
    assert given_back == ["all", "all"]
    assert part.is_contiguous()  # and not a view of the file
    assert torch.equal(part, REGION.cut(PIXELS))
    assert torch.equal(read_all(kept), PIXELS)


@pytest.mark.parametrize("multiple_of", [1, 16, 50, 64])
def test_what_lies_beyond_mirrors_the_picture(multiple_of: int) -> None:
    whole, grown = pad_to(PIXELS, multiple_of), Grown(Planes(PIXELS), multiple_of)
    assert (grown.height, grown.width) == tuple(whole.shape[1:])
    assert torch.equal(read_all(grown), whole)
    corner = Region(grown.height - 3, grown.width - 2, 3, 2)
    assert torch.equal(read_beyond(Planes(PIXELS), corner), corner.cut(whole))


def test_parts_are_the_whole() -> None:
    assert torch.equal(gather(parts(Planes(PIXELS)), like=PIXELS), PIXELS)


def test_pieces_cover_a_picture_once_and_are_what_blending_all_of_it_gives() -> None:
    plan = TilePlan.cut(37, 53, tile_px=20, overlap_px=13, multiple_of=2)
    blended = torch.zeros(3, 64, 64)
    covered = torch.zeros(37, 53)

    def shade(tile: torch.Tensor, region: Region) -> torch.Tensor:
        return tile + torch.linspace(0, 1, tile.shape[3])  # every tile says something else of a pixel

    answers = [*by_tiles(plan, shade, Planes(PIXELS))]
    for region, pixels in answers:
        assert pixels.shape[1:] == (region.height, region.width)
        region.cut(covered).add_(1)
    assert bool((covered == 1).all())
    vertical, horizontal = tiles._weights(plan.rows, plan.tile_height), tiles._weights(plan.columns, plan.tile_width)
    for region in plan.regions:
        row, column = plan.rows.index(region.top), plan.columns.index(region.left)
        answer = shade(read_beyond(Planes(PIXELS), region)[None], region)[0]
        region.cut(blended).add_(answer * vertical[row][:, None] * horizontal[column])
    assert torch.equal(gather(iter(answers), like=PIXELS), blended[:, :37, :53])


@pytest.mark.parametrize("shape", [(1, 3, 20, 20), (20, 20), (3, 0, 20)])
def test_only_pictures_are_sources(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected a picture"):
        as_source(torch.zeros(shape))
