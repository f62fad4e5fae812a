"""Several kinds of damage in one picture, and damage in one part of it: what is left, and what a wrong plan costs.

Kinds come in the order in which physics brings them: what lies between scene and lens, then the lens, light, sensor and
file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from darnet.benchmark import local
from darnet.benchmark.cases import DEFAULT_SETS, TOGETHER, Case, damaged, severity_of
from darnet.benchmark.cases import severities as severities_of
from darnet.benchmark.documents import Document, Findings
from darnet.benchmark.methods import ONCE, ORACLE, Oracle
from darnet.benchmark.peers import INPUT
from darnet.benchmark.report import local as parts
from darnet.benchmark.report import plans
from darnet.benchmark.report.cells import damage, number
from darnet.benchmark.report.tables import closed, plain
from darnet.benchmark.rows import parse
from darnet.benchmark.run import Measured, Progress
from darnet.benchmark.suite import Outcome, Request, Suite, benched, documented, part
from darnet.benchmark.suites.paths import Served, path_tables, paths
from darnet.degradations import Degradation
from darnet.systems import manifest

#: The first befalls the picture first. Fog lies behind the rain that is seen; photons are few before they are counted.
TOGETHER_IN_ORDER = (
    ("haze", "rain"),
    ("lowlight", "noise"),
    ("blur", "noise"),
    ("noise", "jpeg"),
    ("blur", "noise", "jpeg"),
    ("lowlight", "noise", "jpeg"),
)
#: How strong, by the way of its rows: which of the severities of the kind's own suite.
STRENGTHS: Mapping[str, Mapping[str, int]] = {
    "": {"haze": 1, "rain": 1, "lowlight": 1, "blur": 1, "noise": 0, "jpeg": 2},
    "stronger": {"haze": 2, "rain": 2, "lowlight": 2, "blur": 2, "noise": 1, "jpeg": 1},
}

Severities = Mapping[str, Mapping[str, float | None]]


@dataclass(frozen=True)
class Composites(Findings):
    """Composite -> kind -> its severity, in the kind's own unit; paths through networks that route; and local damage.

    Older documents know no local damage.
    """

    severities: Severities
    paths: tuple[Served, ...]
    local: tuple[parts.Local, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON form; local damage that nobody measured is left out."""
        found = {"levels": self.severities, "paths": [asdict(path) for path in self.paths]}
        return {**found, "local": [entry.to_dict() for entry in self.local]} if self.local else found

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Composites:
        """Back from the JSON form."""
        served = tuple(parse(Served, path) for path in document["paths"])
        return cls(document["levels"], served, tuple(map(parts.Local.from_dict, document.get("local", []))))


def measure(request: Request, chosen: list[Case], progress: Progress) -> Outcome[Composites]:
    """Every method on every picture, wrong plans of those that are told the kinds, and paths through networks."""
    tasks = [(request.methods, chosen), *(([name], own) for name, own in wrong_plans(request, chosen).items())]
    found = Measured.of([benched(request, progress, names, own) for names, own in tasks])
    whole = part(found, request.or_else())
    pairs = [row for row in whole.rows if row.kind.count(TOGETHER) == 1 and not row.way]
    routed = paths(pairs, documented(request, whole), chosen, whole.protocol, request.device)
    return Outcome((whole,), Composites(severities(), tuple(routed), tuple(parts.local(found.records))))


def wrong_plans(request: Request, chosen: Sequence[Case]) -> dict[str, list[Case]]:
    """For each method that is told the kinds: those that are told a wrong plan -> the pictures that it is wrong for."""
    found: dict[str, list[Case]] = {}
    for name in (name for name in request.methods if name.endswith(ORACLE)):
        method = request.load(name)
        assert isinstance(method, Oracle)
        for case in chosen:
            kinds = [kind for kind in case.kinds if kind in method.restorer.experts]
            for plan in plans.wrong(kinds, method.restorer.planner.ordered(kinds)):
                found.setdefault(plans.named(name.removesuffix(ORACLE), plan), []).append(case)
    return found


def tables(document: Document[Composites]) -> str:
    """One line a row, plans, local damage, a table of stages for each path, and what befalls the pictures."""
    found, rows = document.found, document.part.rows
    said = (
        plain(plans.by_damage(rows)),
        plans.markdown(rows),
        parts.markdown(found.local) if found.local else "",
        *path_tables(found.paths),
        described(found.severities),
    )
    return closed(document.part.protocol, *filter(None, said))


def composites() -> list[tuple[str, tuple[Degradation, ...]]]:
    """What befalls the pictures, in order, and the way of its rows."""
    return [
        (way, tuple(severities_of(kind)[strengths[kind]] for kind in kinds))
        for way, strengths in STRENGTHS.items()
        for kinds in TOGETHER_IN_ORDER
    ]


def kind(together: Iterable[Degradation]) -> str:
    """What several kinds of damage together are called."""
    return TOGETHER.join(one.kind for one in together)


def severities() -> Severities:
    """Composite -> kind -> its severity, in the kind's own unit."""
    return {
        damage(kind(together), None, way): {one.kind: severity_of(one) for one in together}
        for way, together in composites()
    }


def cases(root: Path, sets: Sequence[str] = (), limit: int | None = None) -> list[Case]:
    """Photos under each composite, and under local noise: CBSD68 or the photo sets that are named.

    Raises NoInputError.
    """
    found = [
        replace(case, kind=kind(together), severity=None, before=together[:-1], way=way)
        for way, together in composites()
        for name in sets or DEFAULT_SETS
        for case in damaged(together[-1], root, name, limit)
    ]
    return found + local.cases(root, sets, limit)


def described(severities: Severities) -> str:
    """What befalls the pictures, in words."""
    said = []
    for name, each in severities.items():
        steps = ", then ".join(f"{kind} {number(severity, 'g')}" for kind, severity in each.items())
        said.append(f"{name}: {steps}")
    return f"Damage: {'; '.join(said)}."


def suites() -> tuple[Suite[Composites], ...]:
    """The one."""
    system = manifest.DEFAULT
    methods = (INPUT, system, f"{system}{ONCE}", f"{system}{ORACLE}", "daair", "slerir")
    return (Suite("composite", lambda request: cases(*request.pictures), measure, tables, Composites, methods=methods),)
