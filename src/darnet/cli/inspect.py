"""`darnet inspect`: who serves what inside a network, and what its parts make of a picture."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from darnet.cli import options as o
from darnet.cli import outputs
from darnet.cli.session import Session
from darnet.errors import NoInputError, UsageError

if TYPE_CHECKING:
    from darnet.benchmark.inspection import Passage

Networks: TypeAlias = Annotated[
    list[str],
    typer.Argument(metavar="MODEL", help="A folder of weights, or a system. Several are compared.", show_default=False),
]
Network: TypeAlias = Annotated[
    str, typer.Argument(metavar="MODEL", help="A folder of weights, or a system.", show_default=False)
]
Picture: TypeAlias = Annotated[Path, typer.Argument(metavar="PICTURE", show_default=False)]
Folder: TypeAlias = Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where the two files go.")]


def routing(  # noqa: PLR0913, PLR0917  one parameter an option
    models: Networks,
    data: o.TestSets,
    output: Folder = Path("inspection"),
    limit: o.Limit = None,
    device: o.Device = "auto",
    json: o.AsJson = False,
    quiet: o.Quiet = False,
    overwrite: o.Overwrite = False,
) -> int:
    """Show for every block which expert serves which damage; writes routing.json and routing.png."""
    files = _files(output, "routing", overwrite=overwrite)
    from darnet.benchmark import inspection, maps

    maps.need()
    subjects = [subject for name in dict.fromkeys(models) for subject in inspection.routed(name, device)]
    chosen, left_out = inspection.choose(dict.fromkeys(k for s in subjects for k in s.kinds), data, limit)
    work = [(subject, case) for subject in subjects for case in chosen if case.kind in subject.kinds]
    for subject in subjects:
        if all(shown is not subject for shown, _ in work):
            raise NoInputError(f"{subject.name}: {data} holds no test set of {', '.join(subject.kinds)}")
    session = Session(quiet=quiet)
    for kind, reason in left_out.items():
        session.warn(kind, f"left out: {reason}")
    passages: dict[str, list[Passage]] = {subject.name: [] for subject in subjects}
    failures = []
    for subject, case in session.each(work):
        with session.attempt(f"{subject.name}: {case.kind}: {case.set}/{case.name}") as attempt:
            passages[subject.name].append(inspection.follow(subject, case))
        if attempt.error is not None:
            which = {"set": case.set, "name": case.name, "kind": case.kind, "level": case.level}
            failures.append({"model": subject.name, **which, "error": attempt.error})
    code = session.finish(len(work))
    if not all(passages.values()):
        return code
    summaries = [inspection.summary(subject, passages[subject.name]) for subject in subjects]
    found = {"left_out": left_out, "failures": failures, "models": summaries}
    document = {**inspection.circumstances(device), "protocol": str(inspection.PROTOCOL), **found}
    _write(files, document, maps.draw_routing(summaries))
    _tell(session, document, [line for model in summaries for line in _table(model)], files, json=json)
    return code


def features(  # noqa: PLR0913, PLR0917  one parameter an option
    model: Network,
    picture: Picture,
    output: Folder = Path("inspection"),
    device: o.Device = "auto",
    json: o.AsJson = False,
    quiet: o.Quiet = False,
    overwrite: o.Overwrite = False,
) -> int:
    """Show what the experts and controllers make of a picture; writes features.json and features.png."""
    files = _files(output, "features", overwrite=overwrite)
    if outputs.is_same_file(picture, files):
        raise UsageError(f"{picture}: the output would be an input; originals are never touched")
    from darnet.benchmark import features as inside
    from darnet.benchmark import inspection, maps
    from darnet.image import Image

    maps.need()
    pixels = Image.read(picture).pixels()
    subject = inside.watched(model, device)
    session = Session(quiet=quiet)
    found = inside.look_inside(subject, pixels)
    sizes = {"size_px": [pixels.shape[2], pixels.shape[1]], "shown_px": [found.shown.shape[2], found.shown.shape[1]]}
    if found.shown.shape != pixels.shape:
        whole, part = ("×".join(map(str, size)) for size in sizes.values())
        session.warn(str(picture), f"{whole} is large: only its centre is looked at, {part}")
    named = {"model": subject.name, "picture": str(picture), **sizes}
    document = {**inspection.circumstances(device), **named, "maps": [drawn.to_dict() for drawn in found.maps]}
    _write(files, document, maps.draw_features(found, f"{subject.name}: {picture}"))
    lines = [f"{drawn.place:<14}{drawn.part:<14}{drawn.expert or ''}".rstrip() for drawn in found.maps]
    _tell(session, document, lines, files, json=json)
    return 0


def _files(folder: Path, name: str, *, overwrite: bool) -> tuple[Path, Path]:
    """The JSON and the PNG, which can be written. Raises ImageError."""
    files = folder / f"{name}.json", folder / f"{name}.png"
    for file in files:
        outputs.check_free(file, overwrite=overwrite)
    return files


def _write(files: tuple[Path, Path], document: dict[str, Any], drawing: bytes) -> None:
    from darnet.image import write_bytes

    for path, data in zip(files, ((json_module.dumps(document, indent=1) + "\n").encode(), drawing), strict=True):
        outputs.make_folder(path)
        write_bytes(path, data)


def _tell(
    session: Session, document: dict[str, Any], lines: list[str], files: tuple[Path, Path], *, json: bool
) -> None:
    if json:
        print(json_module.dumps(document))
        return
    for line in (*lines, f"->  {files[0]}  {files[1]}"):
        session.say(line)


def _table(model: dict[str, Any]) -> list[str]:
    """Accuracy block by block."""
    pictures = sum(count for sets in model["pictures"].values() for count in sets.values())
    lines = [f"{model['model']}  {pictures} pictures of {', '.join(model['pictures'])}"]
    for block in model["blocks"]:
        figures = [
            f"{name} {'–' if block[name] is None else format(block[name], '6.1%')}"
            for name in ("accuracy", "purity", "chance")
        ]
        lines.append(f"{block['name']:<14}{'  '.join(figures)}")
    return lines
