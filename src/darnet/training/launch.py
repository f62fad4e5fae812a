"""Start and take up training runs: folders, devices, processes, and the card of what was trained.

A run is `runs/<name>/<time>/{recipe.toml, run.json, env.json, metrics.jsonl, curves/, checkpoints/, samples/,
model/}`.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import tomli_w
from torch import Generator, distributed

from darnet.data.cache import Cache
from darnet.data.material import Material, load_material
from darnet.data.memory import Memory, load_memory
from darnet.engines.devices import environment, exact_float32
from darnet.engines.processes import Processes
from darnet.errors import RecipeError
from darnet.files import unfinished
from darnet.models import cards
from darnet.models.abilities import FeatureExtractor
from darnet.models.base import Model
from darnet.training.exemplars import select_exemplars
from darnet.training.hardware import ANY, Hardware
from darnet.training.journal import Journal
from darnet.training.learner import Learner
from darnet.training.plan import Budget, Plan
from darnet.training.precision import DTYPES
from darnet.training.recipe import Recipe, load_recipe
from darnet.training.trainer import Trainer

RECIPE, MODEL, SETTING = "recipe.toml", "model", "run.json"
#: A copy of the weights that a run begins with, and of what they remember: it is taken up without the original.
START = "start"
#: Beside the weights of a router: what it remembers.
MEMORY = "memory"


def start(  # noqa: PLR0913  what a run begins with
    recipe: Recipe,
    data: Path,
    runs: Path,
    hardware: Hardware = ANY,
    *,
    weights: Path | None = None,
    pairs: Mapping[str, Path] | None = None,
    budget: Budget | None = None,
    cache: Cache | None = None,
    quiet: bool = False,
) -> Path:
    """Train a recipe on the material under `data` in a new folder of `runs`; returns the folder of the trained model.

    `weights`: the folder of a card to begin from, instead of chance. `pairs`: folders of real pairs that lie elsewhere
    than under `data`, by kind. `budget`: the time that all of this may take; the steps of the recipe are fitted to it.
    `cache`: where other runs keep pictures of the same files.
    Under torchrun and Slurm every process calls this, and `runs` must be the same for all.
    Raises NoInputError for a folder without pictures, WeightsError for bad weights, and RecipeError for a recipe that
    cannot be trained on them, before anything is written.
    """
    _announce(data, quiet)
    hardware = hardware.settled(recipe)
    learner = prepare(recipe, data, hardware, weights=weights, pairs=pairs, cache=cache)
    fabric = learner.fabric
    card = None if weights is None else cards.read_card(weights)
    folder = Path(fabric.broadcast(str(new_folder(runs / recipe.name)) if fabric.global_rank == 0 else ""))
    if fabric.global_rank == 0:
        document = recipe.model_dump(mode="json", exclude_none=True)
        (folder / RECIPE).write_text(tomli_w.dumps(document), encoding="utf-8")
        origin = {} if card is None else {"from": {"name": card.name, "sha256": card.sha256}}
        setting: dict[str, Any] = {"data": str(data.resolve()), "pictures": learner.pictures}
        setting |= {"hardware": asdict(hardware), **origin}
        if budget is not None:
            setting["minutes"] = budget.minutes
        if pairs:
            setting["pairs"] = {kind: str(folder.resolve()) for kind, folder in pairs.items()}
        if weights is not None:
            shutil.copytree(weights, folder / START)
        (folder / SETTING).write_text(json.dumps(setting, indent=2) + "\n", encoding="utf-8")
    return _run(learner, folder, hardware, budget, quiet=quiet)


def prepare(
    recipe: Recipe,
    data: Path,
    hardware: Hardware = ANY,
    *,
    weights: Path | None = None,
    pairs: Mapping[str, Path] | None = None,
    cache: Cache | None = None,
) -> Learner:
    """All that happens before a run begins: whoever is to learn much wants to know beforehand that all of it can."""
    hardware = hardware.settled(recipe)
    begin = None if weights is None else cards.load(weights)[0]
    material = _material(recipe, data, weights, pairs or {}, cache)
    return Learner.of(recipe, material, hardware.fabric(), begin, DTYPES[hardware.muon])


def resume(
    run: Path,
    data: Path | None = None,
    *,
    changes: Mapping[str, Any] | None = None,
    cache: Cache | None = None,
    quiet: bool = False,
) -> Path:
    """Take up a run where its last checkpoint left it, on the hardware it began on; `data`: its photos' new place.

    `changes`: fields of `Hardware` that are now others; so they are where the machine has no such device. Then the run
    no longer ends in the very weights that it would have ended in, and says so.
    Raises RecipeError if the folder is not a run, or if the photos are no longer the same number.
    """
    recipe = load_recipe(run / RECIPE)
    try:
        setting = json.loads((run / SETTING).read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"{run / SETTING}: {error.strerror}") from error
    start = run / START if (run / START).is_dir() else None
    pairs = {kind: Path(folder) for kind, folder in setting.get("pairs", {}).items()}
    _announce(data or setting["data"], quiet)
    material = _material(recipe, data or Path(setting["data"]), start, pairs, cache)
    if material.pictures != setting["pictures"]:
        raise RecipeError(f"{run}: began with {setting['pictures']} pictures, and there are {material.pictures} now")
    before = Hardware(**setting["hardware"])
    hardware = before.changed(changes or {}).settled(recipe)
    old, new = asdict(before), asdict(hardware)
    moved = any(old[name] not in {"auto", new[name]} for name in new)
    begin = None if start is None else cards.load(start)[0]
    learner = Learner.of(recipe, material, hardware.fabric(), begin, DTYPES[hardware.muon])
    if moved and learner.fabric.global_rank == 0:
        setting["hardware"], setting["hardware_before"] = new, [*setting.get("hardware_before", []), old]
        with unfinished(run / SETTING) as temporary:
            temporary.write_text(json.dumps(setting, indent=2) + "\n", encoding="utf-8")
    budget = Budget(setting["minutes"]) if "minutes" in setting else None
    return _run(learner, run, hardware, budget, quiet=quiet, moved=moved)


def _announce(data: Path | str, quiet: bool) -> None:
    """A first sign of life: to read all pictures takes a while."""
    if not quiet and Processes.around().rank == 0:
        print(f"reading {data}", file=sys.stderr, flush=True)


def _material(
    recipe: Recipe, data: Path, weights: Path | None, pairs: Mapping[str, Path], cache: Cache | None
) -> Material:
    replays = any(stage.replay for stage in recipe.stage)
    memory = remembered(weights) if replays else None
    smallest_px = recipe.data.smallest_px
    material = load_material(data, recipe.paired, smallest_px=smallest_px, pairs=pairs, memory=memory, cache=cache)
    material = material.with_depth() if recipe.deep else material
    return material.with_graphics(recipe.data.graphics) if recipe.data.graphics else material


def remembered(weights: Path | None) -> Memory:
    """What a router remembers; nothing where it has no memory."""
    known = weights is not None and (weights / MEMORY).is_dir()
    return load_memory(weights / MEMORY) if weights is not None and known else Memory()


def new_folder(parent: Path) -> Path:
    """A folder named by the time, which no other run has. Raises RecipeError where none can be made."""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for number in count():
            folder = parent / (f"{stamp}-{number}" if number else stamp)
            with suppress(FileExistsError):
                folder.mkdir()
                return folder
    except OSError as error:
        raise RecipeError(f"{parent}: {error.strerror}") from error
    raise AssertionError("unreachable")


def _run(
    learner: Learner, folder: Path, hardware: Hardware, budget: Budget | None, *, quiet: bool, moved: bool = False
) -> Path:
    speaks = learner.fabric.global_rank == 0
    with Journal(folder, learner.fabric.device, speaks=speaks, quiet=quiet) as journal:
        precisions = f"{hardware.precision}, Muon in {hardware.muon}"
        journal.say(f"{folder}: {learner.training.described} to learn from, on {hardware.device} in {precisions}")
        if moved:
            journal.say(
                "warning: other hardware or precision: the weights will not be, bit for bit, what they would have been"
            )
        trainer = Trainer(learner, folder, journal)
        with exact_float32:
            model = trainer.run(budget, moved=moved)
        if speaks:
            _save(model, learner, trainer.plan, folder)
    if distributed.is_initialized():
        # Nobody leaves while another still speaks to it.
        distributed.barrier()
        distributed.destroy_process_group()
    return folder / MODEL


def _save(model: Model, learner: Learner, plan: Plan, folder: Path) -> None:
    recipe = learner.recipe
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    setting = json.loads((folder / SETTING).read_text(encoding="utf-8"))
    card = cards.Card(
        name=recipe.name,
        kind=recipe.model.kind,
        config=recipe.model.config,
        handles=recipe.handles or tuple(learner.kinds),
        training={
            "recipe": recipe.model_dump(mode="json", exclude_none=True),
            "pictures": learner.training.pictures,
            **({"from": setting["from"]} if "from" in setting else {}),
            "last": json.loads(lines[-1]),
            **({} if plan.seconds is None else {"plan": plan.document()}),
            "environment": environment(learner.fabric.device),
        },
    )
    made = folder / f".{MODEL}"
    shutil.rmtree(made, ignore_errors=True)
    if recipe.memory is not None and isinstance(model, FeatureExtractor):
        start = folder / START if (folder / START).is_dir() else None
        rng = Generator().manual_seed(recipe.seed)
        select_exemplars(model, recipe, learner.training, remembered(start), rng).save(made / MEMORY)
    cards.save(model, card, made)
    shutil.rmtree(folder / MODEL, ignore_errors=True)
    made.rename(folder / MODEL)
