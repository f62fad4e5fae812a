"""What a method brings: decibels before and after, picture by picture, and how many pictures it made worse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from darnet import store
from darnet.benchmark.cells import number, percent, table
from darnet.benchmark.methods import ORACLE, OTHER
from darnet.benchmark.peers import INPUT, PEERS
from darnet.benchmark.rows import one_protocol, place, rounded
from darnet.experts.foreign import FILES

Row = Mapping[str, Any]

#: A picture that lost more than this is worse to somebody who looks.
WORSE_DB = 0.3
EVERY = "all"
#: Who stands beside, where peers are asked for: those that need no level, or whose level is known.
BESIDE: Mapping[str, tuple[str, ...]] = {
    "real": ("nlm-blind", "gaussian"),
    "stored": ("nlm-blind", "gaussian", "wiener-jpeg", "wiener-blind", "divide"),
    "sensor": ("nlm-blind", "gaussian"),
    "exposure": (),
}


def methods(given: Sequence[str]) -> tuple[str, ...]:
    """The damaged picture; each system with its diagnosis, and told the kind; everybody else as named."""
    found = [INPUT]
    for name in given or (store.DEFAULT,):
        found += [name, f"{name}{ORACLE}"] if _is_system(name) else [name]
    return tuple(dict.fromkeys(found))


def _is_system(name: str) -> bool:
    """Whether it is a system, and no variant of one."""
    path = Path(name)
    if name in PEERS or path.suffix.lower() in FILES or (path / store.CARD).is_file():
        return False
    return path.exists() or not {":", OTHER} & {*name}


def gains(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """For each row but those of the damaged pictures: PSNR in and out, and over pictures the gain and who lost.

    A last entry for each method is over all its pictures. Pictures that failed, or equal their clean one, are left out.
    """
    rows = list(rows)
    before = {place(row): _decibels(row) for row in rows if row["method"] == INPUT}
    found: list[dict[str, Any]] = []
    for method in dict.fromkeys(row["method"] for row in rows if row["method"] != INPUT):
        own = [row for row in rows if row["method"] == method]
        pairs = [_paired(before.get(place(row), {}), _decibels(row)) for row in own]
        for row, compared in zip(own, pairs, strict=True):
            where = {name: row.get(name, "") for name in ("method", "told", "set", "kind", "level", "way")}
            found.append({**where, **_gain(compared), **_seen(row)})
        told = own[0]["told"]
        where = {"method": method, "told": told, "set": EVERY, "kind": "", "level": None, "way": ""}
        seen = [_seen(row) for row in own]
        sums = {name: _total(counts[name] for counts in seen) for name in seen[0]}
        found.append({**where, **_gain([pair for compared in pairs for pair in compared]), **sums})
    return found


def _decibels(row: Row) -> dict[str, float]:
    return {image["name"]: image["psnr"] for image in row["per_image"] if image.get("psnr") is not None}


def _paired(before: Mapping[str, float], after: Mapping[str, float]) -> list[tuple[float, float]]:
    return [(before[name], psnr) for name, psnr in after.items() if name in before]


def _gain(compared: Sequence[tuple[float, float]]) -> dict[str, Any]:
    count = len(compared)
    worse = sum(after < before - WORSE_DB for before, after in compared)
    means = [sum(column) / count if count else None for column in zip(*compared, strict=True)] or [None, None]
    gain = None if means[0] is None or means[1] is None else means[1] - means[0]
    figures = zip(("in", "out", "gain_db"), (*means, gain), strict=True)
    return {name: rounded(value, 3) for name, value in figures} | {"worse": worse, "n": count}


def _seen(row: Row) -> dict[str, int | None]:
    """How many pictures were changed, and in how many (where there is a diagnosis) the kind was found."""
    present = [image["present"] for image in row["per_image"] if "present" in image]
    found = sum(row["kind"] in kinds for kinds in present) if present else None
    return {"changed": row["n"] - row["left_alone"], "found": found, "failed": row["failed"]}


def _total(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def markdown(entries: Sequence[Row], rows: Sequence[dict[str, Any]]) -> str:
    """The table of a document. Raises DarnetError for mixed protocols."""
    one_protocol(rows)
    title = (
        *("method", "told", "set", "damage", "in, dB", "out, dB", "gain, dB"),
        *(f"worse by > {WORSE_DB:g} dB", "changed", "kind found", "n"),
    )
    lines = [
        (
            entry["method"],
            entry["told"] or "–",
            entry["set"],
            damage(entry),
            number(entry["in"], ".2f"),
            number(entry["out"], ".2f"),
            number(entry["gain_db"], "+.2f"),
            percent(entry["worse"] / entry["n"]) if entry["n"] else "–",
            number(entry["changed"], "d"),
            number(entry["found"], "d"),
            f"{entry['n']}" + (f" ({entry['failed']} failed)" if entry["failed"] else ""),
        )
        for entry in entries
    ]
    return table(title, lines)


def damage(entry: Row) -> str:
    """`noise 15, JPEG 85`."""
    kind = entry["kind"] + ("" if entry["level"] is None else f" {entry['level']:g}")
    return ", ".join(part for part in (kind, entry.get("way")) if part)
