"""What a plan of repair is worth: the right one, what a system does by itself, and plans that are wrong.

A plan is the kinds to repair, in order. The right one has those that befell the picture, in the system's order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from darnet.benchmark.cases import TOGETHER
from darnet.benchmark.methods import AS, ONCE, ORACLE
from darnet.benchmark.report.cells import damage, number, table
from darnet.benchmark.rows import Place, Row

Plan = tuple[str, ...]


def wrong(kinds: Sequence[str], right: Sequence[str]) -> list[Plan]:
    """The wrong plans for kinds that befell a picture in this order: forwards, backwards, one left out, and one alone.

    `right`: the same kinds, as they should be repaired.

    >>> wrong(["blur", "noise"], ["noise", "blur"])
    [('blur', 'noise'), ('blur',), ('noise',)]
    """
    short = [tuple(kind for kind in right if kind != missing) for missing in right]
    plans = (tuple(kinds), tuple(reversed(kinds)), *short, *((kind,) for kind in right))
    return [plan for plan in dict.fromkeys(plans) if plan and plan != tuple(right)]


def named(system: str, plan: Plan) -> str:
    """The method that follows a plan."""
    return f"{system}{AS}{TOGETHER.join(plan)}"


def by_damage(rows: Iterable[Row]) -> list[Row]:
    """The rows of every method beside each other, damage by damage."""
    rows = list(rows)
    places = {place: index for index, place in enumerate(dict.fromkeys(row.place for row in rows))}
    return sorted(rows, key=lambda row: places[row.place])


def markdown(rows: Sequence[Row]) -> str:
    """For each system that was told wrong plans: what they cost, damage by damage; empty where none was."""
    title = (
        *("system", "set", "damage", "plan", "repaired, in order", "PSNR, dB"),
        *("against the told order, dB", "against the best single expert, dB"),
    )
    found = {(row.method, row.place): row for row in rows}
    told = [row for row in by_damage(rows) if row.method.endswith(ORACLE)]
    lines = [line for row in told for line in _lines(row.method.removesuffix(ORACLE), row, found)]
    return table(title, lines) if lines else ""


def _lines(system: str, told: Row, found: Mapping[tuple[str, Place], Row]) -> Iterable[tuple[str, ...]]:
    kinds = told.kind.split(TOGETHER)
    right = next((picture.experts for picture in told.per_image if picture.experts), tuple(reversed(kinds)))
    plans = {plan: found.get((named(system, plan), told.place)) for plan in wrong(kinds, right)}
    followed = {plan: row for plan, row in plans.items() if row is not None}
    if not followed:
        return
    single = {plan: row for plan, row in followed.items() if len(plan) == 1 and row.psnr is not None}
    best = max(single, key=lambda plan: single[plan].psnr or 0.0, default=None)
    shown = [
        ("as diagnosed", (), found.get((system, told.place))),
        ("one step", (), found.get((f"{system}{ONCE}", told.place))),
        ("told order", right, told),
        *((_called(plan, kinds), plan, row) for plan, row in followed.items()),
        *([] if best is None else [("best single expert", best, single[best])]),
    ]
    for plan, repaired, row in shown:
        if row is not None:
            yield (
                *(system, row.set, damage(row.kind, row.level, row.way), plan, ", ".join(repaired) or "–"),
                number(row.psnr, ".2f"),
                _against(row, told),
                _against(row, None if best is None else single[best]),
            )


def _called(plan: Plan, kinds: Sequence[str]) -> str:
    if len(plan) == 1:
        return f"{plan[0]} alone"
    if missing := [kind for kind in kinds if kind not in plan]:
        return f"without {', '.join(missing)}"
    return "forwards" if plan == tuple(kinds) else "backwards"


def _against(row: Row, other: Row | None) -> str:
    if other is None or other.psnr is None or row.psnr is None:
        return "–"
    return number(round(row.psnr - other.psnr, 2) + 0.0, "+.2f")  # no -0.00
