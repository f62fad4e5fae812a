"""darnet.cli.options: one definition of what a system is."""

from __future__ import annotations

import gc

import pytest

from darnet.cli.options import System, split_quality
from darnet.errors import UsageError
from darnet.restore import restorer
from darnet.restore.experts import SelfEnsemble, Tiles


@pytest.mark.parametrize(
    ("text", "tiles"),
    [("auto", Tiles(1152, 128)), ("off", Tiles(0)), ("512", Tiles(512, 128)), ("64", Tiles(64, 32))],
)
def test_tiles(text, tiles):
    chosen = System(tile=text).tiles
    assert chosen.size_px == tiles.size_px
    if tiles.size_px:
        assert chosen == tiles


def test_load_hands_everything_on(tiny_system):
    restorer = System(str(tiny_system), "cpu", "fp32", "off", 0.25, 3, "best").load()
    assert (restorer.min_confidence, restorer.max_steps) == (0.25, 3)
    assert isinstance(restorer.experts["noise"], SelfEnsemble)


@pytest.mark.parametrize("enabled", [True, False])
def test_no_garbage_is_looked_for_while_a_system_is_loaded(monkeypatch, enabled):
    seen = []
    monkeypatch.setattr(restorer, "load", lambda *_, **__: seen.append(gc.isenabled()))
    (gc.enable if enabled else gc.disable)()
    try:
        System().load()
        assert (seen, gc.isenabled()) == ([False], enabled)
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("values", "wanted"),
    [(None, ("fast", None)), (["90"], ("fast", 90)), (["best"], ("best", None)), (["7", "best"], ("best", 7))],
)
def test_quality_is_of_the_restoration_and_of_the_file(values, wanted):
    assert split_quality(values) == wanted


@pytest.mark.parametrize("values", [["finest"], ["-1"], ["1.5"], ["best", "fast"], ["90", "80"]])
def test_a_quality_that_is_neither_is_refused(values):
    with pytest.raises(UsageError, match="--quality"):
        split_quality(values)
