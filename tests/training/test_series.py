"""A series: each of its runs is begun, taken up, or done already."""

from __future__ import annotations

from pathlib import Path

import pytest

from darnet.errors import RecipeError, UsageError
from darnet.training import launch
from darnet.training.hardware import Hardware
from darnet.training.plan import Budget
from darnet.training.recipe import Recipe
from darnet.training.series import Series, SeriesPlan

CPU = Hardware("cpu", 1, "fp32")


#: What `Two` was asked to carry out.
CARRIED: list[tuple[SeriesPlan, Series]] = []


class Two(SeriesPlan):
    KEY, DOCUMENT = "two", "two.toml"

    @property
    def recipes(self) -> list[Recipe]:
        return []

    def check(self) -> None:
        if self.name == "none":
            raise RecipeError("there is none")

    def carry_out(self, runs: Series) -> None:
        CARRIED.append((self, runs))


@pytest.fixture(autouse=True)
def nothing_carried() -> None:
    CARRIED.clear()


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
    begun = Two(name="two").start(tmp_path, tmp_path / "runs", CPU, quiet=True)
    assert begun.parent == tmp_path / "runs" / "two"
    assert Two.resume(begun, quiet=True) == begun
    assert Two.resume(begun, Path("moved"), changes={"precision": "bf16"}) == begun
    (plan, first), (same, again), (_, moved) = CARRIED
    assert plan == same == Two(name="two")
    assert again == first == Series(begun, tmp_path, CPU, quiet=True)
    assert (moved.data, moved.hardware.precision, moved.changes) == (Path("moved"), "bf16", {"precision": "bf16"})


@pytest.mark.parametrize("world", ["1", "2"])
def test_many_processes_are_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: str
) -> None:
    monkeypatch.setenv("WORLD_SIZE", world)
    with pytest.raises(UsageError, match="one process"):
        Two(name="two").start(tmp_path, tmp_path / "runs", Hardware("cpu", 3 - int(world)), quiet=True)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("given", [{"weights": Path("card")}, {"budget": Budget(1.0)}])
def test_what_is_for_one_run_is_refused_before_anything_is_written(tmp_path: Path, given: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="class-incremental learning and an ablation"):
        Two(name="two").start(tmp_path, tmp_path / "runs", CPU, **given)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("name", "reason"), [("none", "there is none"), (3, "two.toml: name: ")])
def test_a_document_is_checked_when_it_is_parsed(name: object, reason: str) -> None:
    with pytest.raises(RecipeError, match=reason):
        Two.parse({"name": name}, "two.toml")
    assert Two.parse({"name": name}, "two.toml", ["name=two"]) == Two(name="two")
