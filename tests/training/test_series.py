"""A series: each of its runs is begun, taken up, or done already."""

from __future__ import annotations

from pathlib import Path

import pytest

from darnet.errors import UsageError
from darnet.training import launch, series
from darnet.training.launch import Hardware
from darnet.training.series import Series

CPU = Hardware("cpu", 1, "fp32")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, object]]:
    """What is asked of `launch`, which answers with a folder."""
    found: list[tuple[str, object]] = []

    def start(recipe, data, runs, hardware, *, weights, cache, quiet):
        found.append(("start", (recipe, data, runs, hardware, weights, cache)))
        return Path("started")

    def resume(run, data, *, changes, cache, quiet):
        found.append(("resume", (run, data, changes, cache)))
        return Path("resumed")

    monkeypatch.setattr(launch, "start", start)
    monkeypatch.setattr(launch, "resume", resume)
    return found


def test_a_run_is_begun_once(told: list[tuple[str, object]], tmp_path: Path) -> None:
    runs = Series(tmp_path, Path("photos"), CPU, quiet=True)
    assert runs.run("one", "recipe", Path("weights")) == Path("started")
    assert told == [("start", ("recipe", Path("photos"), tmp_path, CPU, Path("weights"), runs.cache))]
    (tmp_path / "one" / "1").mkdir(parents=True)
    assert runs.run("one", "recipe") == Path("resumed")
    assert told[1:] == [("resume", (tmp_path / "one" / "1", Path("photos"), {}, runs.cache))]
    (tmp_path / "one" / "1" / "model").mkdir()
    assert runs.run("one", "recipe") == tmp_path / "one" / "1" / "model"
    assert len(told) == 2


def test_the_document_says_where_it_goes_on(tmp_path: Path) -> None:
    begun = series.begin({"name": "two"}, tmp_path / "runs" / "two.toml", tmp_path, CPU, quiet=True)
    assert begun.folder.parent == tmp_path / "runs"
    document, again = series.again(begun.folder / "two.toml", None, quiet=True)
    assert document == {"name": "two"}
    assert again == begun
    assert series.again(begun.folder / "two.toml", Path("moved"), quiet=True)[1].data == Path("moved")


@pytest.mark.parametrize("world", ["1", "2"])
def test_many_processes_are_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: str
) -> None:
    monkeypatch.setenv("WORLD_SIZE", world)
    with pytest.raises(UsageError, match="one process"):
        series.begin({}, tmp_path / "runs" / "two.toml", tmp_path, Hardware("cpu", 3 - int(world)), quiet=True)
    assert not (tmp_path / "runs").exists()
