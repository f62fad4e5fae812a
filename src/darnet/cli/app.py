"""Every command that there is, under its name."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from darnet import __version__
from darnet.cli import (
    bench,
    blend,
    compare,
    degrade,
    diagnose,
    doctor,
    experts,
    export,
    extend,
    inspect,
    restore,
    serve,
    status,
    train,
)


def build() -> Any:
    """The commands and their options, as one command of typer's."""
    # Plain text: boxes leave help texts a third of a terminal of 80 columns.
    app = typer.Typer(
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_darnet)
    given = app.command(no_args_is_help=True)  # of commands that must be told something
    given(diagnose.diagnose)
    given(restore.restore)
    given(status.status)
    given(blend.blend)
    given(degrade.degrade)
    given(compare.compare)
    group = typer.Typer(no_args_is_help=True, help="Which experts there are, whether they are sound; add, remove.")
    group.command("list")(experts.list_experts)
    group.command("info", no_args_is_help=True)(experts.info)
    group.command("verify")(experts.verify)
    group.command("add", no_args_is_help=True)(experts.add)
    group.command("remove", no_args_is_help=True)(experts.remove)
    group.command("rollback")(experts.rollback)
    app.add_typer(group, name="experts")
    given(export.export)
    given(train.train)
    given(extend.extend)
    given(bench.bench)
    looks = typer.Typer(no_args_is_help=True, help="Look into networks with experts inside. Who serves what, and how.")
    looks.command("routing", no_args_is_help=True)(inspect.routing)
    looks.command("sphere", no_args_is_help=True)(inspect.sphere)
    looks.command("features", no_args_is_help=True)(inspect.features)
    app.add_typer(looks, name="inspect")
    app.command()(serve.serve)
    app.command()(doctor.doctor)
    command = typer.main.get_command(app)
    _name_no_types(command)
    return command


def _name_no_types(command: Any) -> None:
    """Arguments are shown by their names alone; typer adds Python's types to them: `INPUT <list[str]>`."""
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            vars(parameter)["display_type"] = lambda ctx: ""
    for one in getattr(command, "commands", {}).values():
        _name_no_types(one)


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
