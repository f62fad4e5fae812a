"""`darnet degrade`: damage clean pictures in a known way, for demonstrations and tests."""

from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from darnet.cli import options as o
from darnet.cli.lines import Line
from darnet.cli.session import Session
from darnet.errors import ImageError, UsageError

if TYPE_CHECKING:
    from darnet.degradations import Degradation
    from darnet.jobs import Task

MOST_STOPS = 10

Rounding: TypeAlias = Literal["round", "floor"]

Kind: TypeAlias = Annotated[
    str, typer.Argument(metavar="KIND", help="noise, blur, overexposure, haze, rain, motion, lowlight, jpeg, …")
]
Settings: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Fix a parameter, such as sigma_255=25; others are drawn."),
]
Stops: TypeAlias = Annotated[float | None, typer.Option("--ev", metavar="X", help="Overexposure in stops.")]
Seed: TypeAlias = Annotated[int, typer.Option("--seed", help="With the file's name, what chance depends on.")]
Rounded: TypeAlias = Annotated[Rounding, typer.Option("--rounding", help="How 8-bit samples are made.")]


def degrade(  # noqa: PLR0913, PLR0917  one parameter an option
    kind: Kind,
    inputs: o.Inputs,
    settings: Settings = None,
    ev: Stops = None,
    seed: Seed = 0,
    output: o.Output = None,
    rounding: Rounded = "round",
    overwrite: o.Overwrite = False,
) -> int:
    """Damage clean pictures in a known way. The default output is a lossless photo.KIND.png beside the input."""
    degradation = build(kind, settings or (), ev)
    session = Session()
    from darnet.jobs.inputs import STREAM, Search
    from darnet.jobs.outputs import Destination

    if STREAM in (output, *inputs):
        raise UsageError("degrade works on files: its noise depends on their names")
    found = Search(kind, output=output)(inputs)
    ext = "png" if output is None or not Path(output).suffix or Path(output).is_dir() else "auto"
    tasks = Destination(o.lasting(output), kind, ext).plan(found)
    session.leave_out(found.left_out)
    for name, reason in found.missing:
        session.fail(name, reason)
    for task in session.each(tasks, len(tasks)):
        with session.attempt(task.source.name, task.source.path) as attempt:
            task.check(overwrite=overwrite)
            drawn = _degrade(degradation, task, seed, rounding)
        if attempt.error is None:
            session.say(Line(task.source.name, " ".join([kind, *drawn]), output=task.name))
            session.count("degraded")
    return session.finish(found.total if found.sources else 0)


def build(kind: str, settings: list[str] | tuple[str, ...], ev: float | None) -> Degradation:
    """A degradation with some of its parameters fixed. Raises UsageError naming what there is."""
    from darnet import registry
    from darnet.degradations import Overexposure

    found = registry.find("degradation", kind)
    if ev is not None:
        if found is not Overexposure:
            raise UsageError(f"--ev {ev:g}: only overexposure is measured in stops")
        if not abs(ev) <= MOST_STOPS:
            raise UsageError(f"--ev {ev:g}: expected -{MOST_STOPS} to {MOST_STOPS}")
        if any(setting.startswith("gain=") for setting in settings):
            raise UsageError("--ev and --set gain: give one of them")
    values = dict(_parse(setting, found) for setting in settings)
    try:
        degradation: Degradation = found(**values) if ev is None else Overexposure.from_ev(ev)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return degradation


def _parse(setting: str, degradation: type[Degradation]) -> tuple[str, tuple[float, float] | Path]:
    """A parameter's one value, or a file that the degradation needs."""
    name, _, text = setting.partition("=")
    known = [field.name for field in fields(degradation)]
    if name not in known:
        there_are = ", ".join(known) or "none"
        raise UsageError(f"--set {setting}: {degradation.kind} has no parameter {name!r} (there are: {there_are})")
    if name not in degradation.parameters:
        return name, Path(text)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f"--set {setting}: expected {name}=NUMBER")
    least, most = degradation.limits.get(name, (0, math.inf))
    if not least <= value <= most:
        bounds = f"{least:g} or more" if most == math.inf else f"{least:g} to {most:g}"
        raise UsageError(f"--set {setting}: expected {bounds}")
    return name, (value, value)


def _degrade(degradation: Degradation, task: Task, seed: int, rounding: Rounding) -> list[str]:
    """Write one degraded picture; returns its parameters as text."""
    import numpy as np

    from darnet.degradations import named_generator, quantise
    from darnet.images.image import Image
    from darnet.jobs.paths import make_folder

    image = Image.read(task.source.path)
    if rounding == "floor" and image.array.dtype != np.uint8:
        raise ImageError(task.source.path, "--rounding floor is for pictures of 8 bits")
    rng = named_generator(task.source.path.name, seed)
    channels = image.array.shape[2]  # grey is one channel: three would be three draws of noise
    clean = image.pixels(fitted=True)[:channels][None]
    parameters = degradation.draw(1, rng)
    degraded = degradation.apply(clean, parameters, rng)[0].expand(3, -1, -1)
    if rounding == "floor":
        degraded = quantise(degraded, rounding)
    make_folder(task.output)
    image.with_pixels(degraded, fitted=True).write(task.output)
    values = parameters[0].tolist()
    return [f"{name}={value:.4g}" for name, value in zip(degradation.parameters, values, strict=True)]
