"""A router that learns kind after kind: DaR-Net's three phases (§IV-A), as one document.

Each phase is an ordinary run that begins with the router of the one before, knows its kinds and the new ones, and
replays what that one remembers. It is `runs/<name>/<time>/{continual.toml, continual.json, continual.png,
<phase>/<time>/…}`; a phase that is finished is not run again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from itertools import accumulate
from pathlib import Path
from typing import Any

from pydantic import Field

from darnet.data.material import load_material
from darnet.data.memory import Memory
from darnet.data.pairs import Pairs
from darnet.degradations import Degradation
from darnet.errors import RecipeError
from darnet.imaging.chain import Chain
from darnet.systems.loading import load_router
from darnet.training import launch
from darnet.training.evaluation import Confusion, Evaluation, compose
from darnet.training.recipe import Recipe, Stage, parse_recipe
from darnet.training.series import Series, SeriesPlan
from darnet.training.sources import SourceSpec, Strict

REPORT = "continual.json"
NOTHING = Memory()


class Phase(Strict):
    """What is new, and what is shown of the old beside it.

    `replay`: share of pictures that are exemplars of the memory. `remade`: how often each damage that the memory knows
    is made anew, with parameters from the range of its exemplars, on the photos at hand; beside the shares of what is
    new. `epochs`: of each stage, in place of the recipe's.
    """

    name: str
    epochs: int | None = Field(None, gt=0)
    replay: float = Field(0.0, ge=0, lt=1)
    remade: float = Field(0.0, ge=0)
    degradations: tuple[SourceSpec, ...] = Field(min_length=1)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that it brings."""
        return tuple(dict.fromkeys(spec.kind for spec in self.degradations))


class ClassIncremental(SeriesPlan):
    """A recipe without kinds, sources and replay, and the phases that bring them."""

    KEY, DOCUMENT = "phase", "continual.toml"

    evaluated: int = Field(200, gt=0)  # pictures of each kind, of the test part of the material
    recipe: dict[str, Any]
    phase: tuple[Phase, ...] = Field(min_length=1)

    @property
    def recipes(self) -> list[Recipe]:
        """One a phase, before anything is remembered: so none of them replays."""
        plans = map(self.plan, range(len(self.phase)))
        return [plan.model_copy(update={"stage": tuple(map(_without_replay, plan.stage))}) for plan in plans]

    def kinds(self, index: int) -> list[str]:
        """What a router knows after the phase of this number."""
        return list(dict.fromkeys(kind for phase in self.phase[: index + 1] for kind in phase.kinds))

    def plan(self, index: int, memory: Memory = NOTHING) -> Recipe:
        """The recipe of one phase, after those that `memory` remembers. Raises RecipeError."""
        phase, document = self.phase[index], deepcopy(self.recipe)
        remade = memory.sources(phase.remade) if phase.remade else []
        document["name"] = phase.name
        document.setdefault("model", {}).setdefault("config", {})["kinds"] = self.kinds(index)
        for stage in document.get("stage", []):
            stage["degradations"] = [*(spec.model_dump(exclude_none=True) for spec in phase.degradations), *remade]
            stage["replay"] = phase.replay
            if phase.epochs is not None:
                stage["epochs"] = phase.epochs
            if not index:
                stage.get("losses", {}).pop("distillation", None)  # nobody to ask
        return parse_recipe(document, f"phase {phase.name!r}")

    def check(self) -> None:
        """Raise RecipeError for a phase that is no recipe, or where there is nothing to evaluate it on."""
        if not self.recipes[0].data.test:
            raise RecipeError(
                f"{self.name}: recipe.data.test: a class-incremental recipe is evaluated on photos that it never sees"
            )

    def carry_out(self, runs: Series) -> None:
        """Teach phase after phase, and evaluate the router of each on every kind."""
        weights: Path | None = None
        routers = []
        for index, phase in enumerate(self.phase):
            weights = runs.run(phase.name, self.plan(index, launch.remembered(weights)), weights)
            routers.append(weights)
        evaluation = _evaluation(self, runs)
        confusion = [evaluation(load_router(router, runs.hardware.device, "fp32")) for router in routers]
        report = summary(self, confusion, [_epochs(router.parent) for router in routers])
        report["routers"] = [router.relative_to(runs.folder).as_posix() for router in routers]
        (runs.folder / REPORT).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _without_replay(stage: Stage) -> Stage:
    return stage.model_copy(update={"replay": 0.0})


def _evaluation(learning: ClassIncremental, runs: Series) -> Evaluation:
    """Of every kind of every phase, on photos that no phase has seen."""
    recipe = learning.plan(len(learning.phase) - 1)
    specs = [spec for phase in learning.phase for spec in phase.degradations]
    paired = tuple(dict.fromkeys(spec.of for spec in specs if spec.of is not None))
    material = load_material(runs.data, paired, smallest_px=recipe.data.smallest_px, cache=runs.cache)
    seen = 1 - recipe.data.validation - recipe.data.test
    test = material.split([seen, recipe.data.validation, recipe.data.test], recipe.seed)[2]
    sources: dict[str, list[Degradation | Pairs]] = {}
    for spec in specs:
        source = spec.build(test)
        if isinstance(source, Chain):
            raise RecipeError(f"{spec.name!r}: a class-incremental recipe teaches kinds that exclude each other")
        sources.setdefault(spec.kind, []).append(source)
    return compose(test, sources, recipe.stage[-1], learning.evaluated, recipe.seed)


def _epochs(run: Path) -> list[float]:
    """Validation accuracy after each epoch of a run."""
    rows = (json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    return [row["val_accuracy"] for row in rows]


def summary(
    learning: ClassIncremental, confusion: Sequence[Mapping[str, Confusion]], epochs: Sequence[Sequence[float]]
) -> dict[str, Any]:
    """What Fig. 2 shows, and what was forgotten.

    `accuracy`: phase -> mean over the kinds known by then. `matrix`: phase -> kind -> accuracy, of kinds known by then.
    `forgetting`: points that a kind lost between its best phase and the last (Chaudhry et al. 2018, eq. 3).
    `backward_transfer`: mean over the earlier kinds of accuracy at the end less accuracy when it was learnt, in points
    (Lopez-Paz, Ranzato 2017, eq. 3).
    """
    known = [learning.kinds(index) for index in range(len(learning.phase))]
    matrix = [{kind: phase[kind].accuracy for kind in kinds} for phase, kinds in zip(confusion, known, strict=True)]
    learnt = {kind: next(row[kind] for row in matrix if kind in row) for kind in known[-1]}
    earlier = known[-2] if len(known) > 1 else []
    last = matrix[-1]
    transfers = [100 * (last[kind] - learnt[kind]) for kind in earlier]
    return {
        "name": learning.name,
        "phases": [phase.name for phase in learning.phase],
        "starts": [0, *accumulate(len(values) for values in epochs)][:-1],
        "validation_accuracy": [list(values) for values in epochs],
        "accuracy": [sum(row.values()) / len(row) for row in matrix],
        "pictures_of_each_kind": learning.evaluated,
        "matrix": matrix,
        "named": [{kind: confusion.to_dict()["named"] for kind, confusion in phase.items()} for phase in confusion],
        "forgetting": {kind: 100 * (max(r[kind] for r in matrix if kind in r) - last[kind]) for kind in earlier},
        "backward_transfer": sum(transfers) / len(transfers) if transfers else None,
    }
