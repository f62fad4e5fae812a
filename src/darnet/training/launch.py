"""Start and take up training runs: folders, devices, processes, and the card of what was trained.

A run is `runs/<name>/<time>/{recipe.toml, env.json, metrics.jsonl, curves/, checkpoints/, samples/, model/}`.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import tomli_w
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import distributed

from darnet import store
from darnet.backends import pick_device
from darnet.data.photos import load_photos
from darnet.errors import DarnetError
from darnet.models.base import Model
from darnet.training.journal import Journal, environment
from darnet.training.recipe import Recipe, load_recipe
from darnet.training.trainer import Trainer

Precision = Literal["fp32", "bf16"]
RECIPE, MODEL, DATA = "recipe.toml", "model", "data.json"


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
    quiet: bool = False,
) -> Path:
    """Train a recipe on the pictures under `data` in a new folder of `runs`; returns the folder of the trained model.

    Under torchrun every process calls this, and `runs` must be the same for all.
    Raises NoInputError for a folder without pictures, before anything is written.
    """
    fabric = hardware.fabric()
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    folder = runs / recipe.name / str(fabric.broadcast(stamp))
    return _run(recipe, data, folder, fabric, quiet=quiet)


def resume(
    run: Path,
    data: Path | None = None,
    hardware: Hardware = Hardware(),
    *,
    quiet: bool = False,
) -> Path:
    """Take up a run where its last checkpoint left it, on the same data unless told otherwise.

    Raises RecipeError if the folder is not a run.
    """
    recipe = load_recipe(run / RECIPE)
    if data is None:
        data = Path(json.loads((run / DATA).read_text(encoding="utf-8"))["folder"])
    return _run(recipe, data, run, hardware.fabric(), quiet=quiet)


def _run(recipe: Recipe, data: Path, folder: Path, fabric: Fabric, *, quiet: bool) -> Path:
    photos = load_photos(data, smallest_px=recipe.data.smallest_px, halve_above_px=recipe.data.halve_above_px)
    speaks = fabric.global_rank == 0
    with Journal(folder, speaks=speaks, quiet=quiet) as journal:
        trainer = Trainer(recipe, photos, folder, fabric, journal)
        if speaks:
            document = recipe.model_dump(mode="json", exclude_none=True)
            (folder / RECIPE).write_text(tomli_w.dumps(document), encoding="utf-8")
            (folder / DATA).write_text(json.dumps({"folder": str(data.resolve()), "pictures": len(photos)}) + "\n")
        model = trainer.run(resume=True)
        if speaks:
            _save(model, recipe, trainer, folder)
    if distributed.is_initialized():
        # Nobody leaves while another still speaks to it.
        distributed.barrier()
        distributed.destroy_process_group()
    return folder / MODEL


def _save(model: Model, recipe: Recipe, trainer: Trainer, folder: Path) -> None:
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    if not lines:
        raise DarnetError(f"{folder}: the run left no metrics")
    card = store.Card(
        name=recipe.name,
        kind=recipe.model.kind,
        config=recipe.model.config,
        handles=recipe.handles or trainer.kinds,
        training={
            "recipe": recipe.model_dump(mode="json", exclude_none=True),
            "pictures": len(trainer.training),
            "last": json.loads(lines[-1]),
            "environment": environment(),
        },
    )
    store.save(model, card, folder / MODEL)
