"""The two tables of the DaR-Net paper, its rows beside ours: denoising, and three phases of continual learning."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from darnet.benchmark.cases import DEFAULT_SETS, Case, cases, damaged
from darnet.benchmark.documents import Document, Findings, Nothing, Part
from darnet.benchmark.methods import OTHER
from darnet.benchmark.peers import INPUT, repairing
from darnet.benchmark.protocol import PROTOCOLS
from darnet.benchmark.report.cells import number, pair, table
from darnet.benchmark.report.printed import (
    PAPER_PICTURES,
    PAPER_PROTOCOL,
    PAPER_SET,
    PAPER_TABLE1,
    PAPER_TABLE2,
    SIGMAS,
)
from darnet.benchmark.report.tables import closed
from darnet.benchmark.rows import Row, one_protocol, parse
from darnet.benchmark.run import Progress
from darnet.benchmark.suite import AnySuite, Outcome, Request, Suite, measured, systems
from darnet.degradations import Degradation, GaussianBlur, GaussianNoise, Overexposure
from darnet.errors import UsageError
from darnet.registry import CLEAN
from darnet.systems import manifest

#: Table II of DaR-Net: one severity a kind, in the order in which the phases bring the experts. k fits its figures.
TABLE2: tuple[Degradation, ...] = (
    GaussianNoise((25.0, 25.0)),
    GaussianBlur((1.5, 1.5)),
    Overexposure((1.725, 1.725)),
)


@dataclass(frozen=True)
class Phases(Findings):
    """The method of each phase."""

    phases: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"phases": list(self.phases)}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Phases:
        """Back from the JSON form."""
        return parse(cls, {"phases": document["phases"]})


def denoise(request: Request, chosen: list[Case], progress: Progress) -> Outcome[Nothing]:
    """Table I of DaR-Net: denoising, in its own protocol and in that of the methods it lists."""
    protocols = [request.protocol] if request.protocol else [PROTOCOLS[name] for name in PAPER_PROTOCOL]
    parts = (measured(request, progress, request.methods, chosen, protocol) for protocol in protocols)
    return Outcome(tuple(parts), Nothing())


def learn(request: Request, chosen: list[Case], progress: Progress) -> Outcome[Phases]:
    """Table II of DaR-Net: what each phase of continual learning repairs.

    The routers of the phases are those of a class-incremental run (`NAME@RUN`), of three systems, or one that is
    limited to the kinds of a phase.
    """
    kinds = [CLEAN, *(damage.kind for damage in TABLE2)]
    given = systems(request)
    if len(given) not in (1, len(TABLE2)):
        raise UsageError(f"suite {request.suite}: give one system, or {len(TABLE2)}: one a phase")
    phases = list(given)
    if len(given) == 1 and (routers := _phases_of(given[0])):
        phases = routers
    elif len(given) == 1:
        phases = [f"{given[0]}:{'+'.join(kinds[: known + 1])}" for known in range(1, len(kinds))]
    part = measured(request, progress, [INPUT, *phases], chosen, request.or_else("darnet"))
    return Outcome((part,), Phases(tuple(phases)))


def _phases_of(name: str) -> list[str]:
    """`NAME@ROUTER` for each phase of `NAME@RUN`; nothing where it is no run of a class-incremental recipe."""
    system, _, run = name.partition(OTHER)
    path = Path(run) / "continual.json"
    if not run or not path.is_file():
        return []
    routers = json.loads(path.read_text(encoding="utf-8"))["routers"]
    return [f"{system}{OTHER}{Path(run) / router}" for router in routers]


def table1(part: Part) -> str:
    """Denoising, the paper's rows beside ours; one table a protocol."""
    one_protocol(part.rows)
    name = part.protocol.name
    lines = []
    for method in PAPER_PROTOCOL.get(name, ()):
        figures = PAPER_TABLE1[method]
        cells = [pair(psnr, ssim) for psnr, ssim in figures]
        mean = sum(psnr for psnr, _ in figures) / len(figures)
        lines.append((method, "as the DaR-Net paper prints it", *cells, f"{mean:.2f}"))
    for (method, set_name), rows in _grouped(part.rows):
        found = {row.level: row for row in rows}
        cells = [pair(found[sigma].psnr, found[sigma].ssim) if sigma in found else "–" for sigma in SIGMAS]
        known = [psnr for sigma in SIGMAS if sigma in found and (psnr := found[sigma].psnr) is not None]
        mean_db = f"{sum(known) / len(known):.2f}" if len(known) == len(SIGMAS) else "–"
        lines.append((f"{method}, {measured_on(set_name, rows)}", name, *cells, mean_db))
    title = ("method", "protocol", *(f"σ {sigma:g}: dB / SSIM" for sigma in SIGMAS), "mean dB")
    return closed(part.protocol, table(title, lines))


def table2(document: Document[Phases]) -> str:
    """Continual learning, a phase a column; where a phase does not know a damage, that damage stays."""
    rows, protocol, phases = document.part.rows, document.part.protocol, document.found.phases
    one_protocol(rows)
    columns = [INPUT, *phases]
    found = {(row.kind, row.method, row.set): row for row in rows}
    sets = dict.fromkeys(row.set for row in rows)
    lines = []
    for kind, paper in PAPER_TABLE2.items():
        level = next((row.level for row in rows if row.kind == kind), None)
        lines.append((f"{kind} {number(level, 'g')}", "paper", "as printed", *paper))
        for name in sets:
            cells = [_phase(found.get((kind, column, name)), phase) for phase, column in enumerate(columns)]
            own = [row for row in rows if (row.kind, row.set) == (kind, name)]
            lines.append(("", f"ours, {measured_on(name, own)}", protocol.name, *cells))
    title = ("damage", "whose", "protocol", "corrupted", "phase 1", "phase 2", "phase 3")
    named = "; ".join(f"phase {phase}: `{name}`" for phase, name in enumerate(phases, start=1))
    notes = f"{named}. In brackets: pictures that were misrouted. Protocol {protocol}."
    return f"{table(title, lines)}\n\n{notes}"


def measured_on(name: str, rows: Iterable[Row]) -> str:
    """A set, and how many of its pictures the mean is over where that is not what the paper's figures are of."""
    counts = sorted({row.n for row in rows})
    if name == PAPER_SET and counts in ([], [PAPER_PICTURES]):
        return name
    paper = f"of {PAPER_PICTURES}" if name == PAPER_SET else f"for {PAPER_PICTURES} of {PAPER_SET}"
    return f"{name} ({' or '.join(map(str, counts))} pictures {paper}: not comparable)"


def _phase(row: Row | None, phase: int) -> str:
    if row is None:
        return "–"
    return pair(row.psnr, row.ssim) + (f" ({row.misnamed} of {row.n})" if phase and row.misnamed else "")


def _grouped(rows: Iterable[Row]) -> list[tuple[tuple[str, str], list[Row]]]:
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row.method, row.set), []).append(row)
    return list(found.items())


def _of_table2(request: Request) -> list[Case]:
    sets = request.sets or DEFAULT_SETS
    return [case for damage in TABLE2 for name in sets for case in damaged(damage, request.root, name, request.limit)]


def suites() -> tuple[AnySuite, ...]:
    """Table I and Table II."""
    return (
        Suite(
            "table1",
            lambda request: cases("noise", *request.pictures),
            denoise,
            lambda document: "\n\n".join(map(table1, document.parts)),
            Nothing,
            methods=(INPUT, manifest.DEFAULT),
            peers=repairing("noise"),
            in_parts=True,
        ),
        Suite("table2", _of_table2, learn, table2, Phases),
    )
