"""What suites of damage as people have it share: what systems bring, by their diagnosis and told the kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from darnet.benchmark.cases import Case
from darnet.benchmark.documents import Document
from darnet.benchmark.methods import ORACLE, OTHER
from darnet.benchmark.peers import INPUT, PEERS
from darnet.benchmark.report.gains import Gains, gains, markdown
from darnet.benchmark.report.tables import closed
from darnet.benchmark.run import Progress
from darnet.benchmark.suite import Outcome, Request, Suite, measured, without
from darnet.models import cards
from darnet.restore.experts.foreign import FILES

Missing = Callable[[Sequence[Case]], Mapping[str, str]]


def gaining(
    name: str,
    cases: Callable[[Request], list[Case]],
    peers: tuple[str, ...] = (),
    missing: Missing = lambda chosen: {},
) -> Suite[Gains]:
    """A suite of such damage. `missing`: which sets have no case, and why; it is asked where no set was named."""
    return Suite(name, cases, partial(measure, missing), tables, Gains, peers=peers)


def measure(missing: Missing, request: Request, chosen: list[Case], progress: Progress) -> Outcome[Gains]:
    """What systems bring by their own diagnosis, and told the kind; and how many pictures they make worse."""
    part = measured(request, progress, methods(request.methods), chosen)
    left_out = {} if request.sets else missing(chosen)
    return Outcome((without(part, left_out),), Gains(tuple(gains(part.rows))))


def tables(document: Document[Gains]) -> str:
    """One line a row and a method."""
    return closed(document.part.protocol, markdown(document.found.gains, document.part.rows))


def methods(given: Sequence[str]) -> tuple[str, ...]:
    """The damaged picture; each system with its diagnosis, and told the kind; everybody else as named."""
    found = [INPUT]
    for name in given:
        found += [name, f"{name}{ORACLE}"] if _is_system(name) else [name]
    return tuple(dict.fromkeys(found))


def _is_system(name: str) -> bool:
    """Whether it is a system, and no variant of one."""
    path = Path(name)
    if name in PEERS or path.suffix.lower() in FILES or (path / cards.CARD).is_file():
        return False
    return path.exists() or not {":", OTHER} & {*name}
