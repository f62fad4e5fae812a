"""`darnet extend`: teach a system one more kind of damage."""

from __future__ import annotations

import json as json_module
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from darnet.cli import options as o
from darnet.cli.train import Overrides, TrainingDevice, TrainingPrecision, needs_extra
from darnet.errors import UsageError

if TYPE_CHECKING:
    from darnet.extend import Outcome

Kind: TypeAlias = Annotated[str, typer.Argument(metavar="NAME", help="What the new kind of damage is called.")]
DegradationName: TypeAlias = Annotated[
    str,
    typer.Option("--degradation", metavar="NAME|MODULE:CLASS", help="The damage as a function (a Degradation)."),
]
PairsFolder: TypeAlias = Annotated[
    Path | None, typer.Option("--pairs", metavar="DIR", help="Real pairs of a damaged and a clean picture.")
]
Data: TypeAlias = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="Clean photos of yours; default: the clean side of --pairs."),
]
Runs: TypeAlias = Annotated[Path, typer.Option("--runs", metavar="DIR", help="Where the two trainings are kept.")]
ExpertSource: TypeAlias = Annotated[
    str,
    typer.Option("--expert", metavar="train|FOLDER|FILE|NAME", help="Train one, or take this one."),
]
MaxForgetting: TypeAlias = Annotated[
    float,
    typer.Option("--max-forgetting", metavar="POINTS", help="Accuracy that no old kind may lose, in points.", min=0),
]
Replay: TypeAlias = Annotated[
    bool, typer.Option("--replay/--no-replay", help="Whether the router is shown again what it knew.")
]

#: Share of pictures of a new kind that are named rightly, below which there is a warning.
WELL_LEARNT = 0.9


def extend(  # noqa: PLR0913, PLR0917  one parameter an option
    kind: Kind,
    degradation: DegradationName = "",
    pairs: PairsFolder = None,
    data: Data = None,
    expert: ExpertSource = "train",
    model: o.Model = "darnet",
    out: o.SystemOutput = None,
    max_forgetting: MaxForgetting = 1.0,
    replay: Replay = True,
    runs: Runs = Path("runs"),
    overrides: Overrides = None,
    device: TrainingDevice = None,
    precision: TrainingPrecision = None,
    json: o.AsJson = False,
    quiet: o.Quiet = False,
) -> int:
    """Teach a system one more kind of damage. It gets an expert for it, and the router a short lesson."""
    for option, folder in (("--data", data), ("--pairs", pairs)):
        if folder is not None and not folder.is_dir():
            raise UsageError(f"{option} {folder}: no such folder")
    try:
        from darnet import extend
        from darnet.training.hardware import Hardware
    except ImportError as error:
        raise needs_extra(error) from error
    lesson = extend.Lesson(kind, data or _clean_side(pairs), degradation, pairs)
    hardware = Hardware(device or "auto", precision=precision or "auto")
    settings = extend.Settings(
        max_forgetting, replay, runs=runs, hardware=hardware, overrides=overrides or (), quiet=quiet
    )
    say = (lambda text: None) if quiet else (lambda text: print(text, file=sys.stderr))
    outcome = extend.extend(model, lesson, out=out, expert=expert, settings=settings, say=say)
    if os.environ.get("LOCAL_RANK", "0") == "0":
        _show(outcome, json=json, quiet=quiet)
    return 0


def _clean_side(pairs: Path | None) -> Path:
    """The folder of the clean pictures of pairs. Raises UsageError where they lie among the damaged ones."""
    if pairs is None:
        raise UsageError("--data: which folder of photos is to be learned from?")
    from darnet.data.pairs import find_pairs

    found = find_pairs(pairs)
    folder = Path(os.path.commonpath([pair.clean.parent for pair in found]))
    if any(folder in pair.degraded.parents for pair in found):
        raise UsageError(f"{pairs}: clean and damaged pictures lie together; name a folder of clean ones with --data")
    return folder


def _show(outcome: Outcome, *, json: bool, quiet: bool) -> None:
    from darnet.extend import documented

    if json:
        print(json_module.dumps({"system": str(outcome.system), **documented(outcome.before, outcome.after)}, indent=2))
        return
    if not quiet:
        for kind, confusion in outcome.after.items():
            lost = outcome.forgetting.get(kind)
            change = "new" if lost is None else f"{-lost:+.1f} points"
            print(f"{kind:<14}{100 * confusion.accuracy:6.1f} %  {change}")
            if lost is None and confusion.accuracy < WELL_LEARNT:
                print(
                    f"warning: {kind} is not told apart well; a longer lesson or more photos may help", file=sys.stderr
                )
    print(outcome.system)
