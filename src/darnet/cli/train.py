"""`darnet train`: run a recipe, or take up a run that was stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import typer

from darnet.cli import options as o
from darnet.cli.lines import tell
from darnet.errors import MissingPackageError, UsageError
from darnet.training.plan import Budget

if TYPE_CHECKING:
    from types import ModuleType

    from darnet.training.hardware import Hardware
    from darnet.training.recipe import Recipe

REPORT = "continual.json"
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
Devices: TypeAlias = Annotated[
    int | None, typer.Option("--devices", metavar="N", help="How many devices train together.", min=1)
]
TrainingDevice: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "-d", "--device", metavar="auto|cpu|cuda[:i]|mps", help="The device that trains; auto: a GPU if there is one."
    ),
]
TrainingPrecision: TypeAlias = Annotated[
    Literal["auto", "fp32", "bf16"] | None,
    typer.Option("--precision", help="Number type; auto: the fastest on this machine."),
]
Minutes: TypeAlias = Annotated[
    float | None, typer.Option("--minutes", metavar="N", help="Fit the steps of the recipe to so much time.", min=0.01)
]
DryRun: TypeAlias = Annotated[
    bool, typer.Option("--dry-run", help="Check that it can begin; print its memory, its speed here, and how long.")
]


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
    minutes: Minutes = None,
    dry_run: DryRun = False,
    quiet: o.Quiet = False,
) -> int:
    """Train a router or an expert as a recipe says. Prints the folder of the trained model."""
    budget = None if minutes is None else Budget(minutes)
    asked = {"device": device, "devices": devices, "precision": precision}
    hardware: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    for option, folder in (("--data", data), ("--resume", resume), ("--from", weights)):
        if folder is not None and not folder.is_dir():
            raise UsageError(f"{option} {folder}: no such folder")
    if (recipe is None) == (resume is None):
        raise UsageError("give a RECIPE, or --resume with a run")
    if resume is not None:
        _refuse({"--set": overrides, "--from": weights, "--minutes": minutes, "--dry-run": dry_run})
        made = _experiments().resume(resume, data, changes=hardware, quiet=quiet)
    else:
        experiments = _experiments()
        from darnet.training.hardware import Hardware
        from darnet.training.recipe import find_recipe

        if data is None and not dry_run:
            raise UsageError("--data: which folder of photos is to be learned from?")
        experiment = experiments.load(find_recipe(recipe or ""), overrides or ())
        if dry_run:
            return _rehearse(experiment.recipes, data, Hardware(**hardware), weights)
        made = experiment.start(data, out, Hardware(**hardware), weights=weights, budget=budget, quiet=quiet)
    from darnet.engines.processes import Processes

    if Processes.around().rank == 0:
        _draw(made / REPORT)
        print(made)
    return 0


def _rehearse(recipes: Sequence[Recipe], data: Path | None, hardware: Hardware, weights: Path | None) -> int:
    """Print what each would take, as soon as it is known."""
    from darnet.training.estimate import rehearse

    for recipe in recipes:
        print(rehearse(recipe, data, hardware, weights=weights), flush=True)
    return 0


def _refuse(options: Mapping[str, object]) -> None:
    """Raise UsageError for what a run that goes on has already."""
    for name, value in options.items():
        if value:
            raise UsageError(f"{name}: a run goes on with what it began with")


def _draw(report: Path) -> None:
    """The plot beside the report of a class-incremental recipe, where there is one; training ends well without it."""
    if not report.is_file():
        return
    from darnet.training.figure import draw

    try:
        draw(json.loads(report.read_text(encoding="utf-8")), report.with_suffix(".png"))
    except MissingPackageError as error:
        tell(f"no plot: {error}")


def _experiments() -> ModuleType:
    """The part that needs the extra. Raises UsageError saying how to install it."""
    try:
        from darnet.training import experiments
    except ImportError as error:
        raise needs_extra(error) from error
    return experiments


def needs_extra(error: ImportError) -> Exception:
    """What to raise where an import failed: how to install the extra, or the error itself if it is another."""
    if (error.name or "").partition(".")[0] not in EXTRA:
        return error
    return UsageError(f"training needs {error.name}: pip install 'darnet[train]'")
