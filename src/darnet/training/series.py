"""Several runs that belong together, in one folder. Each is run once: a series that was stopped goes on with the rest.

`<folder>/{DOCUMENT, <name>/<time>/…}`: the document says what the runs are, and what they run on.
"""

from __future__ import annotations

import tomllib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import tomli_w
from pydantic import ValidationError

from darnet.data.cache import Cache
from darnet.engines.processes import Processes
from darnet.errors import RecipeError, UsageError, fault
from darnet.training import launch
from darnet.training.hardware import Hardware
from darnet.training.plan import Budget
from darnet.training.recipe import Recipe, override
from darnet.training.sources import Strict

SETTING = "setting"
HARDWARE = Hardware()


@dataclass(frozen=True)
class Series:
    """Where the runs are kept, and what they run on."""

    folder: Path
    data: Path
    hardware: Hardware
    quiet: bool = False
    changes: Mapping[str, Any] = field(default_factory=dict)  # what is another since it began, for a run that goes on
    cache: Cache = field(default_factory=Cache, compare=False)  # pictures, which all of the runs learn from

    def run(self, name: str, recipe: Recipe, weights: Path | None = None) -> Path:
        """The folder of the trained model of one run: begun, taken up, or done already."""
        place = self.folder / name
        begun = sorted(place.glob("*/")) if place.is_dir() else []
        if not begun:
            where = (self.data, self.folder, self.hardware)
            return launch.start(recipe, *where, weights=weights, cache=self.cache, quiet=self.quiet)
        if (begun[-1] / launch.MODEL).is_dir():
            return begun[-1] / launch.MODEL
        return launch.resume(begun[-1], self.data, changes=self.changes, cache=self.cache, quiet=self.quiet)


class SeriesPlan(Strict, ABC):
    """What several runs are to be, as a document. An experiment (`darnet.training.experiments`)."""

    KEY: ClassVar[str]  # of its tables: what tells its document from a recipe
    DOCUMENT: ClassVar[str]  # the file that it is written into

    name: str

    @property
    @abstractmethod
    def recipes(self) -> Sequence[Recipe]:
        """Those of its runs, in their order. Raises RecipeError for one that is none."""

    @abstractmethod
    def check(self) -> None:
        """Raise RecipeError for what could only fail once runs have begun."""

    @abstractmethod
    def carry_out(self, runs: Series) -> None:
        """All runs that are not done, and a report on them in the folder of the series."""

    @classmethod
    def parse(cls, document: dict[str, Any], source: str, overrides: Sequence[str] = ()) -> Self:
        """Change a document as a recipe is changed (`recipe.stage.0.epochs=2`), and check it. Raises RecipeError."""
        for text in overrides:
            override(document, text)
        try:
            plan = cls.model_validate(document)
            plan.check()
        except ValidationError as error:
            raise RecipeError(": ".join(filter(None, (source, *fault(error))))) from error
        return plan

    def start(
        self,
        data: Path,
        runs: Path,
        hardware: Hardware = HARDWARE,
        *,
        weights: Path | None = None,
        budget: Budget | None = None,
        quiet: bool = False,
    ) -> Path:
        """All runs in a new folder of `runs`; returns it. Raises what `darnet.training.launch.start` does.

        And UsageError for weights, or a budget: those are for one run.
        """
        if weights is not None:
            raise UsageError("`weights`: class-incremental learning and an ablation begin with chance")
        if budget is not None:
            raise UsageError("`minutes`: for one recipe; class-incremental learning and an ablation are several runs")
        document = self.model_dump(mode="json", exclude_none=True)
        series = _begin(document, runs / self.name / self.DOCUMENT, data, hardware, quiet=quiet)
        self.carry_out(series)
        return series.folder

    @classmethod
    def resume(
        cls, run: Path, data: Path | None = None, *, changes: Mapping[str, Any] | None = None, quiet: bool = False
    ) -> Path:
        """Go on where it stopped, on the hardware it began on, but for `changes` of its fields.

        `data`: its photos' new place.
        """
        document = tomllib.loads((run / cls.DOCUMENT).read_text(encoding="utf-8"))
        setting = document.pop(SETTING)
        hardware = replace(Hardware(**setting["hardware"]), **(changes or {}))
        cls.model_validate(document).carry_out(
            Series(run, data or Path(setting["data"]), hardware, quiet, changes or {})
        )
        return run


def _begin(document: Mapping[str, Any], place: Path, data: Path, hardware: Hardware, *, quiet: bool) -> Series:
    """A new series; `place`: where its document goes, in a new folder. Raises UsageError for many processes."""
    if hardware.devices > 1 or Processes.around().total > 1:
        raise UsageError("a series of runs is run by one process; its runs alone are too short to be shared out")
    setting = {"data": str(data.resolve()), "hardware": asdict(hardware)}
    folder = launch.new_folder(place.parent)
    (folder / place.name).write_text(tomli_w.dumps({**document, SETTING: setting}), encoding="utf-8")
    return Series(folder, data, hardware, quiet)
