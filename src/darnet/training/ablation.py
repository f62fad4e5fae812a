"""One recipe in several variants, each trained alike: what every part of a network is worth (DaAIR Table 4 and others).

A study is `runs/<name>/<time>/{study.toml, study.json, <variant>/<time>/…}`; a variant that is finished is not run
again. All are validated on the same pictures.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from pydantic import Field

from darnet.errors import RecipeError
from darnet.models import cards
from darnet.training import series
from darnet.training.launch import Hardware
from darnet.training.recipe import Recipe, override, parse_recipe
from darnet.training.series import Series
from darnet.training.sources import Strict

DOCUMENT, REPORT = "study.toml", "study.json"


class Variant(Strict):
    """What differs from the recipe: changes as `override` takes them, one after the other."""

    name: str
    set: tuple[str, ...] = ()


class Study(Strict):
    """A recipe and its variants."""

    name: str
    recipe: dict[str, Any]
    variant: tuple[Variant, ...] = Field(min_length=1)

    def plan(self, variant: Variant) -> Recipe:
        """The recipe of one variant. Raises RecipeError."""
        document = deepcopy(self.recipe) | {"name": variant.name}
        for text in variant.set:
            override(document, text)
        return parse_recipe(document, f"variant {variant.name!r}")


def is_study(path: Path) -> bool:
    """Whether a TOML file describes variants rather than one run."""
    return series.has(path, "variant")


def load_study(path: Path, overrides: Sequence[str] = ()) -> Study:
    """Read a document, and change it as a recipe is changed (`recipe.stage.0.epochs=2`). Raises RecipeError."""
    study = series.load(path, Study, overrides)
    names = [variant.name for variant in study.variant]
    if len(set(names)) < len(names):
        raise RecipeError(f"{path}: two variants have one name")
    for variant in study.variant:
        study.plan(variant)
    return study


def start(study: Study, data: Path, runs: Path, hardware: Hardware | None = None, *, quiet: bool = False) -> Path:
    """All variants in a new folder of `runs`; returns it. Raises what `darnet.training.launch.start` does."""
    document, place = study.model_dump(mode="json"), runs / study.name / DOCUMENT
    return _run(study, series.begin(document, place, data, hardware or Hardware(), quiet=quiet))


def resume(
    folder: Path, data: Path | None = None, *, changes: Mapping[str, Any] | None = None, quiet: bool = False
) -> Path:
    """Go on where it stopped, on the hardware it began on, but for `changes` of its fields."""
    document, runs = series.again(folder / DOCUMENT, data, changes, quiet=quiet)
    return _run(Study.model_validate(document), runs)


def _run(study: Study, runs: Series) -> Path:
    rows = []
    for variant in study.variant:
        rows.append(_row(variant, runs.run(variant.name, study.plan(variant)), runs.folder))
        report = {"name": study.name, "variants": rows}  # written after each: a reader need not wait for the last
        (runs.folder / REPORT).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return runs.folder


def _row(variant: Variant, model: Path, folder: Path) -> dict[str, Any]:
    """What a variant is, and how it ended."""
    card = cards.read_card(model)
    kept = ("stage", "step", "seconds")
    last = {key: value for key, value in card.training["last"].items() if key in kept or key.startswith("val_")}
    return {
        "name": variant.name,
        "set": list(variant.set),
        "parameters": card.parameters,
        "model": model.relative_to(folder).as_posix(),
        **last,
    }
