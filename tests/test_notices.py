"""darnet.notices: what is said of pictures, and who hears it."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from threading import Barrier

import pytest

from darnet.notices import ImageWarning, overheard, warn


def test_each_thread_hears_what_is_said_in_it_and_none_waits_for_another() -> None:
    """One lock was held through all of a picture: two threads that read took as long as one."""
    together = Barrier(8, timeout=30)

    def say(name: int) -> list[str]:
        with overheard() as said:
            together.wait()  # all are inside
            for number in range(20):
                warn(Path(f"{name}.png"), f"said {number}")
            together.wait()
        return [str(warning) for warning in said]

    before = warnings.filters.copy(), warnings.showwarning
    with ThreadPoolExecutor(8) as pool:
        heard = list(pool.map(say, range(8)))
    assert heard == [[f"{name}.png: said {number}" for number in range(20)] for name in range(8)]
    assert (warnings.filters, warnings.showwarning) == before


def test_what_is_heard_inside_what_is_heard() -> None:
    with overheard() as outer:
        warn(None, "before")
        with overheard() as inner:
            warn(None, "inside")
        warn(None, "after")
        warn(None, "before")  # said once
    assert [said.reason for said in outer] == ["before", "after"]
    assert [said.reason for said in inner] == ["inside"]


def test_what_nobody_hears_is_a_warning_that_others_filter_as_ever() -> None:
    with pytest.warns(ImageWarning, match=r"^a\.tif: is sad$") as caught:
        warn(Path("a.tif"), "is sad")
    assert caught[0].filename == __file__
    with overheard() as said, pytest.warns(UserWarning, match="somebody else's"):
        warnings.warn("somebody else's", stacklevel=1)
    assert said == []


def test_a_warning_names_no_picture_twice() -> None:
    with overheard() as said:
        warn(Path("a.tif"), "is sad")
        warn(None, "is grey")
    assert [warning.beside(Path("a.tif")) for warning in said] == ["is sad", "is grey"]
    assert [warning.beside(None) for warning in said] == ["a.tif: is sad", "is grey"]
    again = ForkingPickler.loads(ForkingPickler.dumps(said[0]))
    assert (str(again), again.path) == ("a.tif: is sad", Path("a.tif"))
