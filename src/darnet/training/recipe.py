"""A recipe is data: a TOML list of stages that the one trainer runs.

Unknown keys are errors that name the nearest known one; every number in a shipped recipe is marked `# paper §x` or
`# ours`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from copy import deepcopy
from difflib import get_close_matches
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from darnet.data.memory import PAIRS
from darnet.degradations.base import Rounding
from darnet.errors import RecipeError, UnknownNameError, fault
from darnet.training.sources import SourceSpec, Strict

MOST_JPEG_QUALITY = 100
#: torch's generators take no more.
MOST_SEED = 2**63 - 1


def _refuse_idle(spec: Optimizer | Schedule, idle: set[str]) -> None:
    """Raise ValueError for a key that was set to another value than its default, and would do nothing."""
    for key in sorted(idle & spec.model_fields_set):
        if getattr(spec, key) != type(spec).model_fields[key].default:
            raise ValueError(f"{key} does nothing with {spec.name!r}")


class ModelSpec(Strict):
    """Which network: a name in the registry and its constructor's arguments."""

    kind: str
    config: dict[str, Any] = Field({})


class Optimizer(Strict):
    """The optimiser. Muon takes the convolutions that `muon_exclude` does not name; AdamW takes the rest."""

    name: Literal["adam", "adamw", "muon"] = "adamw"
    lr: float = Field(1e-3, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    momentum: float = Field(0.95, ge=0, lt=1)
    muon_exclude: tuple[str, ...] = ("head*", "tail*", "overview*")
    clip_norm: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _no_idle_key(self) -> Optimizer:
        if self.name != "muon":
            _refuse_idle(self, {"momentum", "muon_exclude"})
        return self


class Schedule(Strict):
    """How the learning rate moves: `cosine` over the stage's steps, `plateau` on the validation loss, or `constant`."""

    name: Literal["constant", "cosine", "plateau"] = "constant"
    warmup_steps: int = Field(0, ge=0)
    floor: float = Field(1e-3, ge=0, le=1)  # cosine: share of the rate that is left at the end
    factor: float = Field(0.5, gt=0, lt=1)  # plateau
    patience: int = Field(3, ge=0)  # plateau: epochs without improvement before the rate falls

    @model_validator(mode="after")
    def _no_idle_key(self) -> Schedule:
        used = {"constant": {"warmup_steps"}, "cosine": {"warmup_steps", "floor"}, "plateau": {"factor", "patience"}}
        _refuse_idle(self, set(Schedule.model_fields) - {"name"} - used[self.name])
        return self


class Stage(Strict):
    """One stage of training, run to its end before the next begins."""

    name: str
    epochs: int = Field(gt=0)
    steps_per_epoch: int | None = Field(None, gt=0)
    crops_per_photo: int | None = Field(None, gt=0)  # the other way to say how long an epoch is
    batch: int = Field(gt=0)  # over all devices
    crop_px: int = Field(gt=0)
    crops_per_picture: int = Field(1, gt=0)  # crops in a batch that come from one picture, degraded alike
    rounding: Rounding = "round"
    augment: bool = True
    varied_share: float = Field(0.0, ge=0, le=1)  # photos whose size and tones are varied before they are damaged
    grey_share: float = Field(0.0, ge=0, le=1)  # pictures turned grey, their damage the same in the three channels
    jpeg_share: float = Field(0.0, ge=0, le=1)  # damaged pictures that were then saved as a JPEG file
    jpeg_quality: tuple[float, float] = (75.0, 98.0)
    align_px: int = Field(1, gt=0)  # crops of whole pictures begin at multiples of this
    depth_share: float = Field(0.0, ge=0, le=1)  # scenes of a chain whose depth was measured
    graphics_share: float = Field(0.0, ge=0, le=1)  # scenes of a chain that are made pictures and no photos
    small_share: float = Field(0.0, ge=0, le=1)  # batches of a chain with pictures smaller than a crop
    replay: float = Field(0.0, ge=0, lt=1)  # share of pictures that are replayed from memory, its kinds alike
    scene_px: int | None = Field(None, gt=0)  # where whole pictures are degraded: at most so much of them, a side
    degradations: tuple[SourceSpec, ...] = Field(min_length=1)  # a file may leave them out: those of the stage before
    losses: dict[str, Annotated[float, Field(gt=0)]] = Field(min_length=1)
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    freeze: tuple[str, ...] = ()  # parameter-name patterns
    hold: bool = False  # what the weights it begins with say of their kinds is as it was, once the stage is over
    gate: Literal["soft", "hard"] | None = None  # how experts are chosen; none: as the model does by itself
    early_stop_epochs: int | None = Field(None, gt=0)
    keep: Literal["best", "last"] = "best"  # by validation loss

    @model_validator(mode="after")
    def _consistent(self) -> Stage:
        if (self.steps_per_epoch is None) == (self.crops_per_photo is None):
            raise ValueError("give one of steps_per_epoch and crops_per_photo")
        if self.batch % self.crops_per_picture:
            raise ValueError(f"batch {self.batch} is no multiple of crops_per_picture {self.crops_per_picture}")
        if not 1 <= self.jpeg_quality[0] <= self.jpeg_quality[1] <= MOST_JPEG_QUALITY:
            raise ValueError("jpeg_quality must be a range [low, high] within 1 to 100")
        if self.scene_px is not None and self.scene_px < self.crop_px:
            raise ValueError(f"scene_px {self.scene_px} is less than crop_px {self.crop_px}")
        return self

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of damage of its sources, in their order."""
        return tuple(dict.fromkeys(spec.kind for spec in self.degradations))

    def freezes(self, name: str) -> bool:
        """Whether a parameter of that name is not trained."""
        return any(fnmatch(name, pattern) for pattern in self.freeze)

    def epoch_steps(self, photos: int) -> int:
        """Optimiser steps in an epoch over `photos` training pictures."""
        if self.steps_per_epoch is not None:
            return self.steps_per_epoch
        assert self.crops_per_photo is not None
        return max(1, self.crops_per_photo * photos // self.batch)


class Data(Strict):
    """How the folder of photos is read and cut into training, validation and (left untouched) test parts."""

    validation: float = Field(0.1, gt=0, lt=1)
    test: float = Field(0.0, ge=0, lt=1)
    smallest_px: int = Field(64, gt=0)
    halve_above_px: int | None = Field(None, gt=0)
    scales: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = ()  # of copies of every photo that are added
    graphics: int = Field(0, ge=0)  # made pictures that are no photos
    validation_samples: int = Field(256, gt=0)
    calibration_pictures: int = Field(0, ge=0)  # of validation, that a router's verdict is fitted to; 0: it is not
    clean_alarms: float = Field(1.0, gt=0, le=1)  # share of clean ones that a calibrated router may call damaged

    @model_validator(mode="after")
    def _something_is_left(self) -> Data:
        if self.validation + self.test >= 1:
            raise ValueError(f"validation {self.validation:g} and test {self.test:g} leave nothing to train on")
        return self


class MemorySpec(Strict):
    """What a router remembers once it is trained (`darnet.data.memory`), so that it can be taught more later."""

    exemplars: int = Field(100, gt=0)  # of each kind
    budget_kb: int = Field(2048, gt=0)  # of scenes on disk, those of earlier kinds included
    scene_px: int = Field(192, gt=0)
    candidates: int = Field(4, gt=0)  # drawn for each exemplar
    selection: Literal["herding", "reservoir"] = "herding"


class Recipe(Strict):
    """All of a training run but the pictures."""

    name: str = Field(pattern=r"^[^/\\.][^/\\]*$")  # of a folder
    seed: int = Field(0, ge=0, le=MOST_SEED)
    handles: tuple[str, ...] = ()  # kinds that an expert repairs; empty for a router
    model: ModelSpec
    data: Data = Data()
    ema_decay: float = Field(0.999, ge=0, lt=1)  # 0: no averaging
    memory: MemorySpec | None = None  # none: it remembers nothing
    stage: tuple[Stage, ...] = Field(min_length=1)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of damage of all stages, in their order."""
        return tuple(dict.fromkeys(kind for stage in self.stage for kind in stage.kinds))

    @property
    def deep(self) -> bool:
        """Whether it wants photos with their depth."""
        return any(stage.depth_share for stage in self.stage)

    @property
    def paired(self) -> tuple[str, ...]:
        """The kinds that it wants real pairs of."""
        found = (spec.of for stage in self.stage for spec in stage.degradations if spec.name == PAIRS and spec.of)
        return tuple(dict.fromkeys(found))


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe in a file, its keys changed by `overrides`. Raises RecipeError naming the file and key."""
    return parse_recipe(read_document(path), str(path), overrides)


def read_document(path: Path) -> dict[str, Any]:
    """What a TOML file says. Raises RecipeError naming the file and the reason."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not TOML: {error}") from error


def parse_recipe(document: dict[str, Any], source: str = "recipe", overrides: Sequence[str] = ()) -> Recipe:
    """Apply `stage.0.epochs=2`-like overrides (values are TOML; a bare word is a string), and check the document.

    Raises RecipeError naming the first wrong key and the nearest known one.
    """
    document = _whole(document)  # what a stage takes from the one before can be overridden in it alone
    for text in overrides:
        override(document, text)
    try:
        recipe = Recipe.model_validate(_whole(document))
    except ValidationError as error:
        (where, reason), first = fault(error), error.errors()[0]
        if first["type"] == "extra_forbidden":
            reason = _nearest(first["loc"])
        raise RecipeError(": ".join(filter(None, (source, where, reason)))) from error
    for number, stage in enumerate(recipe.stage):
        for index, spec in enumerate(stage.degradations):
            try:
                spec.check()
            except RecipeError as error:
                raise RecipeError(f"{source}: stage.{number}.degradations.{index}: {error}") from error
    return recipe


def _whole(document: dict[str, Any]) -> dict[str, Any]:
    """Give a stage that names no degradations a copy of those of the stage before it."""
    if not isinstance(document.get("stage"), list):
        return document
    stages: list[Any] = []
    for stage in document["stage"]:
        before = stages[-1] if stages else None
        if isinstance(stage, dict) and isinstance(before, dict) and "degradations" in before:
            stages.append({"degradations": deepcopy(before["degradations"]), **stage})
        else:
            stages.append(stage)
    return {**document, "stage": stages}


def _nearest(location: tuple[int | str, ...]) -> str:
    level: Any = Recipe
    for part in location[:-1]:
        if isinstance(part, str):
            annotation = level.model_fields[part].annotation
            level = annotation.__args__[0] if hasattr(annotation, "__args__") else annotation
    near = get_close_matches(str(location[-1]), level.model_fields, n=1, cutoff=0.4)
    return "unknown key" + (f"; did you mean {near[0]!r}?" if near else f" (known: {', '.join(level.model_fields)})")


def override(document: dict[str, Any], text: str) -> None:
    """Set one value in place; only keys and list positions that make sense, whether or not the file names them."""
    key, separator, written = text.partition("=")
    if not separator:
        raise RecipeError(f"override {text!r}: expected key=value")
    try:
        value = tomllib.loads(f"value = {written}")["value"]
    except tomllib.TOMLDecodeError:
        value = written
    *parents, last = key.split(".")
    node: Any = document
    try:
        for part in parents:
            node = node[int(part)] if isinstance(node, list) else node.setdefault(part, {})
        if isinstance(node, list):
            node[int(last)] = value
        else:
            node[last] = value
    except (IndexError, ValueError, TypeError, AttributeError) as error:
        raise RecipeError(f"override {text!r}: there is no {key!r} in the recipe") from error


def shipped_recipes() -> dict[str, Path]:
    """Recipes by name: from the package, or from the repository where darnet runs from a checkout."""
    package = Path(__file__).parents[1]
    for folder in (package / "recipes", package.parents[1] / "recipes"):
        if folder.is_dir():
            return {path.relative_to(folder).with_suffix("").as_posix(): path for path in folder.rglob("*.toml")}
    return {}


def find_recipe(name: str) -> Path:
    """A recipe file, or a shipped recipe by name (`noise`, `paper/noise`). Raises UnknownNameError."""
    if Path(name).is_file():
        return Path(name)
    known = shipped_recipes()
    if name not in known:
        raise UnknownNameError("recipe", name, known)
    return known[name]
