"""Recipes, studies and curricula: loaded by one function, run and gone on with by one method."""

from __future__ import annotations

from pathlib import Path

import pytest

from darnet.errors import RecipeError
from darnet.training import experiments, launch
from darnet.training.ablation import Ablation
from darnet.training.continual import ClassIncremental
from darnet.training.experiments import Single
from darnet.training.plan import Budget
from darnet.training.recipe import find_recipe, shipped_recipes


@pytest.mark.parametrize("name", sorted(shipped_recipes()))
def test_whatever_ships_is_loaded(name: str) -> None:
    if name.startswith("extend/"):
        pytest.skip("a template: `darnet extend` fills it in")
    kind = ClassIncremental if "phases" in name else Ablation if name.startswith("ablation/") else Single
    assert type(experiments.load(find_recipe(name))) is kind


def test_overrides_reach_each(tmp_path: Path) -> None:
    single = experiments.load(find_recipe("noise"), ["seed=7"])
    study = experiments.load(find_recipe("ablation/daair"), ["recipe.seed=7"])
    curriculum = experiments.load(find_recipe("phases"), ["recipe.seed=7"])
    assert isinstance(single, Single) and isinstance(study, Ablation) and isinstance(curriculum, ClassIncremental)
    assert {single.recipe.seed, study.plan(study.variant[0]).seed, curriculum.plan(0).seed} == {7}


@pytest.mark.parametrize(("content", "reason"), [(None, "No such file"), (b"= 3", "not TOML"), (b"\xff", "not TOML")])
def test_what_cannot_be_read_names_the_file(tmp_path: Path, content: bytes | None, reason: str) -> None:
    if content is not None:
        (tmp_path / "odd.toml").write_bytes(content)
    with pytest.raises(RecipeError, match=rf"odd\.toml: .*{reason}"):
        experiments.load(tmp_path / "odd.toml")


def test_a_recipe_is_one_run(monkeypatch: pytest.MonkeyPatch) -> None:
    told = []
    monkeypatch.setattr(launch, "start", lambda *arguments, **options: told.append((arguments, options)) or Path("a"))
    single, hardware, budget = experiments.load(find_recipe("noise")), launch.Hardware("cpu"), Budget(1.0)
    assert isinstance(single, Single)
    where = (Path("photos"), Path("runs"), hardware)
    assert single.start(*where, weights=Path("card"), budget=budget, quiet=True) == Path("a")
    assert told == [((single.recipe, *where), {"weights": Path("card"), "budget": budget, "quiet": True})]


@pytest.mark.parametrize(
    ("document", "kind"), [("ablation.toml", Ablation), ("continual.toml", ClassIncremental), ("recipe.toml", Single)]
)
def test_a_folder_goes_on_as_what_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, document: str, kind: type
) -> None:
    (tmp_path / document).touch()

    def going_on(cls: type, run: Path, data: Path | None, *, changes: dict[str, str], quiet: bool) -> Path:
        return Path(f"{cls.__name__} {run.name} {data} {changes} {quiet}")

    for one in (Ablation, ClassIncremental, Single):
        monkeypatch.setattr(one, "resume", classmethod(going_on))
    found = experiments.resume(tmp_path, Path("photos"), changes={"device": "cpu"}, quiet=True)
    assert found == Path(f"{kind.__name__} {tmp_path.name} photos {{'device': 'cpu'}} True")


def test_a_folder_that_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"recipe\.toml: No such file"):
        experiments.resume(tmp_path)
