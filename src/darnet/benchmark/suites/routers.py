"""Routers: what systems call clean and damaged photos, and what a wrong diagnosis costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from darnet.benchmark.cases import DEFAULT_SETS, ROUTED, ROUTER_SETS, Case, cases
from darnet.benchmark.documents import Document, Findings
from darnet.benchmark.methods import ORACLE, ROUTER
from darnet.benchmark.report import routing
from darnet.benchmark.report.cells import number, table
from darnet.benchmark.report.routing import Naming
from darnet.benchmark.report.tables import closed, plain
from darnet.benchmark.rows import Row, parse
from darnet.benchmark.run import Progress
from darnet.benchmark.suite import AnySuite, Outcome, Request, Suite, measured, systems


@dataclass(frozen=True)
class Named(Findings):
    """System -> how it named the pictures."""

    router: Mapping[str, Naming]

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Named:
        """Back from the JSON form."""
        return cls({name: parse(Naming, naming) for name, naming in document["router"].items()})

    @property
    def tables(self) -> list[str]:
        """A confusion matrix a system."""
        return [routing.markdown(name, naming) for name, naming in self.router.items()]


@dataclass(frozen=True)
class Price:
    """What the wrong diagnoses of a system cost at one place: PSNR by its own diagnosis, and by a perfect one."""

    method: str
    set: str
    kind: str
    level: float | None
    psnr: float
    oracle: float
    price_db: float
    misrouted: int  # pictures


@dataclass(frozen=True)
class Prices(Findings):
    """Of every place, and how systems named the pictures."""

    prices: tuple[Price, ...]
    named: Named

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"prices": [asdict(price) for price in self.prices], **self.named.to_dict()}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Prices:
        """Back from the JSON form."""
        return cls(tuple(parse(Price, price) for price in document["prices"]), Named.from_dict(document))


def look(request: Request, chosen: list[Case], progress: Progress) -> Outcome[Named]:
    """What systems call the pictures; nothing is repaired."""
    part = measured(request, progress, [f"{name}{ROUTER}" for name in systems(request)], chosen)
    return Outcome((part,), Named(routing.by_method(part.rows)))


def repair(request: Request, chosen: list[Case], progress: Progress) -> Outcome[Prices]:
    """Systems with their own diagnosis, and with a perfect one: the price of a wrong diagnosis."""
    methods = [name + end for name in systems(request) for end in ("", ORACLE)]
    part = measured(request, progress, methods, chosen)
    return Outcome((part,), Prices(prices(part.rows), Named(routing.by_method(part.rows))))


def prices(rows: Sequence[Row]) -> tuple[Price, ...]:
    """For each row that has one of an oracle beside it."""
    found = {(row.method, *row.place): row for row in rows}
    pairs = [(row, found.get((f"{row.method}{ORACLE}", *row.place))) for row in rows]
    return tuple(
        Price(
            *(row.method, row.set, row.kind, row.level, row.psnr, oracle.psnr),
            price_db=round(oracle.psnr - row.psnr, 3),
            misrouted=row.misnamed,
        )
        for row, oracle in pairs
        if oracle is not None and row.psnr is not None and oracle.psnr is not None
    )


def priced(found: Sequence[Price]) -> str:
    """What a wrong diagnosis costs."""
    lines = [
        (
            price.method,
            price.set,
            f"{price.kind} {number(price.level, 'g')}",
            f"{price.psnr:.2f}",
            f"{price.oracle:.2f}",
            f"{price.price_db:.2f}",
            str(price.misrouted),
        )
        for price in found
    ]
    return table(("method", "set", "damage", "diagnosed, dB", "oracle, dB", "price, dB", "misrouted"), lines)


def tables_of_names(document: Document[Named]) -> str:
    """A confusion matrix a system."""
    return closed(document.part.protocol, *document.found.tables)


def tables_of_prices(document: Document[Prices]) -> str:
    """One line a row, the prices, and a confusion matrix a system."""
    found = document.found
    return closed(document.part.protocol, plain(document.part.rows), priced(found.prices), *found.named.tables)


def _cases(request: Request, sets: tuple[str, ...]) -> list[Case]:
    return [case for kind in ROUTED for case in cases(kind, request.root, request.sets or sets, request.limit)]


def suites() -> tuple[AnySuite, ...]:
    """Without repair, and with it."""
    return (
        Suite("router", lambda request: _cases(request, ROUTER_SETS), look, tables_of_names, Named, ranked=False),
        Suite("end-to-end", lambda request: _cases(request, DEFAULT_SETS), repair, tables_of_prices, Prices),
    )
