"""Two kinds of damage in one picture: what is left of it, and which way it goes through a network that routes.

Each kind comes as its own suite has it, in the order in which physics brings them: what lies between scene and lens,
then the lens, then the sensor.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from darnet.backends import TorchBackend
from darnet.benchmark import suites
from darnet.benchmark.cells import number, table
from darnet.benchmark.inspection import Subject
from darnet.benchmark.methods import Method
from darnet.benchmark.protocol import Protocol
from darnet.benchmark.suites import TOGETHER, Case
from darnet.degradations import Degradation
from darnet.models.base import Model

SUITE = "composite"
#: The first befalls the picture first. Fog lies behind the rain that is seen; photons are few before they are counted.
COMPOSITES: tuple[tuple[Degradation, Degradation], ...] = (
    (suites.levels("haze")[1], suites.levels("rain")[1]),
    (suites.levels("lowlight")[1], suites.levels("noise")[0]),
    (suites.levels("blur")[1], suites.levels("noise")[0]),
)
#: Whose expert a composite has, beside that of one of its kinds; and the row of means.
BOTH, NEITHER, EVERY = "both", "neither", "every place"

Document = dict[str, Any]


def kind(parts: Iterable[Degradation]) -> str:
    """What several kinds of damage together are called."""
    return TOGETHER.join(part.kind for part in parts)


def levels() -> Document:
    """Composite -> kind -> its level, in the kind's own unit."""
    return {kind(parts): {part.kind: suites.level_of(part) for part in parts} for parts in COMPOSITES}


def cases(root: Path, sets: Sequence[str] = (), limit: int | None = None) -> list[Case]:
    """Photos under each composite, CBSD68 or the photo sets that are named. Raises NoInputError."""
    return [
        replace(case, kind=kind(parts), level=None, before=parts[:-1])
        for parts in COMPOSITES
        for name in sets or suites.DEFAULT_SETS
        for case in suites.damaged(parts[-1], root, name, limit)
    ]


def alone(case: Case) -> list[Case]:
    """The photo of a composite under each of its kinds by itself."""
    assert case.degradation is not None
    return [replace(case, kind=part.kind, degradation=part, before=()) for part in (*case.before, case.degradation)]


def paths(
    rows: Iterable[Mapping[str, Any]],
    methods: Mapping[str, Method],
    chosen: Sequence[Case],
    protocol: Protocol,
    device: str,
) -> list[Document]:
    """Whose expert serves a composite, place by place: an entry for each row whose method routes inside.

    Of a photo three paths are compared: under both kinds of damage, and under each alone. A share of the photos has the
    expert of the first kind only, of the second only, of `both` where they share it, or of `neither`.
    """
    found = []
    for row in rows:
        whole = {image["name"] for image in row["per_image"] if "error" not in image}
        own = [case for case in chosen if (case.set, case.kind) == (row["set"], row["kind"]) and case.name in whole]
        for network in methods[row["method"]].networks(own[0]) if own else ():
            if isinstance(network, Model) and network.places and network.parts():
                subject = Subject(row["method"], (), TorchBackend(network, device, "fp32"))
                compared = [_compare(subject, case, protocol) for case in own]
                entry = {"method": row["method"], "set": row["set"], "kind": row["kind"], "pictures": len(own)}
                shares = _shares(network.places, compared, (*own[0].kinds, BOTH, NEITHER))
                found.append({**entry, "places": shares})
    return found


def _compare(subject: Subject, case: Case, protocol: Protocol) -> list[str]:
    """Whose expert serves it, at every place."""
    mixed, *single = (
        [int(routing.weights[0].argmax()) for routing in subject(one.load(protocol).observed).routings]
        for one in (case, *alone(case))
    )
    whose = []
    for place, expert in enumerate(mixed):
        fitting = [kind for kind, path in zip(case.kinds, single, strict=True) if path[place] == expert]
        whose.append(BOTH if len(fitting) > 1 else fitting[0] if fitting else NEITHER)
    return whose


def _shares(places: Sequence[str], compared: Sequence[Sequence[str]], whose: Sequence[str]) -> Document:
    """Place -> whose -> share of the photos; last the mean over the places."""
    shares = {
        place: {name: found.count(name) / len(found) for name in whose}
        for place, found in zip(places, zip(*compared, strict=True), strict=True)
    }
    shares[EVERY] = {name: sum(row[name] for row in shares.values()) / len(places) for name in whose}
    return {place: {name: round(share, 4) for name, share in row.items()} for place, row in shares.items()}


def path_tables(entries: Iterable[Mapping[str, Any]]) -> list[str]:
    """A table for each entry: places down, whose expert across."""
    found = []
    for entry in entries:
        title = (
            f"{entry['method']}, {entry['set']}, {entry['kind']}: expert of",
            *next(iter(entry["places"].values())),
        )
        lines = [(place, *(f"{100 * share:.0f} %" for share in row.values())) for place, row in entry["places"].items()]
        found.append(table(title, lines))
    return found


def described(levels: Mapping[str, Mapping[str, float | None]]) -> str:
    """What befalls the pictures, in words."""
    parts = (", then ".join(f"{kind} {number(level, 'g')}" for kind, level in both.items()) for both in levels.values())
    return f"Damage: {'; '.join(parts)}."
