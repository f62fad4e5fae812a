"""darnet.jobs.standing: whether what was done still is. What is made of it: test_resuming, test_status."""

from __future__ import annotations

from pathlib import Path

import pytest

from darnet.jobs.ledger import DONE, FAILED, RUNNING, WAITING, Entry
from darnet.jobs.standing import Standing
from darnet.jobs.traces import Trace


@pytest.fixture
def entry(pictures) -> Entry:
    source, output = pictures("in/a.png", seed=1), pictures("out/a.png", seed=2)
    return Entry("a.png", "in/a.png", Trace.of(source), DONE, digest="settings", files=(Trace.of(output, "a.png"),))


def standing(entry: Entry, status: str = DONE) -> Standing:
    known = {"source": entry.source, "digest": entry.digest, "files": entry.files}
    return Standing.of(Entry(entry.place, entry.name, status=status, **known), Path("out"))


@pytest.mark.parametrize("status", [DONE, WAITING, RUNNING, FAILED])
def test_what_is_done_is_there_as_it_was_under_these_settings_of_this_input(entry, pictures, status):
    found, source = standing(entry, status), Path("in/a.png")
    assert found.is_done("settings", source.absolute()) == (status in {DONE, WAITING})
    assert not found.is_done("others", source)
    pictures("in/a.png", seed=3)
    assert not found.is_done("settings", source)
    assert found.is_done("settings", None) == (status in {DONE, WAITING}), "it is away"


def test_what_somebody_has_put_there_is_named_and_what_is_left_of_ours_is_not(entry, pictures):
    output = Path("out/a.png")
    output.write_bytes(output.read_bytes()[:-100])
    assert (standing(entry).there, standing(entry).as_written, standing(entry).foreign) == (True, False, None)
    output.unlink()
    assert (standing(entry).there, standing(entry).as_written, standing(entry).foreign) == (False, False, None)
    pictures("out/a.png", seed=4)
    assert standing(entry).reason == "out/a.png: somebody has changed it since it was written; " + (
        "`overwrite=True` replaces it"
    )
    pictures("out/other.png", seed=4)
    other = Standing.of(Entry("a.png", "a.png", entry.source, DONE), Path("out"), [Path("out/other.png")])
    assert (other.foreign, other.changed) == (Path("out/other.png"), False)
