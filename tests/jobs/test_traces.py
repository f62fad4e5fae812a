"""darnet.jobs.traces: files as they were."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from darnet.errors import ImageError
from darnet.images.image import Image
from darnet.jobs.traces import Trace, is_at, is_whole, seen


def test_a_file_is_the_same_by_its_date_or_by_what_it_holds(pictures):
    path = pictures("a.png")
    trace, seen = Trace.of(path, "name"), Trace.of(path, whole=False)
    assert (trace.path, trace.size, seen.sha256) == ("name", path.stat().st_size, "")
    assert trace.fits(path) and seen.fits(path)
    os.utime(path, (1, 1))
    assert trace.fits(path) and not seen.fits(path)
    path.write_bytes(bytes(trace.size))
    assert not trace.fits(path)
    path.unlink()
    assert not trace.fits(path)
    with pytest.raises(OSError, match="No such file"):
        Trace.of(path)


def test_what_is_left_of_a_file_is_not_whole(pictures):
    path = pictures("a.png", side=64)
    trace, data = Trace.of(path), path.read_bytes()
    for kept in (0, 20, len(data) // 2, len(data) - 20):
        path.write_bytes(data[:kept])
        assert not is_whole(path, trace)
    assert is_whole(pictures("a.png", seed=1), trace)
    other = Path("a.residuals")
    other.write_bytes(data)
    trace = Trace.of(other)
    other.write_bytes(data[:-1])
    assert not is_whole(other, trace)
    other.write_bytes(data + b"more")
    assert is_whole(other, trace)


def test_what_darnet_cannot_read_is_somebodys(pictures, monkeypatch):
    path = pictures("a.png", side=64)
    trace = Trace.of(path)
    path.write_bytes(path.read_bytes()[:-20])

    def refused(path: Path, **_: object) -> None:
        raise ImageError(path, "TIFF files in Lab of 8 bits are not supported")

    monkeypatch.setattr(Image, "read", refused)
    assert is_whole(path, trace)


def test_a_link_to_nothing_lies_where_it_is_and_leads_where_it_did(pictures):
    path = pictures("elsewhere/a.png")
    Path("a.png").symlink_to(path)
    before = seen(Path("a.png"))
    path.unlink()
    after = seen(Path("a.png"))
    assert (before.path, after) == (os.path.realpath(path), Trace(os.path.realpath(".") + "/a.png", 0, 0))
    assert is_at(before, Path("a.png")) and is_at(after, Path("a.png"))
    assert not is_at(before, Path("b.png")) and not is_at(after, path)
