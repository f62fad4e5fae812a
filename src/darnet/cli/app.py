"""Every command that there is, under its name."""

from __future__ import annotations

from typing import Annotated

import typer

from darnet import __version__
from darnet.cli import bench, compare, degrade, diagnose, doctor, experts, extend, inspect, restore, train


def build() -> typer.Typer:
    """The commands and their options."""
    app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
    app.callback()(_darnet)
    app.command()(diagnose.diagnose)
    app.command()(restore.restore)
    app.command()(degrade.degrade)
    app.command()(compare.compare)
    group = typer.Typer(no_args_is_help=True, help="Which experts there are, whether they are sound; add, remove.")
    group.command("list")(experts.list_experts)
    group.command("info")(experts.info)
    group.command("verify")(experts.verify)
    group.command("add")(experts.add)
    group.command("remove")(experts.remove)
    group.command("rollback")(experts.rollback)
    app.add_typer(group, name="experts")
    app.command()(train.train)
    app.command()(extend.extend)
    app.command()(bench.bench)
    looks = typer.Typer(no_args_is_help=True, help="Look into networks with experts inside: who serves what, and how.")
    looks.command("routing")(inspect.routing)
    looks.command("sphere")(inspect.sphere)
    looks.command("features")(inspect.features)
    app.add_typer(looks, name="inspect")
    app.command()(doctor.doctor)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"darnet {__version__}")
        raise typer.Exit


def _darnet(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Find out what is wrong with a photo, and repair it."""
