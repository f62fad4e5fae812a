"""`darnet status`: how far a folder is, what failed and why, as its ledger says."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from darnet.cli import options as o
from darnet.cli.flags import running, spoken
from darnet.cli.lines import visible
from darnet.cli.session import as_json

if TYPE_CHECKING:
    from darnet.jobs.status import Status

FolderArgument = Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder of outputs.", show_default=False)]


def status(folder: FolderArgument, json: o.AsJson = False) -> int:
    """How far a folder is. What is done, what failed and why; of each shard by itself. Exit code 1: not finished."""
    from darnet.jobs.status import Status

    every = Status.read_all(folder)
    with running(["restore"]):  # which said it
        for found in every:
            if json:
                print(as_json(_document(found)))
            else:
                _tell(found, str(folder if len(every) == 1 else found.path))
    return 0 if all(found.finished for found in every) else 1


def _tell(found: Status, name: str) -> None:
    print(f"{visible(name)}: {_counted(found)}")
    for one in found.not_done():
        reason = f": {spoken(one.reason)}" if one.reason else ""
        print(f"  {visible(one.input)}: {one.status}{visible(reason)}")
    if found.began is None:
        print("nothing is known: no run has told the ledger of a picture yet")
    else:
        print(f"last run {_rate(found)}; settings: {visible(_settings(found.settings))}")


def _counted(found: Status) -> str:
    """`120 done (3 with other settings than the last run's), 2 failed, 78 unfinished, 1 gone, 4 failed earlier`."""
    outdated = f" ({found.outdated} with other settings than the last run's)" if found.outdated else ""
    others = {"failed": found.failed, "unfinished": found.unfinished, "gone": found.gone}
    others["failed earlier, with other settings than the last run's"] = found.earlier
    return ", ".join(
        [f"{found.done} done{outdated}", *(f"{number} {what}" for what, number in others.items() if number)]
    )


def _rate(found: Status) -> str:
    """`2026-05-06 07:08, 120 pictures in 60.0 s (2.00 a second, 0.48 s of work each)`."""
    began = time.strftime("%Y-%m-%d %H:%M", time.localtime(found.began))
    if found.rate is None or found.seconds_each is None:
        return began
    each = " each" * (found.written > 1)
    rate = f"{found.rate:.2f} a second, {found.seconds_each:.2f} s of work{each}"
    return f"{began}, {found.written} picture{'s' * (found.written > 1)} in {found.seconds:.1f} s ({rate})"


def _settings(known: Mapping[str, Any]) -> str:
    """The flags of what is not as usual, and of who restored: `darnet 0.1.0, --strength 0.5, --model darnet`."""
    from darnet.jobs import Job
    from darnet.jobs.settings import chosen
    from darnet.systems.spec import RestorerSpec

    usual = list(_parameters(chosen(Job()), RestorerSpec().model_dump(mode="json")))
    given = _parameters(known["job"], known["restorer"])
    told = [f"`{one[0]}={one[1]!r}`" for one in given if one[0] == "model" or one not in usual]
    return ", ".join([f"darnet {known['darnet']}", *map(spoken, told)])


def _parameters(job: Mapping[str, Any], restorer: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What of a ledger's settings each parameter of `restore` was."""
    for name, value in (*job.items(), *restorer.items()):
        if name == "encoding":
            yield from value.items()
        elif name == "strength" and isinstance(value, Mapping):  # as `Strength` is stored
            yield name, value["by_kind"] or value["others"]
            yield from ((part, value[part]) for part in ("luma", "chroma") if value[part] != 1)
        elif name == "tiles" and value is not None:
            yield name, value["size_px"] or "off"
        else:
            yield "model" if name == "system" else name, value


def _document(found: Status) -> dict[str, Any]:
    return {
        "ledger": str(found.path),
        "done": found.done,
        "failed": found.failed,
        "unfinished": found.unfinished,
        "gone": found.gone,
        "outdated": found.outdated,
        "failed_earlier": found.earlier,
        "last_run": {
            "began": found.began,
            "pictures": found.written,
            "seconds": found.seconds,
            "pictures_per_second": found.rate,
            "settings": found.settings or None,
        },
        "pictures": [one.to_dict() | {"reason": one.reason and spoken(one.reason)} for one in found.not_done()],
    }
