"""One kind of damage: photos under it at fixed severities, and the pairs that have it."""

from __future__ import annotations

from darnet.benchmark.cases import Case, cases, kind_suites, severities
from darnet.benchmark.documents import Document, Nothing
from darnet.benchmark.peers import INPUT, repairing
from darnet.benchmark.report.tables import closed, plain
from darnet.benchmark.run import Progress
from darnet.benchmark.suite import Outcome, Request, Suite, measured
from darnet.registry import CLEAN
from darnet.systems import manifest


def measure(request: Request, chosen: list[Case], progress: Progress) -> Outcome[Nothing]:
    """Every method on every picture."""
    return Outcome((measured(request, progress, request.methods, chosen),), Nothing())


def tables(document: Document[Nothing]) -> str:
    """One line a row."""
    return closed(document.part.protocol, plain(document.part.rows))


def _suite(name: str) -> Suite[Nothing]:
    damaged_by = {damage.kind for damage in severities(name)} or {name}
    return Suite(
        name,
        lambda request: cases(name, *request.pictures),
        measure,
        tables,
        Nothing,
        methods=(INPUT, manifest.DEFAULT),
        peers=repairing(*damaged_by),
    )


def suites() -> tuple[Suite[Nothing], ...]:
    """One for each kind; clean photos are a suite of another family."""
    return tuple(_suite(name) for name in kind_suites() if name != CLEAN)
