"""Start and take up training runs: folders, devices, processes, and the card of what was trained.

A run is `runs/<name>/<time>/{recipe.toml, run.json, env.json, metrics.jsonl, curves/, checkpoints/, samples/,
model/}`.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Literal

import tomli_w
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import distributed

from darnet import store
from darnet.backends import environment, pick_device
from darnet.data.material import Material, load_material
from darnet.errors import RecipeError, UsageError
from darnet.models.base import Model
from darnet.training.journal import Journal
from darnet.training.recipe import Recipe, load_recipe
from darnet.training.trainer import Trainer

Precision = Literal["fp32", "bf16"]
RECIPE, MODEL, SETTING = "recipe.toml", "model", "run.json"


@dataclass(frozen=True)
class Hardware:
    """What a run computes on; under torchrun its world is taken as it is."""

    device: str = "auto"
    devices: int = 1
    precision: Precision = "bf16"

    def fabric(self) -> Fabric:
        """Devices and processes, launched. Raises UsageError for a device this machine lacks."""
        devices = int(os.environ.get("LOCAL_WORLD_SIZE", self.devices))
        picked = pick_device(self.device)
        if picked.index is not None and devices > 1:
            raise UsageError(f"--device {self.device} is one device, and --devices {devices} were asked for")
        fabric = Fabric(
            accelerator=picked.type,
            devices=devices if picked.index is None else [picked.index],
            num_nodes=int(os.environ.get("GROUP_WORLD_SIZE", "1")),
            # Routing decides per sample, so in some steps some parameters get no gradient.
            strategy=DDPStrategy(find_unused_parameters=True) if devices > 1 else "auto",
            precision="bf16-mixed" if self.precision == "bf16" else "32-true",
        )
        fabric.launch()
        return fabric


def start(
    recipe: Recipe,
    data: Path,
    runs: Path,
    hardware: Hardware = Hardware(),
    *,
    weights: Path | None = None,
    quiet: bool = False,
) -> Path:
    """Train a recipe on the material under `data` in a new folder of `runs`; returns the folder of the trained model.

    `weights`: the folder of a card to begin from, instead of chance. Under torchrun every process calls this, and
    `runs` must be the same for all.
    Raises NoInputError for a folder without pictures, WeightsError for bad weights, and RecipeError for a recipe that
    cannot be trained on them, before anything is written.
    """
    fabric = hardware.fabric()
    begin, card = (None, None) if weights is None else store.load(weights)
    material = _material(recipe, data)
    trainer = Trainer(recipe, material, fabric, begin)
    folder = Path(fabric.broadcast(str(_new_folder(runs / recipe.name)) if fabric.global_rank == 0 else ""))
    if fabric.global_rank == 0:
        document = recipe.model_dump(mode="json", exclude_none=True)
        (folder / RECIPE).write_text(tomli_w.dumps(document), encoding="utf-8")
        origin = {} if card is None else {"from": {"name": card.name, "sha256": card.sha256}}
        setting = {"data": str(data.resolve()), "pictures": material.pictures, "hardware": asdict(hardware), **origin}
        (folder / SETTING).write_text(json.dumps(setting, indent=2) + "\n", encoding="utf-8")
    return _run(trainer, folder, quiet=quiet)


def resume(run: Path, data: Path | None = None, *, quiet: bool = False) -> Path:
    """Take up a run where its last checkpoint left it, on the hardware it began on; `data`: its photos' new place.

    Raises RecipeError if the folder is not a run, or if the photos are no longer the same number.
    """
    recipe = load_recipe(run / RECIPE)
    try:
        setting = json.loads((run / SETTING).read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"{run / SETTING}: {error.strerror}") from error
    material = _material(recipe, data or Path(setting["data"]))
    if material.pictures != setting["pictures"]:
        raise RecipeError(f"{run}: began with {setting['pictures']} pictures, and there are {material.pictures} now")
    return _run(Trainer(recipe, material, Hardware(**setting["hardware"]).fabric()), run, quiet=quiet)


def _material(recipe: Recipe, data: Path) -> Material:
    return load_material(data, recipe.paired, smallest_px=recipe.data.smallest_px)


def _new_folder(parent: Path) -> Path:
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


def _run(trainer: Trainer, folder: Path, *, quiet: bool) -> Path:
    speaks = trainer.fabric.global_rank == 0
    with Journal(folder, trainer.fabric.device, speaks=speaks, quiet=quiet) as journal:
        model = trainer.run(folder, journal)
        if speaks:
            _save(model, trainer, folder)
    if distributed.is_initialized():
        # Nobody leaves while another still speaks to it.
        distributed.barrier()
        distributed.destroy_process_group()
    return folder / MODEL


def _save(model: Model, trainer: Trainer, folder: Path) -> None:
    recipe = trainer.recipe
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    setting = json.loads((folder / SETTING).read_text(encoding="utf-8"))
    card = store.Card(
        name=recipe.name,
        kind=recipe.model.kind,
        config=recipe.model.config,
        handles=recipe.handles or trainer.kinds,
        training={
            "recipe": recipe.model_dump(mode="json", exclude_none=True),
            "pictures": trainer.training.pictures,
            **({"from": setting["from"]} if "from" in setting else {}),
            "last": json.loads(lines[-1]),
            "environment": environment(trainer.fabric.device),
        },
    )
    store.save(model, card, folder / MODEL)
