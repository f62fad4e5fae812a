"""`darnet bench SUITE` as a function: what is measured for a suite, and the document that holds all that was found."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from darnet import store
from darnet.backends import pick_device
from darnet.benchmark import composite, gains, real, routing, speed, suites, tasks, untouched, ways
from darnet.benchmark.methods import ORACLE, OTHER, ROUTER, Method
from darnet.benchmark.peers import INPUT, PEERS, load_method
from darnet.benchmark.protocol import DEFAULT, PROTOCOLS, Protocol
from darnet.benchmark.provenance import provenance
from darnet.benchmark.run import NOBODY, Bench, Measured, Progress, unusable
from darnet.benchmark.suites import DEFAULT_SETS, ROUTED, ROUTER_SETS, Case, cases, damaged
from darnet.benchmark.tables import PAPER_PROTOCOL
from darnet.degradations import Degradation, GaussianBlur, GaussianNoise, Overexposure
from darnet.diagnosis import CLEAN
from darnet.errors import UnknownNameError, UsageError

#: Table II of DaR-Net: one level a kind, in the order in which the phases bring the experts. k fits its figures.
TABLE2: tuple[Degradation, ...] = (
    GaussianNoise((25.0, 25.0)),
    GaussianBlur((1.5, 1.5)),
    Overexposure((1.725, 1.725)),
)

Document = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """What is asked for. `protocol` None: the suite's own, or the default."""

    suite: str
    root: Path
    methods: tuple[str, ...] = ()
    protocol: Protocol | None = None
    sets: tuple[str, ...] = ()
    limit: int | None = None
    jobs: int = 0
    device: str = "cpu"

    @property
    def chosen(self) -> tuple[str, Path, tuple[str, ...], int | None]:
        """Suite, root, sets and limit: which pictures."""
        return self.suite, self.root, self.sets, self.limit

    def __post_init__(self) -> None:
        """Raise UnknownNameError for a suite, UsageError for a device."""
        find_suite(self.suite)
        if pick_device(self.device).type != "cpu" and self.jobs > 1:
            raise UsageError(f"`jobs={self.jobs}`: one process uses a GPU")


def with_peers(suite: str, methods: tuple[str, ...]) -> tuple[str, ...]:
    """The methods, or the defaults of a suite over given kinds, and every peer that repairs one of them."""
    if suite in gains.BESIDE:
        return (*(methods or (store.DEFAULT,)), *gains.BESIDE[suite])
    damage = _damage(suite)
    kinds = tasks.kinds(suite) if suite in tasks.TASKS else [part.kind for part in suites.levels(damage)] or [damage]
    peers = [name for name, offer in PEERS.items() if set(kinds) & set(offer.kinds)]
    return tuple(dict.fromkeys([*(methods or (INPUT, store.DEFAULT)), *peers]))


def run(request: Request, progress: Progress = NOBODY) -> Document:
    """Measure a suite. Raises what bad names, missing sets and damaged weights raise; a failing picture is recorded."""
    suite = find_suite(request.suite)
    found = suite.measure(request, suite.cases(request), progress)
    return {"suite": request.suite, **provenance(request.device), **found}


def _of_one_kind(request: Request) -> list[Case]:
    return cases(_damage(request.suite), request.root, request.sets, request.limit)


def _damage(suite: str) -> str:
    """The suite whose pictures a suite over one kind is measured on."""
    return "noise" if suite == "table1" else suite


def _of_every_kind(request: Request) -> list[Case]:
    sets = request.sets or (ROUTER_SETS if request.suite == "router" else DEFAULT_SETS)
    return [case for kind in ROUTED for case in cases(kind, request.root, sets, request.limit)]


def _of_table2(request: Request) -> list[Case]:
    sets = request.sets or DEFAULT_SETS
    return [case for damage in TABLE2 for name in sets for case in damaged(damage, request.root, name, request.limit)]


def _of_tasks(request: Request) -> list[Case]:
    return tasks.cases(*request.chosen)


def _of_speed(request: Request) -> list[Case]:
    return damaged(TABLE2[0], request.root, (request.sets or DEFAULT_SETS)[0], 1)


def _kind(request: Request, chosen: list[Case], progress: Progress) -> Document:
    """One kind of damage."""
    return _measure(request, progress, request.methods or (INPUT, store.DEFAULT), chosen)


def _router(request: Request, chosen: list[Case], progress: Progress) -> Document:
    """What systems call clean and damaged photos; nothing is repaired."""
    document = _measure(request, progress, [f"{name}{ROUTER}" for name in _systems(request)], chosen)
    return document | {"router": _per_method(document["rows"])}


def _end_to_end(request: Request, chosen: list[Case], progress: Progress) -> Document:
    """Systems with their own diagnosis, and with a perfect one: the price of a wrong diagnosis."""
    systems = _systems(request)
    document = _measure(request, progress, [name + end for name in systems for end in ("", ORACLE)], chosen)
    found = {(row["method"], row["set"], row["kind"], row["level"]): row for row in document["rows"]}
    prices = []
    for (method, *where), row in found.items():
        oracle = found.get((f"{method}{ORACLE}", *where))
        if oracle is not None and row["psnr"] is not None and oracle["psnr"] is not None:
            wrong = sum(image.get("label") not in (None, row["kind"]) for image in row["per_image"])
            price = {"psnr": row["psnr"], "oracle": oracle["psnr"], "price_db": round(oracle["psnr"] - row["psnr"], 3)}
            named = dict(zip(("method", "set", "kind", "level"), (method, *where), strict=True))
            prices.append({**named, **price, "misrouted": wrong})
    return document | {"prices": prices, "router": _per_method(document["rows"])}


def _table1(request: Request, chosen: list[Case], progress: Progress) -> Document:
    """Table I of DaR-Net: denoising, in its own protocol and in that of the methods it lists."""
    methods = request.methods or (INPUT, store.DEFAULT)
    protocols = [request.protocol] if request.protocol else [PROTOCOLS[name] for name in PAPER_PROTOCOL]
    parts = [_measure(request, progress, methods, chosen, protocol) for protocol in protocols]
    left_out = {name: reason for part in parts for name, reason in part["left_out"].items()}
    failures = [failure for part in parts for failure in part["failures"]]
    return {"parts": parts, "failures": failures, "left_out": left_out}


def _table2(request: Request, chosen: list[Case], progress: Progress) -> Document:
    """Table II of DaR-Net: what each phase of continual learning repairs.

    The routers of the phases are those of a curriculum (`NAME@RUN`), of three systems, or one that is limited to the
    kinds of a phase.
    """
    kinds = [CLEAN, *(damage.kind for damage in TABLE2)]
    systems = _systems(request)
    if len(systems) not in (1, len(TABLE2)):
        raise UsageError(f"suite {request.suite}: give one system, or {len(TABLE2)}: one a phase")
    phases = list(systems)
    if len(systems) == 1 and (routers := _curriculum(systems[0])):
        phases = routers
    elif len(systems) == 1:
        phases = [f"{systems[0]}:{'+'.join(kinds[: known + 1])}" for known in range(1, len(kinds))]
    protocol = request.protocol or PROTOCOLS["darnet"]
    return _measure(request, progress, [INPUT, *phases], chosen, protocol) | {"phases": phases}


def _curriculum(name: str) -> list[str]:
    """`NAME@ROUTER` for each phase of `NAME@RUN`; nothing where it is no run of a curriculum."""
    system, _, run = name.partition(OTHER)
    path = Path(run) / "curriculum.json"
    if not run or not path.is_file():
        return []
    routers = json.loads(path.read_text(encoding="utf-8"))["routers"]
    return [f"{system}{OTHER}{Path(run) / router}" for router in routers]


def _tasks(request: Request, chosen: list[Case], progress: Progress) -> Document:
    """The tasks of all-in-one restoration, and their mean."""
    document = _kind(request, chosen, progress)
    means = tasks.overall(request.suite, document["rows"], _methods(document, request), chosen)
    return document | {"overall": means, "left_out": document["left_out"] | tasks.missing(request.suite, chosen)}


def _composite(request: Request, chosen: list[Case], progress: Progress) -> Document:
    """Two kinds of damage in one picture, and which way it goes through networks that route."""
    document = _kind(request, chosen, progress)
    protocol = request.protocol or PROTOCOLS[DEFAULT]
    methods = _methods(document, request)
    paths = composite.paths(document["rows"], methods, chosen, protocol, request.device)
    return document | {"levels": composite.levels(), "paths": paths}


def _speed(request: Request, chosen: list[Case], progress: Progress) -> Document:
    """Milliseconds and memory at fixed sizes, all cores."""
    protocol = request.protocol or PROTOCOLS[DEFAULT]
    (case,) = chosen
    measured = Measured()
    methods = request.methods or (store.DEFAULT, f"{store.DEFAULT}{ORACLE}")
    progress.expect(len(methods) * len(speed.SIZES_PX))
    for method in methods:
        if reason := unusable(method, request.device, chosen):
            measured.left_out[method] = reason
            continue
        for size_px in speed.SIZES_PX:
            record, row = speed.clock(method, request.device, protocol, case, size_px)
            measured.records.append(record)
            measured.rows.append(row)
            progress.advance(record)
    return _document(measured, protocol)


def _gains(request: Request, chosen: list[Case], progress: Progress) -> Document:
    """What systems bring by their own diagnosis, and told the kind; and how many pictures they make worse."""
    document = _measure(request, progress, gains.methods(request.methods), chosen)
    left_out = document["left_out"] | (real.missing(chosen) if request.suite == real.SUITE and not request.sets else {})
    return document | {"gains": gains.gains(document["rows"]), "left_out": left_out}


def _untouched(request: Request, chosen: list[Case], progress: Progress) -> Document:
    """What of pictures that should stay as they are does not."""
    document = _measure(request, progress, request.methods or (store.DEFAULT,), chosen)
    left_out = document["left_out"] | ({} if request.sets else untouched.missing(request.suite, chosen))
    return document | {"touched": untouched.touched(document["rows"]), "left_out": left_out}


class Suite(NamedTuple):
    """Which pictures, and what is measured on them."""

    cases: Callable[[Request], list[Case]]
    measure: Callable[[Request, list[Case], Progress], Document]


#: Those that are not over one kind of damage, and "clean", of which more is asked than of a kind.
SUITES: Mapping[str, Suite] = {
    "router": Suite(_of_every_kind, _router),
    "end-to-end": Suite(_of_every_kind, _end_to_end),
    "table1": Suite(_of_one_kind, _table1),
    "table2": Suite(_of_table2, _table2),
    **dict.fromkeys(tasks.TASKS, Suite(_of_tasks, _tasks)),
    composite.SUITE: Suite(lambda asked: composite.cases(*asked.chosen[1:]), _composite),
    "speed": Suite(_of_speed, _speed),
    real.SUITE: Suite(lambda asked: real.cases(*asked.chosen[1:]), _gains),
    **dict.fromkeys(ways.WAYS, Suite(lambda asked: ways.cases(*asked.chosen), _gains)),
    **dict.fromkeys(untouched.SUITES, Suite(lambda asked: untouched.cases(*asked.chosen), _untouched)),
}


def find_suite(name: str) -> Suite:
    """A suite by its name; every kind of damage has one. Raises UnknownNameError."""
    if name not in SUITES and not suites.is_of_one_kind(name):
        raise UnknownNameError("suite", name, {*SUITES, *suites.kind_suites()})
    return SUITES.get(name, Suite(_of_one_kind, _kind))


def _measure(
    request: Request,
    progress: Progress,
    methods: Sequence[str],
    chosen: Sequence[Case],
    protocol: Protocol | None = None,
) -> Document:
    protocol = protocol or request.protocol or PROTOCOLS[DEFAULT]
    progress.expect(len(methods) * len(chosen))
    return _document(Bench(protocol, request.device, request.jobs)(methods, chosen, progress.advance), protocol)


def _document(measured: Measured, protocol: Protocol) -> Document:
    if not measured.rows:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in measured.left_out.items())
        raise UsageError(f"no method is left to measure: {reasons}")
    failures = [
        {"method": record.method, "set": record.set, "name": record.name, "level": record.level, "error": record.error}
        for record in measured.failures
    ]
    found = {"rows": measured.rows, "failures": failures, "left_out": measured.left_out}
    return {"protocol": _described(protocol), **found}


def _described(protocol: Protocol) -> Document:
    return {"name": protocol.name, "digest": protocol.digest, "text": str(protocol), **asdict(protocol)}


def _methods(document: Document, request: Request) -> dict[str, Method]:
    """Who was measured."""
    return {name: load_method(name, request.device) for name in dict.fromkeys(r["method"] for r in document["rows"])}


def _systems(request: Request) -> tuple[str, ...]:
    """The methods asked for, all of which must have a router. Raises UsageError."""
    for name in request.methods:
        if name in PEERS or (Path(name) / store.CARD).is_file():
            raise UsageError(f"{name}: suite {request.suite} needs a system with a router")
    return request.methods or (store.DEFAULT,)


def _per_method(rows: Sequence[Document]) -> Document:
    methods = dict.fromkeys(row["method"] for row in rows)
    found = {method: routing.summary([row for row in rows if row["method"] == method]) for method in methods}
    return {method.removesuffix(ROUTER): figures for method, figures in found.items() if figures}
