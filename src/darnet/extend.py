"""Teach a system one more kind of damage: one expert, one short lesson for the router. Nothing else is touched.

DaR-Net's continual learning (§III-B): the head of the router grows by one class, old rows keep their weights, and what
the router remembers is replayed (iCaRL, Rebuffi et al. 2017), so that it does not forget. The new system is written at
the end, whole or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from darnet import registry
from darnet.data.cache import Cache
from darnet.data.material import load_material
from darnet.data.memory import PAIRS, Memory, fixed, load_memory
from darnet.data.pairs import Pairs
from darnet.degradations import Degradation
from darnet.engines.processes import Processes
from darnet.errors import ContractError, DarnetError, UsageError, one_line
from darnet.models import cards
from darnet.models.cards import Card
from darnet.restore.routers import Router
from darnet.systems import assembly, manifest
from darnet.systems.loading import load_router
from darnet.systems.manifest import System
from darnet.testing import check_degradation
from darnet.training import launch
from darnet.training.evaluation import Confusion, Evaluation, compose, forgotten
from darnet.training.hardware import Hardware
from darnet.training.launch import MEMORY
from darnet.training.recipe import Recipe, find_recipe, load_recipe, parse_recipe

TRAIN = "train"
TEMPLATES = {"router": "extend/router", "expert": "extend/expert"}
#: How often the router sees the new kind, and each source of an old one on the new photos, beside those of its recipe.
#: The new kind is rare, as it will be at work: shown as often as the others it takes pictures from its nearest kin.
NEW_SHARE, OLD_SHARE = 0.3, 0.6
REPORT = "extension.json"


class ForgettingError(DarnetError):
    """The router forgot too much of what it knew; nothing was changed."""


@dataclass(frozen=True)
class Lesson:
    """What is new: a kind, and a degradation (by name, or `module:Class`) or a folder of real pairs that show it.

    `data`: a folder of photos of the user, or of material (`darnet.data.material`).
    """

    kind: str
    data: Path
    degradation: str = ""
    pairs: Path | None = None

    @property
    def source(self) -> dict[str, Any]:
        """As a recipe names it."""
        return {"name": PAIRS, "of": self.kind} if self.pairs is not None else {"name": self.degradation}

    @property
    def folders(self) -> dict[str, Path]:
        """Where its real pairs are."""
        return {} if self.pairs is None else {self.kind: self.pairs}

    @property
    def function(self) -> Degradation:
        """The degradation. Raises UnknownNameError."""
        degradation: Degradation = registry.find("degradation", self.degradation, places=True)()
        return degradation

    def check(self) -> None:
        """Raise UsageError, ImageError or NoInputError for what could not be learnt from."""
        if bool(self.degradation) == (self.pairs is not None):
            raise UsageError("give one of `degradation` and `pairs`")
        if self.pairs is not None:
            return
        try:
            degradation = self.function
            check_degradation(degradation)
        except ContractError as error:
            raise UsageError(f"{self.degradation}: it does not keep the contract of a degradation: {error}") from error
        except UsageError:
            raise
        except Exception as error:  # whatever a stranger's damage brings
            raise UsageError(f"{self.degradation}: no degradation: {one_line(error)}") from error
        if degradation.kind != self.kind:
            raise UsageError(f"{self.degradation}: its kind is {degradation.kind!r}, not {self.kind!r}")


@dataclass(frozen=True)
class Settings:
    """How it is taught. `overrides` change the recipes: `router.stage.0.epochs=2`, `expert.stage.0.batch=8`."""

    max_forgetting: float = 1.0  # points of accuracy that no old kind may lose
    replay: bool = True
    pictures: int = 200  # of each kind in the evaluation
    runs: Path = Path("runs")
    hardware: Hardware = field(default_factory=Hardware)
    overrides: Sequence[str] = ()
    quiet: bool = False

    def check(self, expert: str) -> None:
        """Raise UsageError for settings that would do nothing, or that need another machine."""
        for text in self.overrides:
            part = text.partition(".")[0]
            if part not in TEMPLATES or (part == "expert" and expert != TRAIN):
                raise UsageError(f"override {text!r}: begins with router., or with expert. where one is trained")
        if self.hardware.devices > 1 or Processes.around().total > 1:
            raise UsageError("an extension is a matter of minutes, and of one process")

    def recipe(self, part: str) -> dict[str, Any]:
        """The template of a part, with its overrides. Raises RecipeError."""
        chosen = [key.removeprefix(f"{part}.") for key in self.overrides if key.startswith(f"{part}.")]
        return load_recipe(find_recipe(TEMPLATES[part]), chosen).model_dump(mode="json", exclude_none=True)


@dataclass(frozen=True)
class Outcome:
    """What an extension did: where the system is, and how well the router names each kind before and after."""

    system: Path
    before: Mapping[str, Confusion]
    after: Mapping[str, Confusion]

    @property
    def forgetting(self) -> Mapping[str, float]:
        """Points of accuracy that each old kind lost."""
        return forgotten(self.before, self.after)


def extend(
    model: str,
    lesson: Lesson,
    *,
    out: Path | None = None,
    expert: str = TRAIN,
    settings: Settings | None = None,
    say: Callable[[str], None] = print,
) -> Outcome:
    """A system that knows one more kind, in place or in a copy at `out`.

    `expert`: `train`, or who repairs the new kind (see `darnet.systems.assembly.stage_expert`).
    Raises UsageError, ImageError or WeightsError for what cannot work, before anything is trained; ForgettingError
    where an old kind lost more than is allowed. In either case the system stays as it was.
    """
    settings = settings or Settings()
    system, folder = assembly.opened(model, out)
    assembly.check_kind(lesson.kind, system)
    lesson.check()
    settings.check(expert)
    origin = manifest.part(folder, system.router)
    old, memory = _router_card(origin, lesson.kind), _memory(origin, settings)
    cache = Cache()  # all that follows sees the same pictures
    with TemporaryDirectory() as scratch:
        staged = Path(scratch) / "expert"
        lessons: dict[str, tuple[Recipe, Path | None]] = {}
        lessons["router"] = (_router_recipe(lesson, old, memory, settings), origin)
        if expert == TRAIN:
            recipe = _expert_recipe(lesson, settings)
            lessons["expert"] = (recipe, _origin(system, folder, recipe))
        else:
            assembly.stage_expert(expert, (lesson.kind,), staged)
        for recipe, weights in lessons.values():
            launch.prepare(recipe, lesson.data, settings.hardware, weights=weights, pairs=lesson.folders, cache=cache)
        evaluation = _evaluation(lessons["router"][0], lesson, old, memory, settings, cache)
        before = evaluation(_asked(origin, settings))
        del before[lesson.kind]
        if expert == TRAIN:
            say(f"an expert for {lesson.kind} learns")
            trained = _train(*lessons["expert"], lesson, settings, cache)
            assembly.stage_expert(str(trained), (lesson.kind,), staged)
        say(f"the router learns {lesson.kind}, and is asked again what it knew")
        router = _train(*lessons["router"], lesson, settings, cache)
        after = evaluation(_asked(router, settings))
        report = json.dumps(documented(before, after), indent=2)
        (router.parent / REPORT).write_text(report + "\n", encoding="utf-8")
        _refuse_forgetting(before, after, settings.max_forgetting)
        parts = {f"router-{lesson.kind}": router, lesson.kind: staged}
        target = assembly.commit(folder, out, partial(assembly.taught, lesson.kind, system.router), parts)
    return Outcome(target, before, after)


def _asked(folder: Path, settings: Settings) -> Router:
    """A router as it is evaluated: the same figures whatever computes them."""
    return load_router(folder, settings.hardware.device, "fp32")


def _router_card(folder: Path, kind: str) -> Card:
    if cards.read_reference(folder) is not None:
        raise UsageError(f"{folder}: this router is no network of darnet's, and cannot be taught")
    card = cards.read_card(folder)
    if kind in card.handles:
        raise UsageError(f"{kind!r}: the router knows it; give the system an expert for it with `assembly.add`")
    return card


def _memory(folder: Path, settings: Settings) -> Memory:
    if (folder / MEMORY).is_dir():
        return load_memory(folder / MEMORY)
    if settings.replay:
        raise UsageError(f"{folder}: this router has no memory to replay; without (`replay=False`) it will forget")
    return Memory()


def _router_recipe(lesson: Lesson, old: Card, memory: Memory, settings: Settings) -> Recipe:
    """The lesson for the router: its template, the new kind, and old ones as the memory describes them."""
    document = settings.recipe("router")
    document["model"] = {"kind": old.kind, "config": {**old.config, "kinds": [*old.handles, lesson.kind]}}
    for stage in document["stage"]:
        if not settings.replay:
            stage["replay"] = 0.0
            continue
        stage["degradations"] += memory.sources(OLD_SHARE)
    return parse_recipe(_planned(document, lesson, NEW_SHARE))


def _expert_recipe(lesson: Lesson, settings: Settings) -> Recipe:
    return parse_recipe({**_planned(settings.recipe("expert"), lesson), "handles": [lesson.kind], "name": lesson.kind})


def _planned(document: dict[str, Any], lesson: Lesson, share: float = 1.0) -> dict[str, Any]:
    """A template with the new kind as the first source of every stage."""
    for stage in document["stage"]:
        stage["degradations"] = [{**lesson.source, "share": share}, *stage["degradations"]]
    return document


def _train(recipe: Recipe, weights: Path | None, lesson: Lesson, settings: Settings, cache: Cache) -> Path:
    where = (lesson.data, settings.runs, settings.hardware)
    return launch.start(recipe, *where, weights=weights, pairs=lesson.folders, cache=cache, quiet=settings.quiet)


def _origin(system: System, folder: Path, recipe: Recipe) -> Path | None:
    """The first expert that the system has of the same network, to begin with; None where it has none."""
    for name in system.experts.values():
        part = manifest.part(folder, name)
        if cards.read_reference(part) is not None:
            continue
        card = cards.read_card(part)
        if (card.kind, card.config) == (recipe.model.kind, recipe.model.config):
            return part
    return None


def _evaluation(
    recipe: Recipe, lesson: Lesson, old: Card, memory: Memory, settings: Settings, cache: Cache
) -> Evaluation:
    """Pictures of the part of the material that neither lesson nor calibration ever sees.

    Raises UsageError for an old kind that nobody can make pictures of.
    """
    smallest_px = recipe.data.smallest_px
    material = load_material(lesson.data, smallest_px=smallest_px, pairs=lesson.folders, memory=memory, cache=cache)
    parts = [1 - recipe.data.validation - recipe.data.test, recipe.data.validation, recipe.data.test]
    held = material.split(parts, recipe.seed)[2]
    if not held.complete:
        raise UsageError(f"{lesson.data}: too few pictures to learn from some and be evaluated on others")
    sources: dict[str, list[Degradation | Pairs]] = {}
    for kind in old.handles:
        if functions := [fixed(exemplar) for exemplar in memory.of(kind) if exemplar.source != PAIRS]:
            sources[kind] = [*functions]
        elif kind in held.replay:
            sources[kind] = [held.replay[kind]]
        elif kind in registry.names("degradation"):
            sources[kind] = [registry.find("degradation", kind)()]
        else:
            raise UsageError(f"{kind}: the router has nothing to remember it by, so nobody would see it forgotten")
    new = held.pairs(lesson.kind) if lesson.pairs is not None else lesson.function
    return compose(held, {**sources, lesson.kind: [new]}, recipe.stage[-1], settings.pictures, recipe.seed)


def documented(before: Mapping[str, Confusion], after: Mapping[str, Confusion]) -> dict[str, Any]:
    """JSON form of what was evaluated."""
    found = (("before", before), ("after", after))
    return {name: {kind: confusion.to_dict() for kind, confusion in part.items()} for name, part in found}


def _refuse_forgetting(before: Mapping[str, Confusion], after: Mapping[str, Confusion], most: float) -> None:
    lost = {kind: points for kind, points in forgotten(before, after).items() if points > most + 1e-9}
    if lost:
        listed = ", ".join(f"{kind} {points:.1f}" for kind, points in lost.items())
        raise ForgettingError(f"the router forgot more than {most:g} points: {listed}; nothing was changed")
