"""`darnet train`: run a recipe, or take up a run that was stopped."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from darnet.cli import options as o
from darnet.errors import UsageError

if TYPE_CHECKING:
    from types import ModuleType

EXTRA = {"lightning_fabric", "lightning_utilities", "tensorboard", "tomli_w"}  # what `darnet[train]` brings

RecipeName: TypeAlias = Annotated[
    str | None, typer.Argument(metavar="RECIPE", help="A TOML file, or the name of a recipe that ships.")
]
Data: TypeAlias = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="Photos to learn from; or clean/ with them, and pairs/KIND/."),
]
Runs: TypeAlias = Annotated[Path, typer.Option("--out", metavar="DIR", help="Where runs are kept.")]
Overrides: TypeAlias = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change the recipe: stage.0.epochs=2.")
]
Resume: TypeAlias = Annotated[
    Path | None, typer.Option("--resume", metavar="RUN", help="Go on with this run, exactly where it stopped.")
]
Weights: TypeAlias = Annotated[
    Path | None, typer.Option("--from", metavar="FOLDER", help="Begin with these weights (the folder of a card).")
]
Devices: TypeAlias = Annotated[int | None, typer.Option("--devices", metavar="N", help="How many of them.", min=1)]
TrainingDevice: TypeAlias = Annotated[
    str | None, typer.Option("-d", "--device", metavar="DEVICE", help="auto, cpu, cuda, cuda:N or mps.")
]
TrainingPrecision: TypeAlias = Annotated[Literal["fp32", "bf16"] | None, typer.Option("--precision", help="bf16.")]


def train(  # noqa: PLR0913, PLR0917  one parameter an option
    recipe: RecipeName = None,
    data: Data = None,
    out: Runs = Path("runs"),
    overrides: Overrides = None,
    weights: Weights = None,
    resume: Resume = None,
    device: TrainingDevice = None,
    devices: Devices = None,
    precision: TrainingPrecision = None,
    quiet: o.Quiet = False,
) -> int:
    """Train a router or an expert as a recipe says; prints the folder of the trained model."""
    if (recipe is None) == (resume is None):
        raise UsageError("give a RECIPE, or --resume with a run")
    if resume is not None and overrides:
        raise UsageError("--set: a run goes on with the recipe it began with")
    if resume is None and data is None:
        raise UsageError("--data: which folder of photos is to be learned from?")
    if resume is not None and weights is not None:
        raise UsageError("--from: a run goes on with the weights it has")
    for option, folder in (("--data", data), ("--resume", resume), ("--from", weights)):
        if folder is not None and not folder.is_dir():
            raise UsageError(f"{option} {folder}: no such folder")
    asked = {"device": device, "devices": devices, "precision": precision}
    hardware = {name: value for name, value in asked.items() if value is not None}
    if resume is not None and hardware:
        raise UsageError(f"--{next(iter(hardware))}: a run goes on with the hardware it began on")
    launch = _launch()
    if resume is not None:
        model = launch.resume(resume, data, quiet=quiet)
    else:
        from darnet.training.recipe import find_recipe, load_recipe

        assert recipe is not None
        document = load_recipe(find_recipe(recipe), overrides or ())
        model = launch.start(document, data, out, launch.Hardware(**hardware), weights=weights, quiet=quiet)
    if os.environ.get("LOCAL_RANK", "0") == "0":
        print(model)
    return 0


def _launch() -> ModuleType:
    """The part that needs the extra. Raises UsageError saying how to install it."""
    try:
        from darnet.training import launch
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in EXTRA:
            raise
        raise UsageError(f"training needs {error.name}: pip install 'darnet[train]'") from error
    return launch
