"""The three and the five tasks of all-in-one restoration: which sets, and the papers' rows beside ours.

AirNet, PromptIR, DaAIR, MoCE-IR and SLER-IR are compared by these five columns, and by their mean, in which each
column weighs the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from darnet.benchmark.cases import Case, damaged, is_there
from darnet.benchmark.cases import cases as of_one_kind
from darnet.benchmark.documents import Document, Findings
from darnet.benchmark.methods import Method, parameters
from darnet.benchmark.peers import INPUT, repairing
from darnet.benchmark.protocol import DEFAULT
from darnet.benchmark.report.cells import failures, millions, pair, table
from darnet.benchmark.report.printed import PRINTED
from darnet.benchmark.rows import Row, one_protocol, parse, rounded
from darnet.benchmark.run import Progress
from darnet.benchmark.suite import Outcome, Request, Suite, documented, measured, without
from darnet.degradations import GaussianNoise
from darnet.errors import NoInputError, UnknownNameError, UsageError
from darnet.systems import manifest


class Column(NamedTuple):
    """One damage. `sets`: the papers' own, of so many `pictures`, and then what may stand in for it."""

    kind: str
    sets: tuple[str, ...]
    pictures: int
    sigma_255: float | None = None  # none: real pairs

    @property
    def title(self) -> str:
        """What stands above it."""
        return self.kind if self.sigma_255 is None else f"{self.kind} σ {self.sigma_255:g}"

    def cases(self, root: Path, set_name: str, limit: int | None) -> list[Case]:
        """The pictures of one of its sets. Raises NoInputError."""
        if self.sigma_255 is None:
            return of_one_kind(self.kind, root, (set_name,), limit)
        return damaged(GaussianNoise((self.sigma_255, self.sigma_255)), root, set_name, limit)

    def rows(self, rows: Iterable[Row]) -> list[Row]:
        """Those of its damage."""
        return [row for row in rows if (row.kind, row.level) == (self.kind, self.sigma_255)]


HAZE = Column("haze", ("SOTS-outdoor", "SOTS-indoor"), 500)
RAIN = Column("rain", ("Rain100L",), 100)
NOISE15, NOISE25, NOISE50 = (Column("noise", ("CBSD68",), 68, sigma) for sigma in (15.0, 25.0, 50.0))
MOTION = Column("motion", ("GoPro", "GoPro-like"), 1111)
LOWLIGHT = Column("lowlight", ("LOLv1",), 15)

#: Suite -> its columns, in the papers' order.
TASKS: Mapping[str, tuple[Column, ...]] = {
    "3-task": (HAZE, RAIN, NOISE15, NOISE25, NOISE50),
    "5-task": (HAZE, RAIN, NOISE25, MOTION, LOWLIGHT),
}


def kinds(suite: str) -> tuple[str, ...]:
    """The kinds of damage of a suite."""
    return tuple(dict.fromkeys(column.kind for column in TASKS[suite]))


def chosen(suite: str, root: Path, sets: Sequence[str] = ()) -> dict[Column, str | None]:
    """The set that each column is measured on: of those that are there, or that are named, the papers' own first.

    None for a column that has no set. Raises UsageError for a named set that does not fit, NoInputError where no column
    has one.
    """
    known = [name for column in TASKS[suite] for name in column.sets]
    for name in sets:
        if name not in known:
            raise UnknownNameError(f"set of suite {suite}", name, set(known))
    if not root.is_dir():
        raise NoInputError(f"{root}: no such folder of test sets")
    found: dict[Column, str | None] = {}
    for column in TASKS[suite]:
        fitting = [name for name in column.sets if name in sets or (not sets and is_there(root, name))]
        if sets and len(fitting) > 1:
            raise UsageError(f"{fitting[1]}: the column {column.title} has one set, and {fitting[0]} is named too")
        found[column] = fitting[0] if fitting else None
    if not any(found.values()):
        raise NoInputError(f"{root}: none of the sets of suite {suite} is there ({', '.join(dict.fromkeys(known))})")
    return found


def cases(suite: str, root: Path, sets: Sequence[str] = (), limit: int | None = None) -> list[Case]:
    """The cases of a suite, column by column; at most `limit` of a set and severity. Raises what `chosen` raises."""
    places = chosen(suite, root, sets).items()
    return [case for column, name in places if name is not None for case in column.cases(root, name, limit)]


def missing(suite: str, cases: Iterable[Case]) -> dict[str, str]:
    """The columns without a case -> why."""
    there = {(case.kind, case.severity) for case in cases}
    left = [column for column in TASKS[suite] if (column.kind, column.sigma_255) not in there]
    return {column.title: f"no set of it is there, or named ({' or '.join(column.sets)})" for column in left}


@dataclass(frozen=True)
class Mean:
    """Of a method over the columns, each weighing the same, and how many parameters it needs for them all.

    None where a column was not measured, or not whole.
    """

    method: str
    psnr: float | None
    ssim: float | None
    params: int | None


@dataclass(frozen=True)
class Overall(Findings):
    """The mean of every method."""

    overall: tuple[Mean, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"overall": [asdict(mean) for mean in self.overall]}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Overall:
        """Back from the JSON form."""
        return cls(tuple(parse(Mean, mean) for mean in document["overall"]))


def measure(suite: str, request: Request, chosen: list[Case], progress: Progress) -> Outcome[Overall]:
    """The tasks of all-in-one restoration, and their mean."""
    part = measured(request, progress, request.methods, chosen)
    means = overall(suite, part.rows, documented(request, part), chosen)
    return Outcome((without(part, missing(suite, chosen)),), Overall(tuple(means)))


def overall(suite: str, rows: Sequence[Row], methods: Mapping[str, Method], cases: Sequence[Case]) -> list[Mean]:
    """For each method the mean over the columns of a suite."""
    found = []
    for name, method in methods.items():
        own = [row for column in TASKS[suite] for row in column.rows(rows) if row.method == name]
        whole = len(own) == len(TASKS[suite]) and not any(row.failed or row.psnr is None for row in own)
        psnr, ssim = ([row.psnr for row in own], [row.ssim for row in own]) if whole else ([], [])
        found.append(Mean(name, _mean(psnr, 3), _mean(ssim, 4), _parameters(method, cases)))
    return found


def _mean(values: Sequence[float | None], digits: int) -> float | None:
    """None where one is not known, or none is there."""
    known = [value for value in values if value is not None]
    return rounded(sum(known) / len(known), digits) if known and len(known) == len(values) else None


def _parameters(method: Method, cases: Sequence[Case]) -> int | None:
    """Of every network that some picture passes through, where it is known."""
    one_each = {case.kind: case for case in cases}.values()
    return parameters(network for case in one_each for network in method.networks(case)) or None


def tasks(document: Document[Overall]) -> str:
    """The table of a document: what papers print, then what was measured. Raises DarnetError for mixed protocols."""
    suite, rows, protocol = document.suite, document.part.rows, document.part.protocol
    one_protocol(rows)
    columns = TASKS[suite]
    lines = _printed(suite) if protocol.name == DEFAULT else []
    for mean in document.found.overall:
        own = [row for row in rows if row.method == mean.method]
        told = f", told the {own[0].told}" if own[0].told else ""
        cells = [_cell(column.rows(own)) for column in columns]
        lines.append((mean.method + told, millions(mean.params), protocol.name, *cells, pair(mean.psnr, mean.ssim)))
    titles = [f"{column.title}: {_set(column, rows)}" for column in columns]
    text = table(("method", "M params", "figures", *titles, "mean"), lines)
    notes = [*_notes(columns, rows, protocol.name), f"Protocol {protocol}."]
    return f"{text}\n\n{' '.join(notes)}"


def _printed(suite: str) -> list[tuple[str, ...]]:
    """The papers' rows, the lowest mean first."""
    found = []
    for paper, entries in PRINTED[suite].items():
        for entry in entries:
            cells = [pair(psnr, entry.ssim[index] if entry.ssim else None) for index, psnr in enumerate(entry.psnr)]
            found.append((entry.psnr[-1], (entry.method, entry.params, f"as printed ({paper})", *cells)))
    return [line for _, line in sorted(found)]


def _set(column: Column, rows: Sequence[Row]) -> str:
    """Its set, and the one that stands in for it."""
    found = {row.set for row in column.rows(rows)}
    return column.sets[0] if found <= {column.sets[0]} else f"{column.sets[0]} (ours: {', '.join(sorted(found))})"


def _cell(rows: Sequence[Row]) -> str:
    if not rows:
        return "–"
    (row,) = rows
    return pair(row.psnr, row.ssim) + failures(row.failed)


def _notes(columns: Sequence[Column], rows: Sequence[Row], protocol: str) -> list[str]:
    """What forbids to compare ours with theirs."""
    notes = ["Each cell is PSNR in dB / SSIM; in the mean each column weighs the same."]
    if protocol != DEFAULT:
        return [*notes, f"The papers' rows belong to protocol {DEFAULT} and are left out."]
    notes.append("MoCE-IR takes SSIM over another window (protocol moceir): compare its PSNR.")
    if others := [other for column in columns if (other := _other_pictures(column, rows))]:
        notes.append(f"Ours are other test pictures than the papers' in: {'; '.join(others)}.")
    return notes


def _other_pictures(column: Column, rows: Sequence[Row]) -> str:
    """What was measured in place of the papers' set, or how little of it; empty where it is the same."""
    own = column.sets[0]
    counts = {row.set: row.n + row.failed for row in column.rows(rows)}
    found = [
        f"{count} of {column.pictures}" if name == own else f"{count} of {name} for {column.pictures} of {own}"
        for name, count in counts.items()
        if (name, count) != (own, column.pictures)
    ]
    return f"{column.title} ({', '.join(found)})" if found else ""


def _suite(name: str) -> Suite[Overall]:
    return Suite(
        name,
        lambda request: cases(name, *request.pictures),
        partial(measure, name),
        tasks,
        Overall,
        methods=(INPUT, manifest.DEFAULT),
        peers=repairing(*kinds(name)),
    )


def suites() -> tuple[Suite[Overall], ...]:
    """Those of three tasks and of five."""
    return tuple(map(_suite, TASKS))
