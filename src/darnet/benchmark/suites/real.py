"""Real damage with its truth: pairs that somebody took of one scene, one of them noisy, badly exposed or shaken."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from darnet.benchmark.cases import Case, is_there, pairs_of
from darnet.benchmark.report.gains import Gains
from darnet.benchmark.suite import Suite
from darnet.benchmark.suites.gains import gaining
from darnet.errors import NoInputError, UnknownNameError

NAME = "real"


class Part(NamedTuple):
    """The pairs of a set that have one kind of damage. `mark`: part of their damaged files' names; empty: all."""

    kind: str
    set: str
    mark: str = ""


#: PolyU: cameras at high ISO. RENOIR: dim scenes. SICE: exposure series, over (`_o`) and under (`_u`). PFRN: daylight,
#: stops too dark. Haze (SOTS) and rain (Rain100L) have suites of their own, and are made, not taken.
PARTS = (
    Part("noise", "PolyU"),
    Part("noise", "RENOIR"),
    Part("overexposure", "SICE", "_o"),
    Part("lowlight", "SICE", "_u"),
    Part("lowlight", "PFRN"),
    Part("lowlight", "LOLv1"),
    Part("motion", "GoPro-like"),
)
SETS = tuple(dict.fromkeys(part.set for part in PARTS))


def cases(root: Path, sets: Sequence[str] = (), limit: int | None = None) -> list[Case]:
    """The pairs of every set that is there, or that is named; at most `limit` of a part.

    Raises UnknownNameError for a set that is none of these, NoInputError where one that is named, or all, are missing.
    """
    for name in sets:
        if name not in SETS:
            raise UnknownNameError(f"set of suite {NAME}", name, SETS)
    chosen = sets or [name for name in SETS if is_there(root, name)]
    if not chosen:
        raise NoInputError(f"{root}: none of the sets of suite {NAME} is there ({', '.join(SETS)})")
    parts = [part for part in PARTS if part.set in chosen]
    return [case for part in parts for case in pairs_of(part.kind, root, part.set, limit, part.mark)]


def missing(chosen: Sequence[Case]) -> dict[str, str]:
    """The sets without a case, where none was named -> why."""
    measured = {case.set for case in chosen}
    return {name: "this set is not there" for name in SETS if name not in measured}


def suites() -> tuple[Suite[Gains], ...]:
    """The one."""
    return (gaining(NAME, lambda request: cases(*request.pictures), ("nlm-blind", "gaussian"), missing),)
