"""Several runs that belong together, in one folder. Each is run once: a series that was stopped goes on with the rest.

`<folder>/{DOCUMENT, <name>/<time>/…}`: the document says what the runs are, and what they run on.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import tomli_w
from pydantic import BaseModel, ValidationError

from darnet.data.cache import Cache
from darnet.errors import RecipeError, UsageError
from darnet.training import launch
from darnet.training.launch import Hardware
from darnet.training.recipe import Recipe, override

SETTING = "setting"
AnyPlan = TypeVar("AnyPlan", bound=BaseModel)


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


def has(path: Path, key: str) -> bool:
    """Whether a TOML file has a key that tells a series from a single run."""
    try:
        return key in tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        return False  # whoever reads it as a recipe says what is wrong with it


def load(path: Path, schema: type[AnyPlan], overrides: Sequence[str]) -> AnyPlan:
    """Read a document, and change it as a recipe is changed (`recipe.stage.0.epochs=2`). Raises RecipeError."""
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    for text in overrides:
        override(document, text)
    try:
        return schema.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        raise RecipeError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def begin(document: Mapping[str, Any], place: Path, data: Path, hardware: Hardware, *, quiet: bool) -> Series:
    """A new series; `place`: where its document goes, in a new folder. Raises UsageError for many processes."""
    if hardware.devices > 1 or int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError("a series of runs is run by one process; its runs alone are too short to be shared out")
    setting = {"data": str(data.resolve()), "hardware": asdict(hardware)}
    folder = launch.new_folder(place.parent)
    (folder / place.name).write_text(tomli_w.dumps({**document, SETTING: setting}), encoding="utf-8")
    return Series(folder, data, hardware, quiet)


def again(
    path: Path, data: Path | None, changes: Mapping[str, Any] | None = None, *, quiet: bool
) -> tuple[dict[str, Any], Series]:
    """The document at `path` and its series, on the hardware it began on but for `changes` of its fields.

    `data`: its photos' new place.
    """
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    setting = document.pop(SETTING)
    hardware = replace(Hardware(**setting["hardware"]), **(changes or {}))
    return document, Series(path.parent, data or Path(setting["data"]), hardware, quiet, changes or {})
