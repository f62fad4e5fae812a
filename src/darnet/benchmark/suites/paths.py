"""Which way a picture with two kinds of damage goes through a network that routes. Shared; no suite is here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from darnet.benchmark.cases import Case
from darnet.benchmark.methods import Method
from darnet.benchmark.protocol import Protocol
from darnet.benchmark.report.cells import table
from darnet.benchmark.rows import Row
from darnet.benchmark.subjects import Subject
from darnet.engines.pytorch import TorchBackend
from darnet.models.abilities import Watched

#: Whose expert a composite has, beside that of one of its kinds; and the row of means.
#: Keys of `Served.places` and of its rows.
BOTH, NEITHER, EVERY = "both", "neither", "every place"

Shares = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Served:
    """Whose expert serves the pictures of a row. `places`: stage -> whose -> share of the pictures; last their mean."""

    method: str
    set: str
    kind: str
    pictures: int
    places: Shares


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
        place = (row.set, row.kind, row.way)
        own = [case for case in chosen if (case.set, case.kind, case.way) == place and case.name in whole]
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
