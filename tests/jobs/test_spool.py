"""darnet.jobs.spool: what grows with the number of pictures lies on disk."""

from __future__ import annotations

import random
import tempfile
from itertools import count
from pathlib import Path

import pytest

from darnet.errors import ResourceError
from darnet.jobs import spool
from darnet.jobs.inputs import Source
from darnet.jobs.spool import AT_ONCE, Numbers, Spool, in_order


@pytest.mark.parametrize("size", [0, 1, AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, 3 * AT_ONCE + 5])
def test_what_is_read_is_what_was_added(size: int) -> None:
    sources = [Source(f"in/{n}.png", Path(f"in/{n}.png"), Path(f"{n}.png"), folder=Path("in")) for n in range(size)]
    kept = Spool(sources)
    assert len(kept) == size
    assert list(kept) == sources == list(kept)
    assert [kept[number] for number in range(-size, size)] == [sources[number] for number in range(-size, size)]
    assert kept[1:-1] == tuple(sources[1:-1])
    with pytest.raises(IndexError):
        kept[size]


def test_several_may_read_at_once() -> None:
    kept = Spool(range(3 * AT_ONCE))
    assert all(one == other for one, other in zip(kept, kept, strict=True))


def test_where_there_is_no_room_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(spool, "TemporaryFile", full)
    with pytest.raises(ResourceError, match=r"no room among temporary files .*No space left"):
        Spool(range(AT_ONCE))


def test_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    kept = Spool(range(2 * AT_ONCE))
    assert sum(kept) == sum(range(2 * AT_ONCE))
    assert not list(tmp_path.iterdir())


def test_names_in_order_however_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "SORTED_AT_ONCE", 300)
    names = [f"{number}\udcff.png" for number in range(1000)]
    random.Random(0).shuffle(names)
    assert list(in_order(names)) == sorted(names)
    assert list(in_order(names[:300])) == sorted(names[:300])


def test_the_first_number_of_a_key_stays() -> None:
    numbers, coming = Numbers(), count()
    keys = ["b", "a\udcff", "b", "a\udcff", "ä"]
    assert [numbers.first(key, next(coming)) for key in keys] == [0, 1, 0, 1, 4]
    assert (len(numbers), numbers.get("ä"), numbers.get("c")) == (3, 4, None)
