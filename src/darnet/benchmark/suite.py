"""What a suite is: which pictures, what is measured on them, and how that is told. `darnet.benchmark.suites` has all.

A suite is a value of functions. Nobody asks for its name to know what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Generic, NamedTuple

from darnet.benchmark.cases import Case
from darnet.benchmark.documents import Document, Failure, Found, Part
from darnet.benchmark.methods import Method
from darnet.benchmark.peers import PEERS, load_method
from darnet.benchmark.protocol import DEFAULT, PROTOCOLS, Protocol
from darnet.benchmark.run import Bench, Measured, Progress
from darnet.engines.devices import pick_device
from darnet.errors import UsageError
from darnet.models import cards
from darnet.systems import manifest


@dataclass(frozen=True)
class Request:
    """What is asked for. `protocol` None: the suite's own, or the default.

    command: how it was asked for, as the document says.
    load: gives a method by its name, on the CPU, to know what it is told and what it is made of; each is loaded once.
    """

    suite: str
    root: Path
    methods: tuple[str, ...] = ()
    protocol: Protocol | None = None
    sets: tuple[str, ...] = ()
    limit: int | None = None
    jobs: int = 0
    device: str = "cpu"
    command: str = ""
    load: Callable[[str], Method] = field(default_factory=lambda: cache(load_method), repr=False, compare=False)

    @property
    def pictures(self) -> tuple[Path, tuple[str, ...], int | None]:
        """Root, sets and limit: which pictures of the suite's."""
        return self.root, self.sets, self.limit

    def __post_init__(self) -> None:
        """Raise UsageError for a device."""
        if pick_device(self.device).type != "cpu" and self.jobs > 1:
            raise UsageError(f"`jobs={self.jobs}`: one process uses a GPU")

    def or_else(self, protocol: str = DEFAULT) -> Protocol:
        """The protocol that was asked for, or else a named one."""
        return self.protocol or PROTOCOLS[protocol]


class Outcome(NamedTuple, Generic[Found]):
    """What a suite found: its rows, protocol by protocol, and what it makes of them."""

    parts: tuple[Part, ...]
    found: Found


@dataclass(frozen=True)
class Suite(Generic[Found]):
    """Which pictures are measured, what is measured on them, and how that is written down.

    cases: the pictures of a request. Raises UsageError for sets that do not fit, NoInputError for missing ones.
    measure: all that is found; a picture that fails is part of it. The request names its methods.
    tables: the tables of a document, as Markdown. Raises DarnetError where rows of different protocols would meet.
    findings: what stands in a document beside its rows.
    methods: who is measured where nobody is named. peers: who stands beside, where that is asked for.
    in_parts: whether it measures in several protocols.
    ranked: whether more decibels are better repair, so that a page may draw them against time.
    shown: whether a page shows the pictures that came out worst.
    """

    name: str
    cases: Callable[[Request], list[Case]]
    measure: Callable[[Request, list[Case], Progress], Outcome[Found]]
    tables: Callable[[Document[Found]], str]
    findings: type[Found]
    methods: tuple[str, ...] = (manifest.DEFAULT,)
    peers: tuple[str, ...] = ()
    in_parts: bool = False
    ranked: bool = True
    shown: bool = True


AnySuite = Suite[Any]
AnyDocument = Document[Any]


def measured(
    request: Request,
    progress: Progress,
    methods: Sequence[str],
    chosen: Sequence[Case],
    protocol: Protocol | None = None,
) -> Part:
    """Measure methods on cases, in a protocol or the request's. Raises UsageError where no method is left."""
    return part(benched(request, progress, methods, chosen, protocol), protocol or request.or_else())


def benched(
    request: Request,
    progress: Progress,
    methods: Sequence[str],
    chosen: Sequence[Case],
    protocol: Protocol | None = None,
) -> Measured:
    """The same, picture by picture, for suites that look at more than rows. It may be that no method is left."""
    progress.expect(len(methods) * len(chosen))
    bench = Bench(protocol or request.or_else(), request.device, request.jobs, request.load)
    return bench(methods, chosen, progress.advance)


def part(measured: Measured, protocol: Protocol) -> Part:
    """What goes into a document. Raises UsageError where no method is left."""
    if not measured.rows:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in measured.left_out.items())
        raise UsageError(f"no method is left to measure: {reasons}")
    failures = tuple(
        Failure(record.method, record.set, record.name, record.level, record.error)
        for record in measured.records
        if record.error is not None
    )
    return Part(protocol, tuple(measured.rows), failures, measured.left_out)


def without(part: Part, missing: Mapping[str, str]) -> Part:
    """The same, and what else was left out."""
    return replace(part, left_out={**part.left_out, **missing})


def systems(request: Request) -> tuple[str, ...]:
    """The methods of a request, all of which must have a router. Raises UsageError."""
    for name in request.methods:
        if name in PEERS or (Path(name) / cards.CARD).is_file():
            raise UsageError(f"{name}: suite {request.suite} needs a system with a router")
    return request.methods


def documented(request: Request, part: Part) -> dict[str, Method]:
    """Who was measured."""
    return {name: request.load(name) for name in dict.fromkeys(row.method for row in part.rows)}
