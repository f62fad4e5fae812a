"""What a run computes on: devices, processes and precisions."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.strategies.ddp import DDPStrategy

from darnet.engines.devices import pick_device
from darnet.engines.processes import Processes
from darnet.errors import UsageError
from darnet.training.precision import Precision, fastest, muon_seconds, network_seconds
from darnet.training.preparation import build_model
from darnet.training.recipe import Recipe


@dataclass(frozen=True)
class Hardware:
    """What a run computes on. `muon`: what Muon orthogonalises in.

    `devices`: how many processes are started; those that torchrun or Slurm has started are taken as they are.
    """

    device: str = "auto"
    devices: int = 1
    precision: Precision = "auto"
    muon: Precision = "auto"

    def settled(self, recipe: Recipe) -> Hardware:
        """With a device, and those precisions that are open: in which a step of that recipe is the fastest on it.

        That is bf16 on CUDA, and is tried out elsewhere, by the first process for those that it will start. Processes
        that something else has started must agree as well: they take float32 untried.
        Raises UsageError for a device this machine lacks.
        """
        device = pick_device(self.device)
        processes = Processes.around()
        if device.type == "cuda":
            fast: Sequence[str] = ("bf16", "bf16")
        elif processes.total > 1:
            told = "" if processes.outside else os.environ.get(TRIED, "")
            fast = told.split() or ("fp32", "fp32")
        else:
            fast = (
                _fastest(recipe, device) if self.precision == "auto" else self.precision,
                fastest(muon_seconds(device)) if self.muon == "auto" else self.muon,
            )
            os.environ[TRIED] = " ".join(fast)
        precision, muon = cast("Sequence[Precision]", fast)
        return replace(
            self,
            device=str(device),
            precision=precision if self.precision == "auto" else self.precision,
            muon=muon if self.muon == "auto" else self.muon,
        )

    def fabric(self) -> Fabric:
        """Devices and processes, launched. Raises UsageError for a device this machine lacks."""
        processes = Processes.around()
        devices = processes.local if processes.outside else self.devices
        picked = pick_device(self.device)
        if picked.index is not None and devices > 1:
            raise UsageError(f"`device={self.device!r}` is one device, and `devices={devices}` were asked for")
        several = max(devices, processes.total) > 1
        fabric = Fabric(
            accelerator=picked.type,
            devices=devices if picked.index is None else [picked.index],
            num_nodes=processes.machines,
            # Routing decides per sample, so in some steps some parameters get no gradient.
            strategy=DDPStrategy(find_unused_parameters=True) if several else "auto",
            precision="bf16-mixed" if self.precision == "bf16" else "32-true",
            # The one task of a Slurm job would else be taken for one of those that Slurm has started.
            plugins=None if processes.outside else LightningEnvironment(),
        )
        fabric.launch()
        return fabric

    def changed(self, changes: Mapping[str, Any]) -> Hardware:
        """With what is another now; whoever computes on another device chooses its precisions anew."""
        device = changes.get("device", self.device)
        if "device" not in changes:
            try:
                pick_device(device)
            except UsageError:
                device = "auto"
        if device != self.device:
            changes = {"precision": "auto", "muon": "auto", **changes, "device": device}
        return replace(self, **changes)


#: Variable of the environment by which a process tells those that it starts what was fastest.
TRIED = "DARNET_FASTEST"

#: Whatever there is, and what is fastest on it.
ANY = Hardware()


def _fastest(recipe: Recipe, device: torch.device) -> Precision:
    """For a step of the stage that computes most."""
    stage = max(recipe.stage, key=lambda stage: stage.epochs * stage.batch * stage.crop_px**2)
    return fastest(network_seconds(build_model(recipe), device, stage.crop_px, stage.scene_px or stage.crop_px))
