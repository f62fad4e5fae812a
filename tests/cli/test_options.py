"""darnet.cli.options: one definition of what a system is."""

from __future__ import annotations

import pytest

from darnet.cli.options import System
from darnet.experts import Tiles


@pytest.mark.parametrize(
    ("text", "tiles"),
    [("auto", Tiles(1024, 64)), ("off", Tiles(0)), ("512", Tiles(512, 64)), ("64", Tiles(64, 16))],
)
def test_tiles(text, tiles):
    chosen = System(tile=text).tiles
    assert chosen.size_px == tiles.size_px
    if tiles.size_px:
        assert chosen == tiles


def test_load_hands_everything_on(tiny_system):
    restorer = System(str(tiny_system), "cpu", "fp32", "off", 0.25, 3).load()
    assert (restorer.min_confidence, restorer.max_steps) == (0.25, 3)
