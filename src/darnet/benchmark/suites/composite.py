"""Two kinds of damage in one picture: what is left of it, and which way it goes through a network that routes.

Each kind comes as its own suite has it, in the order in which physics brings them: what lies between scene and lens,
then the lens, then the sensor.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from darnet.benchmark.cases import DEFAULT_SETS, TOGETHER, Case, damaged, severity_of
from darnet.benchmark.cases import severities as severities_of
from darnet.benchmark.documents import Document, Findings
from darnet.benchmark.methods import Method
from darnet.benchmark.peers import INPUT
from darnet.benchmark.protocol import Protocol
from darnet.benchmark.report.cells import number, table
from darnet.benchmark.report.tables import closed, plain
from darnet.benchmark.rows import Row, parse
from darnet.benchmark.run import Progress
from darnet.benchmark.subjects import Subject
from darnet.benchmark.suite import Outcome, Request, Suite, documented, measured
from darnet.degradations import Degradation
from darnet.engines.pytorch import TorchBackend
from darnet.models.abilities import Watched
from darnet.systems import manifest

#: The first befalls the picture first. Fog lies behind the rain that is seen; photons are few before they are counted.
COMPOSITES: tuple[tuple[Degradation, Degradation], ...] = (
    (severities_of("haze")[1], severities_of("rain")[1]),
    (severities_of("lowlight")[1], severities_of("noise")[0]),
    (severities_of("blur")[1], severities_of("noise")[0]),
)
#: Whose expert a composite has, beside that of one of its kinds; and the row of means.
#: Keys of `Served.places` and of its rows.
BOTH, NEITHER, EVERY = "both", "neither", "every place"

Severities = Mapping[str, Mapping[str, float | None]]
Shares = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Served:
    """Whose expert serves the pictures of a row. `places`: stage -> whose -> share of the pictures; last their mean."""

    method: str
    set: str
    kind: str
    pictures: int
    places: Shares


@dataclass(frozen=True)
class Paths(Findings):
    """Composite -> kind -> its severity, in the kind's own unit; and the paths through networks that route."""

    severities: Severities
    paths: tuple[Served, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"levels": self.severities, "paths": [asdict(path) for path in self.paths]}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Paths:
        """Back from the JSON form."""
        return cls(document["levels"], tuple(parse(Served, path) for path in document["paths"]))


def measure(request: Request, chosen: list[Case], progress: Progress) -> Outcome[Paths]:
    """Two kinds of damage in one picture, and which way it goes through networks that route."""
    part = measured(request, progress, request.methods, chosen)
    found = paths(part.rows, documented(request, part), chosen, part.protocol, request.device)
    return Outcome((part,), Paths(severities(), tuple(found)))


def tables(document: Document[Paths]) -> str:
    """One line a row, a table of stages for each path, and what befalls the pictures."""
    found = document.found
    said = (plain(document.part.rows), *path_tables(found.paths), described(found.severities))
    return closed(document.part.protocol, *said)


def kind(parts: Iterable[Degradation]) -> str:
    """What several kinds of damage together are called."""
    return TOGETHER.join(part.kind for part in parts)


def severities() -> Severities:
    """Composite -> kind -> its severity, in the kind's own unit."""
    return {kind(parts): {part.kind: severity_of(part) for part in parts} for parts in COMPOSITES}


def cases(root: Path, sets: Sequence[str] = (), limit: int | None = None) -> list[Case]:
    """Photos under each composite, CBSD68 or the photo sets that are named. Raises NoInputError."""
    return [
        replace(case, kind=kind(parts), severity=None, before=parts[:-1])
        for parts in COMPOSITES
        for name in sets or DEFAULT_SETS
        for case in damaged(parts[-1], root, name, limit)
    ]


def alone(case: Case) -> list[Case]:
    """The photo of a composite under each of its kinds by itself."""
    assert case.degradation is not None
    return [replace(case, kind=part.kind, degradation=part, before=()) for part in (*case.before, case.degradation)]


def paths(
    rows: Iterable[Row],
    methods: Mapping[str, Method],
    chosen: Sequence[Case],
    protocol: Protocol,
    device: str,
) -> list[Served]:
    """Whose expert serves a composite, stage by stage: an entry for each row whose method routes inside.

    Of a photo three paths are compared: under both kinds of damage, and under each alone. A share of the photos has the
    expert of the first kind only, of the second only, of `both` where they share it, or of `neither`.
    """
    found = []
    for row in rows:
        whole = {image.name for image in row.per_image if image.error is None}
        own = [case for case in chosen if (case.set, case.kind) == (row.set, row.kind) and case.name in whole]
        for network in methods[row.method].networks(own[0]) if own else ():
            if isinstance(network, Watched) and network.stages:
                subject = Subject(row.method, (), TorchBackend(network, device, "fp32"))
                compared = [_compare(subject, case, protocol) for case in own]
                shares = _shares(network.stages, compared, (*own[0].kinds, BOTH, NEITHER))
                found.append(Served(row.method, row.set, row.kind, len(own), shares))
    return found


def _compare(subject: Subject, case: Case, protocol: Protocol) -> list[str]:
    """Whose expert serves it, at every stage."""
    mixed, *single = (
        [int(routing.weights[0].argmax()) for routing in subject(one.load(protocol).observed).routings]
        for one in (case, *alone(case))
    )
    whose = []
    for stage, expert in enumerate(mixed):
        fitting = [kind for kind, path in zip(case.kinds, single, strict=True) if path[stage] == expert]
        whose.append(BOTH if len(fitting) > 1 else fitting[0] if fitting else NEITHER)
    return whose


def _shares(stages: Sequence[str], compared: Sequence[Sequence[str]], whose: Sequence[str]) -> Shares:
    """Stage -> whose -> share of the photos; last the mean over the stages."""
    shares = {
        stage: {name: found.count(name) / len(found) for name in whose}
        for stage, found in zip(stages, zip(*compared, strict=True), strict=True)
    }
    shares[EVERY] = {name: sum(row[name] for row in shares.values()) / len(stages) for name in whose}
    return {stage: {name: round(share, 4) for name, share in row.items()} for stage, row in shares.items()}


def path_tables(paths: Iterable[Served]) -> list[str]:
    """A table for each path: stages down, whose expert across."""
    found = []
    for path in paths:
        title = (f"{path.method}, {path.set}, {path.kind}: expert of", *next(iter(path.places.values())))
        lines = [(stage, *(f"{100 * share:.0f} %" for share in row.values())) for stage, row in path.places.items()]
        found.append(table(title, lines))
    return found


def described(severities: Severities) -> str:
    """What befalls the pictures, in words."""
    parts = (
        ", then ".join(f"{kind} {number(severity, 'g')}" for kind, severity in both.items())
        for both in severities.values()
    )
    return f"Damage: {'; '.join(parts)}."


def suites() -> tuple[Suite[Paths], ...]:
    """The one."""
    return (
        Suite(
            "composite",
            lambda request: cases(*request.pictures),
            measure,
            tables,
            Paths,
            methods=(INPUT, manifest.DEFAULT),
        ),
    )
