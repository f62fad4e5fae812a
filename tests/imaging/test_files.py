"""Files on the way."""

import torch
from torch import Generator
from torch.nn import functional as F

from darnet.imaging import files
from darnet.imaging.storage import jpeg

PICTURES = F.interpolate(
    torch.rand(2, 3, 12, 12, generator=Generator().manual_seed(0)), (64, 64), mode="bicubic"
).clamp(0, 1)
DRAWN = (torch.tensor([20.0, 40.0]), torch.tensor([False, True]))
RNG = Generator()


def block_edges(stored: torch.Tensor, offset: int) -> float:
    """How much larger steps are across columns that are `offset` beyond a multiple of 8."""
    steps = (stored - PICTURES).diff(dim=3).abs().mean(dim=(0, 1, 2))
    chosen = [index for index in range(len(steps)) if (index + 1) % 8 == offset % 8]
    return float(steps[chosen].mean() / steps.mean())


def test_blocks_begin_where_the_file_began() -> None:
    plain = files.Compression().apply(PICTURES, DRAWN, RNG)
    assert torch.equal(plain, jpeg(PICTURES, *DRAWN))
    assert block_edges(plain, 0) > 1.2
    cropped = files.CompressionOffGrid(shift=3).apply(PICTURES, DRAWN, RNG)
    assert cropped.shape == PICTURES.shape
    assert block_edges(cropped, 5) > 1.2
    assert block_edges(cropped, 0) < 1.1


def test_saved_again_is_not_on_its_first_grid() -> None:
    once = files.CompressionOffGrid(shift=3).apply(PICTURES, DRAWN, RNG)
    twice = files.CompressionTwice(shift=3).apply(PICTURES, DRAWN, RNG)
    assert not torch.equal(once, twice)
    assert float((once - twice).abs().mean()) < float((once - PICTURES).abs().mean())


def test_resized_pictures_keep_their_size_and_range() -> None:
    smaller = files.resized(PICTURES, 40)
    assert smaller.shape == (2, 3, 40, 40)
    assert 0 <= float(smaller.min()) <= float(smaller.max()) <= 1
    soft = files.Resizing(factor=0.5).apply(PICTURES, (torch.zeros(2),), RNG)
    assert soft.shape == PICTURES.shape
    noise = torch.rand(2, 3, 64, 64, generator=Generator().manual_seed(0))
    softer = files.Resizing(factor=0.5).apply(noise, (torch.zeros(2),), RNG)
    assert float(softer.diff(dim=3).abs().mean()) < 0.6 * float(noise.diff(dim=3).abs().mean())


def test_dither_fills_the_gaps_of_a_histogram() -> None:
    gaps = (torch.arange(0, 256, 2) / 255).repeat(3, 64, 1)[None]
    filled = files.Dither().apply(gaps, (torch.tensor([3.0]),), Generator().manual_seed(0))
    levels = (filled * 255).round()
    assert len(levels.unique()) > 200
    assert float((levels - gaps * 255).abs().max()) <= 2
