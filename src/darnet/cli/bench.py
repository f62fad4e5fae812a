"""`darnet bench`: measure systems, experts and peers on published test sets, with the protocol beside every figure."""

from __future__ import annotations

import json as json_module
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from darnet.cli import options as o
from darnet.cli.flags import spoken
from darnet.cli.lines import tell
from darnet.cli.session import Session
from darnet.errors import UsageError

if TYPE_CHECKING:
    from darnet.benchmark.suite import AnyDocument, Request

#: What an earlier report and an earlier page begin with, which alone are replaced.
DOCUMENT, PAGE = (
    b'{\n "suite": "',
    b'<!doctype html>\n<html lang="en">\n<head>\n<meta name="generator" content="darnet bench">',
)

SuiteName: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="SUITE",
        help="A kind of damage, or poisson-noise, grain, clean, real, stored, sensor, exposure, graphics, router, "
        "end-to-end, table1, table2, 3-task, 5-task, composite, speed.",
    ),
]
Methods: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--model", metavar="NAME|PATH", help="A system, weights, a peer or a foreign checkpoint. Repeat."),
]
Peers: TypeAlias = Annotated[bool, typer.Option("--peers", help="Also every peer that repairs this damage.")]
ProtocolName: TypeAlias = Annotated[
    str | None,
    typer.Option("--protocol", metavar="P", help="How a figure is taken: promptir, kair, moceir, darnet or rain-y."),
]
Sets: TypeAlias = Annotated[
    list[str] | None, typer.Option("--set", metavar="SET", help="Which test set; repeat. Default: the suite's.")
]
Jobs: TypeAlias = Annotated[
    int, typer.Option("--jobs", "-j", metavar="N", min=0, help="Processes, of one thread each; 0: one a core.")
]
Html: TypeAlias = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a page to look at.")]
Saved: TypeAlias = Annotated[Path | None, typer.Option("--report", metavar="FILE", help="Write the JSON to a file.")]


def bench(  # noqa: PLR0913, PLR0917  one parameter an option
    suite: SuiteName,
    data: o.TestSets,
    methods: Methods = None,
    peers: Peers = False,
    protocol: ProtocolName = None,
    sets: Sets = None,
    limit: o.Limit = None,
    json: o.AsJson = False,
    html: Html = None,
    report: Saved = None,
    jobs: Jobs = 0,
    device: o.Device = "cpu",
    quiet: o.Quiet = False,
) -> int:
    """Measure methods on a suite of test sets. Prints tables, or JSON."""
    from darnet.benchmark import suites
    from darnet.benchmark.protocol import find_protocol
    from darnet.benchmark.suite import Request
    from darnet.jobs.paths import check_earlier

    for file, beginning in ((html, PAGE), (report, DOCUMENT)):
        if file is not None:
            check_earlier(file, beginning)
    if html is not None and report is not None and html.absolute() == report.absolute():
        raise UsageError(f"--html and --report: both would be {report}")
    chosen = suites.find(suite)
    request = Request(
        suite,
        data,
        suites.with_peers(suite, tuple(methods or ())) if peers else tuple(methods or ()),
        None if protocol is None else find_protocol(protocol),
        tuple(sets or ()),
        limit,
        jobs,
        device,
    )
    if html is not None:
        from darnet.benchmark.report import html as pages

        pages.need()
    with Session(quiet=quiet).bar(lambda record: str(record.method)) as progress:
        document = suites.run(replace(request, command=_command(request)), progress)
    if report is not None:
        _write(report, json_module.dumps(document.to_dict(), indent=1) + "\n")
    if html is not None:
        _write(html, pages.html(document, request, chosen))
    return _tell(document, json=json)


def _command(request: Request) -> str:
    """The command line that asks for the same."""
    options = [f"--model {name}" for name in request.methods] + [f"--set {name}" for name in request.sets]
    options += [f"--protocol {request.protocol.name}"] if request.protocol else []
    options += [f"--limit {request.limit}"] if request.limit else []
    return " ".join(["darnet bench", request.suite, "--data ROOT", *options])


def _tell(document: AnyDocument, *, json: bool) -> int:
    """Print what was found; the exit code says whether every picture was measured."""
    from darnet.benchmark.suites import markdown

    print(json_module.dumps(document.to_dict()) if json else markdown(document))
    for name, reason in document.left_out.items():
        tell(spoken(f"{name}: left out: {reason}"))
    for failure in document.failures:
        tell(spoken(f"{failure.method}: {failure.set}/{failure.name}: {failure.error}"), "red")
    return 1 if document.failures else 0


def _write(path: Path, text: str) -> None:
    from darnet.jobs.paths import write_file

    write_file(path, text.encode())
