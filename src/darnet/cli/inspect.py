"""`darnet inspect`: who serves what inside a network, how it tells damages apart, and what it makes of a picture."""

from __future__ import annotations

import json as json_module
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeAlias, TypeVar

import typer

from darnet.cli import options as o
from darnet.cli.session import Session
from darnet.errors import NoInputError, UsageError

if TYPE_CHECKING:
    from darnet.benchmark.cases import Case
    from darnet.benchmark.subjects import Subject

Found = TypeVar("Found")

Networks: TypeAlias = Annotated[
    list[str],
    typer.Argument(metavar="MODEL", help="A folder of weights, or a system. Several are compared.", show_default=False),
]
Network: TypeAlias = Annotated[
    str, typer.Argument(metavar="MODEL", help="A folder of weights, or a system.", show_default=False)
]
Picture: TypeAlias = Annotated[
    Path, typer.Argument(metavar="PICTURE", help="A picture to look at.", show_default=False)
]
Folder: TypeAlias = Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where the two files go.")]
Gates: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--gate", metavar="GATE", help="How experts are chosen: soft, hard; default: as weights ship. Repeat."
    ),
]
Kinds: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--kind", metavar="KIND", help="Damages to tell apart; default: all that it knows. Repeat."),
]


def routing(  # noqa: PLR0913, PLR0917  one parameter an option
    models: Networks,
    data: o.TestSets,
    output: Folder = Path("inspection"),
    gate: Gates = None,
    limit: o.Limit = None,
    device: o.Device = "auto",
    json: o.AsJson = False,
    quiet: o.Quiet = False,
    overwrite: o.Overwrite = False,
) -> int:
    """Show for every block which expert serves which damage. Writes routing.json and routing.png."""
    files = _files(output, "routing", overwrite=overwrite)
    from darnet.analysis import drawing, inspection, maps

    drawing.need()
    subjects = [one for subject in _networks(models, device) for one in inspection.under(subject, gate or ())]
    visit = _Visit(subjects, *inspection.choose(_kinds(subjects), data, limit), data)
    view = _View(inspection.follow, inspection.summary, maps.draw_routing, _table)
    return _show(visit, view, files, device=device, json=json, quiet=quiet)


def sphere(  # noqa: PLR0913, PLR0917  one parameter an option
    models: Networks,
    data: o.TestSets,
    output: Folder = Path("inspection"),
    kind: Kinds = None,
    limit: o.Limit = None,
    device: o.Device = "auto",
    json: o.AsJson = False,
    quiet: o.Quiet = False,
    overwrite: o.Overwrite = False,
) -> int:
    """Show how well a network tells damages apart. Writes sphere.json and sphere.png: what it routes by."""
    files = _files(output, "sphere", overwrite=overwrite)
    from darnet.analysis import drawing, globe, inspection
    from darnet.analysis import sphere as on_sphere

    drawing.need()
    on_sphere.need()
    subjects = [inspection.only(subject, kind or ()) for subject in _networks(models, device)]
    visit = _Visit(subjects, *inspection.choose(_kinds(subjects), data, limit), data)
    for subject in subjects:
        on_sphere.comparable(subject, visit.cases)
    view = _View(on_sphere.locate, on_sphere.summary, globe.draw_sphere, _separations)
    return _show(visit, view, files, device=device, json=json, quiet=quiet)


def features(  # noqa: PLR0913, PLR0917  one parameter an option
    model: Network,
    picture: Picture,
    output: Folder = Path("inspection"),
    device: o.Device = "auto",
    json: o.AsJson = False,
    quiet: o.Quiet = False,
    overwrite: o.Overwrite = False,
) -> int:
    """Show what experts and controllers make of a picture. Writes features.json and features.png."""
    from darnet.jobs.paths import is_same_file

    files = _files(output, "features", overwrite=overwrite)
    if is_same_file(picture, files):
        raise UsageError(f"{picture}: the output would be an input; originals are never touched")
    from darnet.analysis import drawing, inspection, maps
    from darnet.analysis import features as inside
    from darnet.images.image import Image

    drawing.need()
    session = Session(quiet=quiet)
    with session.listening(str(picture), picture):
        pixels = Image.read(picture).pixels(fitted=True)
    subject = inside.watched(model, device)
    found = inside.look_inside(subject, pixels)
    sizes = {"size_px": [pixels.shape[2], pixels.shape[1]], "shown_px": [found.shown.shape[2], found.shown.shape[1]]}
    if found.shown.shape != pixels.shape:
        whole, part = ("×".join(map(str, size)) for size in sizes.values())
        session.warn(str(picture), f"{whole} is large: only its centre is looked at, {part}")
    named = {"model": subject.name, "picture": str(picture), **sizes}
    document = {**inspection.circumstances(device), **named, "maps": [drawn.to_dict() for drawn in found.maps]}
    _write(files, document, maps.draw_features(found, f"{subject.name}: {picture}"))
    lines = [f"{drawn.stage:<14}{drawn.part:<14}{drawn.expert or ''}".rstrip() for drawn in found.maps]
    _tell(session, document, lines, files, json=json)
    return 0


@dataclass
class _Visit:
    """Networks that look at test pictures, each at those of its kinds. Raises NoInputError where one has none."""

    subjects: Sequence[Subject]
    cases: Sequence[Case]
    left_out: dict[str, str]  # kind -> why it has no pictures
    data: Path

    def __post_init__(self) -> None:
        self.failures: list[dict[str, Any]] = []
        for subject in self.subjects:
            if not any(case.kind in subject.kinds for case in self.cases):
                raise NoInputError(f"{subject.name}: {self.data} holds no test set of {', '.join(subject.kinds)}")

    @property
    def pictures(self) -> int:
        """How many there are to look at, one network after the other."""
        return sum(case.kind in subject.kinds for subject in self.subjects for case in self.cases)

    def each(self, session: Session, look: Callable[[Subject, Case], Found]) -> list[list[Found]]:
        """What each network has to say; pictures that fail are named, and kept in mind."""
        from darnet.analysis.inspection import identity

        for kind, reason in self.left_out.items():
            session.warn(kind, f"left out: {reason}")
        pairs = [(n, case) for n, one in enumerate(self.subjects) for case in self.cases if case.kind in one.kinds]
        found: list[list[Found]] = [[] for _ in self.subjects]
        for number, case in session.each(pairs, len(pairs)):
            subject = self.subjects[number]
            with session.attempt(f"{subject.name}: {case.kind}: {case.set}/{case.name}") as attempt:
                found[number].append(look(subject, case))
            if attempt.error is not None:
                self.failures.append({"model": subject.name, **identity(case), "error": attempt.error})
        return found

    def circumstances(self) -> dict[str, Any]:
        """What a reader must know of the pictures."""
        from darnet.analysis.inspection import PROTOCOL

        return {"protocol": str(PROTOCOL), "left_out": self.left_out, "failures": self.failures}


@dataclass(frozen=True)
class _View(Generic[Found]):
    """What is found of a picture, summed up of a network, drawn of all of them, and printed of each."""

    look: Callable[[Subject, Case], Found]
    sum_up: Callable[[Subject, Sequence[Found]], dict[str, Any]]
    draw: Callable[[Sequence[dict[str, Any]]], bytes]
    lines: Callable[[dict[str, Any]], list[str]]


def _show(visit: _Visit, view: _View[Found], files: tuple[Path, Path], *, device: str, json: bool, quiet: bool) -> int:
    """Look at every picture, write both files and tell; nothing is written where a network saw no picture."""
    from darnet.analysis.inspection import circumstances

    session = Session(quiet=quiet)
    found = visit.each(session, view.look)
    code = session.finish(visit.pictures)
    if not all(found):
        return code
    summaries = [view.sum_up(*pair) for pair in zip(visit.subjects, found, strict=True)]
    document = {**circumstances(device), **visit.circumstances(), "models": summaries}
    _write(files, document, view.draw(summaries))
    _tell(session, document, [line for model in summaries for line in view.lines(model)], files, json=json)
    return code


def _networks(models: Iterable[str], device: str) -> list[Subject]:
    from darnet.analysis.inspection import routed

    return [subject for name in dict.fromkeys(models) for subject in routed(name, device)]


def _kinds(subjects: Iterable[Subject]) -> list[str]:
    return list(dict.fromkeys(kind for subject in subjects for kind in subject.kinds))


def _files(folder: Path, name: str, *, overwrite: bool) -> tuple[Path, Path]:
    """The JSON and the PNG, which can be written. Raises ImageError."""
    from darnet.jobs.paths import check_free

    files = folder / f"{name}.json", folder / f"{name}.png"
    for file in files:
        check_free(file, overwrite=overwrite)
    return files


def _write(files: tuple[Path, Path], document: dict[str, Any], drawing: bytes) -> None:
    from darnet.jobs.paths import write_file

    for path, data in zip(files, ((json_module.dumps(document, indent=1) + "\n").encode(), drawing), strict=True):
        write_file(path, data)


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
    lines = [_seen(model)]
    for block in model["blocks"]:
        figures = [
            f"{name} {'–' if block[name] is None else format(block[name], '6.1%')}"
            for name in ("accuracy", "purity", "chance")
        ]
        lines.append(f"{block['name']:<14}{'  '.join(figures)}")
    return lines


def _separations(model: dict[str, Any]) -> list[str]:
    """How well damages are told apart, all stages together and each by itself."""
    lines = [f"{_seen(model)}  {model['vectors']}"]
    for view in ({"name": "together", **model["together"]}, *model["places"]):
        figures = f"nearest centre {view['nearest']:6.1%}  silhouette {view['silhouette']:6.3f}"
        lines.append(f"{view['name']:<14}{figures}  chance {model['chance']:6.1%}")
    return lines


def _seen(model: dict[str, Any]) -> str:
    pictures = sum(count for sets in model["pictures"].values() for count in sets.values())
    return f"{model['model']}  {pictures} pictures of {', '.join(model['pictures'])}"
