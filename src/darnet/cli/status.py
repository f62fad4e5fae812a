"""`darnet status`: how far a folder is, what failed and why, as its ledger says."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from darnet.cli import options as o
from darnet.cli.flags import spoken
from darnet.cli.lines import visible
from darnet.cli.session import as_json

if TYPE_CHECKING:
    from darnet.jobs.status import Status

FolderArgument = Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder of outputs.", show_default=False)]


def status(folder: FolderArgument, json: o.AsJson = False) -> int:
    """How far a folder is. What is done, what failed and why; of each shard by itself. Exit code 1: not finished."""
    from darnet.jobs.status import Status

    every = Status.read_all(folder)
    for found in every:
        if json:
            print(as_json(_document(found)))
        else:
            _tell(found, str(folder if len(every) == 1 else found.path))
    return 1 if any(found.failed or found.unfinished for found in every) else 0


def _tell(found: Status, name: str) -> None:
    print(f"{visible(name)}: {_counted(found)}")
    for one in found.not_done():
        reason = f": {spoken(one.reason)}" if one.reason else ""
        print(f"  {visible(one.input)}: {one.status}{visible(reason)}")
    if found.began is not None:
        print(f"last run {_rate(found)}; settings: {visible(_settings(found.settings))}")


def _counted(found: Status) -> str:
    """`120 done (3 of them with other settings), 2 failed, 78 unfinished`."""
    outdated = f" ({found.outdated} with other settings than the last run's)" if found.outdated else ""
    others = {"failed": found.failed, "unfinished": found.unfinished}
    return ", ".join(
        [f"{found.done} done{outdated}", *(f"{number} {what}" for what, number in others.items() if number)]
    )


def _rate(found: Status) -> str:
    """`2026-05-06 07:08, 120 pictures in 60.0 s (2.00 a second, 0.48 s of work each)`."""
    began = time.strftime("%Y-%m-%d %H:%M", time.localtime(found.began))
    if found.rate is None or found.seconds_each is None:
        return began
    rate = f"{found.rate:.2f} a second, {found.seconds_each:.2f} s of work each"
    return f"{began}, {found.written} pictures in {found.seconds:.1f} s ({rate})"


def _settings(known: Mapping[str, Any]) -> str:
    """What is not as usual, and who restored."""
    from darnet.jobs import Job
    from darnet.jobs.settings import chosen
    from darnet.systems.spec import RestorerSpec

    usual = {**chosen(Job()), **RestorerSpec().model_dump(mode="json")}
    given = {**known["job"], **known["restorer"]}
    told = [f"{name} {value}" for name, value in given.items() if name == "system" or value != usual.get(name)]
    return ", ".join([f"darnet {known['darnet']}", *told])


def _document(found: Status) -> dict[str, Any]:
    return {
        "ledger": str(found.path),
        "done": found.done,
        "failed": found.failed,
        "unfinished": found.unfinished,
        "outdated": found.outdated,
        "last_run": {
            "began": found.began,
            "pictures": found.written,
            "seconds": found.seconds,
            "pictures_per_second": found.rate,
            "settings": found.settings or None,
        },
        "pictures": [one.to_dict() for one in found.not_done()],
    }
