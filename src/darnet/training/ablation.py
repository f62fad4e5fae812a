"""One recipe in several variants, each trained alike: what every part of a network is worth (DaAIR Table 4 and others).

Its run is `runs/<name>/<time>/{ablation.toml, ablation.json, <variant>/<time>/…}`; a variant that is finished is not
run again. All are validated on the same pictures.
"""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

from pydantic import Field

from darnet.errors import RecipeError
from darnet.models import cards
from darnet.training.recipe import Recipe, override, parse_recipe
from darnet.training.series import Series, SeriesPlan
from darnet.training.sources import Strict

REPORT = "ablation.json"


class Variant(Strict):
    """What differs from the recipe: changes as `override` takes them, one after the other."""

    name: str
    set: tuple[str, ...] = ()


class Ablation(SeriesPlan):
    """A recipe and its variants."""

    KEY, DOCUMENT = "variant", "ablation.toml"

    recipe: dict[str, Any]
    variant: tuple[Variant, ...] = Field(min_length=1)

    @property
    def recipes(self) -> list[Recipe]:
        """One a variant."""
        return [self.plan(variant) for variant in self.variant]

    def plan(self, variant: Variant) -> Recipe:
        """The recipe of one variant. Raises RecipeError."""
        document = deepcopy(self.recipe) | {"name": variant.name}
        for text in variant.set:
            override(document, text)
        return parse_recipe(document, f"variant {variant.name!r}")

    def check(self) -> None:
        """Raise RecipeError for variants of one name, or one that is no recipe."""
        names = [variant.name for variant in self.variant]
        if len(set(names)) < len(names):
            raise RecipeError(f"{self.name}: two variants have one name")
        _ = self.recipes

    def carry_out(self, runs: Series) -> None:
        """Train each variant that is not trained yet; a row of the report is written after each."""
        rows = []
        for variant in self.variant:
            rows.append(_row(variant, runs.run(variant.name, self.plan(variant)), runs.folder))
            report = {"name": self.name, "variants": rows}  # a reader need not wait for the last
            (runs.folder / REPORT).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


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
