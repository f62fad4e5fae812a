"""What `darnet train` is given: a recipe, which is one run, or a plan of several runs. All are loaded and run alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from darnet.training import launch
from darnet.training.ablation import Ablation
from darnet.training.continual import ClassIncremental
from darnet.training.hardware import Hardware
from darnet.training.plan import Budget
from darnet.training.recipe import Recipe, parse_recipe, read_document
from darnet.training.series import SeriesPlan

#: Plans of several runs.
SERIES: tuple[type[SeriesPlan], ...] = (ClassIncremental, Ablation)


class Experiment(Protocol):
    """Whatever can be trained, and gone on with."""

    @property
    def recipes(self) -> Sequence[Recipe]:
        """Those of its runs, in their order."""
        ...

    def start(
        self,
        data: Path,
        runs: Path,
        hardware: Hardware,
        *,
        weights: Path | None = None,
        budget: Budget | None = None,
        quiet: bool = False,
    ) -> Path:
        """Train on the material under `data`, in a new folder of `runs`; returns the folder of what was made.

        Raises UsageError for what it cannot begin with, and what `darnet.training.launch.start` raises.
        """
        ...

    @classmethod
    def resume(
        cls, run: Path, data: Path | None = None, *, changes: Mapping[str, Any] | None = None, quiet: bool = False
    ) -> Path:
        """Go on in the folder `run`, as `darnet.training.launch.resume` does."""
        ...


@dataclass(frozen=True)
class Single:
    """One run of one recipe (`darnet.training.launch`)."""

    recipe: Recipe

    @property
    def recipes(self) -> Sequence[Recipe]:
        """The one."""
        return (self.recipe,)

    def start(
        self,
        data: Path,
        runs: Path,
        hardware: Hardware,
        *,
        weights: Path | None = None,
        budget: Budget | None = None,
        quiet: bool = False,
    ) -> Path:
        """Train it."""
        return launch.start(self.recipe, data, runs, hardware, weights=weights, budget=budget, quiet=quiet)

    @classmethod
    def resume(
        cls, run: Path, data: Path | None = None, *, changes: Mapping[str, Any] | None = None, quiet: bool = False
    ) -> Path:
        """Go on."""
        return launch.resume(run, data, changes=changes, quiet=quiet)


def load(path: Path, overrides: Sequence[str] = ()) -> Experiment:
    """What a TOML file describes, its keys changed by `overrides` (`stage.0.epochs=2`).

    Raises RecipeError naming the file and key.
    """
    document = read_document(path)
    for plan in SERIES:
        if plan.KEY in document:
            return plan.parse(document, str(path), overrides)
    return Single(parse_recipe(document, str(path), overrides))


def resume(
    run: Path, data: Path | None = None, *, changes: Mapping[str, Any] | None = None, quiet: bool = False
) -> Path:
    """Go on with whatever a folder holds; `changes`: fields of `Hardware`. Raises RecipeError if it is no run."""
    found = next((plan for plan in SERIES if (run / plan.DOCUMENT).is_file()), Single)
    return found.resume(run, data, changes=changes, quiet=quiet)
