"""darnet.cli.options: what the values of options mean."""

from __future__ import annotations

import gc
from typing import get_args

import pytest

from darnet.cli import options
from darnet.cli.options import no_collection, split_quality, tiles_of
from darnet.engines.devices import Precision
from darnet.errors import UsageError
from darnet.images import image
from darnet.jobs import encoding
from darnet.restore.experts import Tiles
from darnet.systems import spec


@pytest.mark.parametrize(
    ("text", "tiles"),
    [("auto", None), ("off", Tiles(0)), ("512", Tiles(512, 128)), ("64", Tiles(64, 32))],
)
def test_tiles(text, tiles):
    assert tiles_of(text) == tiles


@pytest.mark.parametrize("text", ["x", "3", "-64", "1.5", ""])
def test_tiles_that_are_none(text):
    with pytest.raises(UsageError, match=f"--tile {text}: expected auto, off or a number of pixels from 16"):
        tiles_of(text)


def test_choices_are_those_of_the_library():
    """Written twice: what `--help` needs must not import numpy."""
    assert get_args(options.Extension) == get_args(encoding.Extension)
    assert get_args(options.BitDepth) == get_args(image.BitDepth)
    assert get_args(options.MetadataChoice) == get_args(image.MetadataChoice)
    assert get_args(options.ProfileChoice) == get_args(image.ProfileChoice)
    assert get_args(options.PrecisionName) == get_args(Precision)
    assert get_args(options.Effort) == get_args(spec.Quality)


@pytest.mark.parametrize("enabled", [True, False])
def test_no_garbage_is_looked_for_meanwhile(enabled):
    (gc.enable if enabled else gc.disable)()
    try:
        with pytest.raises(ZeroDivisionError), no_collection():
            assert not gc.isenabled()
            raise ZeroDivisionError
        assert gc.isenabled() == enabled
        assert gc.get_freeze_count()  # what was made is not looked through afterwards, either
    finally:
        gc.unfreeze()
        gc.enable()


@pytest.mark.parametrize("command", ["restore", "diagnose"])
def test_no_garbage_is_looked_for_while_a_system_is_loaded(monkeypatch, darnet, pictures, command):
    seen = []

    def build(self: spec.RestorerSpec) -> None:
        seen.append(gc.isenabled())
        raise UsageError("enough")

    pictures("a.png")
    monkeypatch.setattr(spec.RestorerSpec, "build", build)
    assert darnet(command, "a.png").err == "darnet: enough\n"
    assert (seen, gc.isenabled(), gc.get_freeze_count()) == ([False], True, 0)


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
