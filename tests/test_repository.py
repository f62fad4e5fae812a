"""The repository keeps its word: figures, weights and examples are what the README says."""

from __future__ import annotations

import re
import runpy
import shlex
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

import darnet
from darnet.benchmark import suites
from darnet.benchmark.footprint import idle
from darnet.models import cards
from darnet.systems import manifest
from darnet.training import experiments
from darnet.training.recipe import Recipe, find_recipe, load_recipe, parse_recipe, shipped_recipes

ROOT = Path(__file__).parents[1]
DOCUMENTS = {path.stem: suites.read(path) for path in sorted((ROOT / "benchmarks").glob("*.json"))}
FOLDERS = sorted(path.parent for path in manifest.SHIPPED.glob("*/*/card.json"))


#: Pictures of each set that figures are quoted of.
SIZES = {"CBSD68": 68, "McMaster": 18, "Rain100L": 30, "SOTS-indoor": 20, "LOLv1": 15, "GoPro-like": 3}
SIZES |= {"PolyU": 15, "RENOIR": 6, "SICE": 12, "PFRN": 9, "graphics": 20}


def test_the_figures_that_are_quoted_are_those_that_were_measured() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "readme.py"))
    readme, page = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/benchmarks.md"))
    assert readme == script["updated"](readme, DOCUMENTS), "run scripts/readme.py"
    assert page == script["page"](DOCUMENTS), "run scripts/readme.py"
    noise = DOCUMENTS["noise"]
    rows = tuple(replace(row, psnr=row.psnr + 0.01) for row in noise.part.rows)
    changed = {**DOCUMENTS, "noise": replace(noise, parts=(replace(noise.part, rows=rows),))}
    assert readme != script["updated"](readme, changed)
    assert page != script["page"](changed)


def test_every_quoted_figure_covers_every_picture() -> None:
    for name, document in DOCUMENTS.items():
        assert document.failures == ()
        for part in document.parts:
            assert {row.protocol for row in part.rows} == {part.protocol.digest}
            for row in part.rows:
                sizes = SIZES | ({"SOTS-indoor": 10} if name == "clean" else {})  # targets of two pairs each
                wanted = {"noise-peers": 12, "blur-peers": 12, "speed": 1}.get(name, sizes[row.set])
                assert row.n == wanted
                assert row.failed == 0


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_shipped_card_is_whole(folder: Path) -> None:
    card = cards.verify(folder)
    model, _ = cards.load(folder)
    stored, working = (6e6, 2.5e6) if folder.parent.name == manifest.DEFAULT else (12e6, 4.5e6)  # docs/adr/0055
    assert card.parameters <= stored
    assert card.parameters - idle(model) <= working  # on one picture
    for value in (card.licence, card.data, card.training, card.scores, card.weaknesses, card.handles):
        assert value
    assert {"recipe", "command", "hours", "hardware"} <= card.training.keys()
    assert (folder / "README.md").read_text(encoding="utf-8") == cards.render(card)


def test_what_ships_fits_a_wheel() -> None:
    """Weights are as good as incompressible."""
    assert sum(path.stat().st_size for path in manifest.SHIPPED.rglob("*") if path.is_file()) <= 90e6


@pytest.mark.parametrize("name", manifest.shipped())
def test_every_shipped_system_is_complete(name: str) -> None:
    system, folder = manifest.read_system(name)
    own = {part for part in (system.router, *system.experts.values()) if not part.startswith(manifest.PACKAGE)}
    assert own == {path.name for path in FOLDERS if path.parent == folder}
    assert set(cards.read_card(manifest.part(folder, system.router)).handles) == {"clean", *system.experts}
    for kind, part in system.experts.items():
        assert kind in cards.read_card(manifest.part(folder, part)).handles


def test_every_shipped_expert_was_trained_by_the_recipe_in_the_repository() -> None:
    for folder in FOLDERS:
        assert parse_recipe(cards.read_card(folder).training["recipe"]) == load_recipe(find_recipe(folder.name))


def needs(recipes: Sequence[Recipe]) -> set[str]:
    """What they learn from besides clean photos, below the folder of material."""
    sources = [spec for recipe in recipes for stage in recipe.stage for spec in stage.degradations]
    pairs = {f"pairs/{kind}/" for recipe in recipes for kind in recipe.paired}
    depth = {"depth/" for recipe in recipes if recipe.deep}
    return pairs | depth | {path for spec in sources for path in spec.files.values()}


def test_the_page_on_training_says_what_each_recipe_needs() -> None:
    page = (ROOT / "docs" / "how-to" / "train.md").read_text(encoding="utf-8")
    table = page.partition("| recipe | needs besides clean photos |\n|---|---|\n")[2].partition("\n\n")[0]
    rows = [[cell.replace("`", "").split(", ") for cell in row.strip("| ").split(" | ")] for row in table.splitlines()]
    told = {name: set(what) - {"–"} for names, what in rows for name in names}
    trained = {name: path for name, path in shipped_recipes().items() if not name.startswith("extend/")}
    assert told == {name: needs(experiments.load(path).recipes) for name, path in trained.items()}


def test_what_the_pages_train_on_photos_needs_nothing_but_photos() -> None:
    commands = []
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        lines = page.read_text(encoding="utf-8").splitlines()
        commands += [line for line in lines if re.search(r"^(?=[\w.]).*darnet train .*--data (~/photos|PHOTOS)", line)]
    assert len(commands) > 5
    for command in commands:
        name, *options = shlex.split(command.partition("darnet train ")[2], comments=True)
        changes = [value for option, value in pairwise(options) if option == "--set"]
        assert needs(experiments.load(find_recipe(name), changes).recipes) == set(), command


def test_a_dependency_has_a_lower_bound_and_peers_are_pulled_in_by_nobody() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    for named in (project["dependencies"], *extras.values()):
        assert [name for name in named if ">=" not in name and not name.startswith("darnet[")] == []
    apart = {"bm3d", "ffdnet", "spandrel_extra_arches"}
    for extra, named in extras.items():
        if extra not in {"peers", "foreign-restricted"}:
            text = " ".join(named)
            assert not any(name in text for name in (*apart, "peers", "restricted")), extra
    assert not any("darnet" in name for name in project["dependencies"])


EXPECTED = {
    "cat-noisy.jpg": "noise",
    "rocket-grainy.jpg": "noise",
    "coffee-blurred.png": "blur",
    "coffee-overexposed.jpg": "overexposure",
    "rocket-hazy.jpg": "haze",
    "cat-rainy.jpg": "rain",
    "coffee-shaken.png": "motion",
    "astronaut-dark.jpg": "lowlight",
    "cat-compressed.jpg": "jpeg",
    "coffee-clean.jpg": "clean",
}


def test_the_examples_are_diagnosed_and_the_clean_one_is_left_alone() -> None:
    restorer = darnet.load(device="cpu")
    assert sorted(path.name for path in (ROOT / "examples").glob("*-*")) == sorted(EXPECTED)
    for name, kind in EXPECTED.items():
        result = restorer(ROOT / "examples" / name)
        assert result.diagnosis is not None
        assert result.diagnosis.label == kind, name
        assert result.changed == (kind != "clean")
