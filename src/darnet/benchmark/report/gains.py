"""What a method brings: decibels before and after, picture by picture, and how many pictures it made worse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from darnet.benchmark.documents import Findings
from darnet.benchmark.peers import INPUT
from darnet.benchmark.report.cells import counted, damage, number, percent, table
from darnet.benchmark.rows import PerImage, Place, Row, one_protocol, parse, rounded

#: A picture that lost more than this is worse to somebody who looks.
WORSE_DB = 0.3
EVERY = "all"
#: How documents call what Python cannot call so.
IN_JSON: Mapping[str, str] = {"psnr_in": "in", "psnr_out": "out"}


@dataclass(frozen=True)
class Gain:
    """What a method brought to the pictures of a row, or (set `all`) to all of them.

    psnr_in, psnr_out, gain_db: in dB, means over the `n` pictures of which both are known; worse: how many lost.
    changed: how many pictures were; found: in how many the kind was, where there is a diagnosis; failed: how many did.
    """

    method: str
    told: str | None
    set: str
    kind: str
    level: float | None
    way: str
    psnr_in: float | None
    psnr_out: float | None
    gain_db: float | None
    worse: int
    n: int
    changed: int
    found: int | None
    failed: int

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {IN_JSON.get(name, name): value for name, value in vars(self).items()}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Gain:
        """Back from the JSON form. Raises TypeError."""
        names = {written: name for name, written in IN_JSON.items()}
        return parse(cls, {names.get(written, written): value for written, value in document.items()})


@dataclass(frozen=True)
class Gains(Findings):
    """Of every method at every place, and over all."""

    gains: tuple[Gain, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"gains": [gain.to_dict() for gain in self.gains]}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Gains:
        """Back from the JSON form."""
        return cls(tuple(map(Gain.from_dict, document["gains"])))


def gains(rows: Iterable[Row]) -> list[Gain]:
    """For each row but those of the damaged pictures: PSNR in and out, and over pictures the gain and who lost.

    A last entry for each method is over all its pictures. Pictures that failed, or equal their clean one, are left out.
    """
    rows = list(rows)
    before = {row.place: _decibels(row.per_image) for row in rows if row.method == INPUT}
    found: list[Gain] = []
    for method in dict.fromkeys(row.method for row in rows if row.method != INPUT):
        own = [row for row in rows if row.method == method]
        pairs = [_paired(before.get(row.place, {}), _decibels(row.per_image)) for row in own]
        for row, compared in zip(own, pairs, strict=True):
            found.append(_gain(row.place, [row], compared))
        found.append(_gain((EVERY, "", None, ""), own, [pair for compared in pairs for pair in compared]))
    return found


def _decibels(images: Iterable[PerImage]) -> dict[str, float]:
    return {image.name: image.psnr for image in images if image.psnr is not None}


def _paired(before: Mapping[str, float], after: Mapping[str, float]) -> list[tuple[float, float]]:
    return [(before[name], psnr) for name, psnr in after.items() if name in before]


def _gain(place: Place, rows: Sequence[Row], compared: Sequence[tuple[float, float]]) -> Gain:
    """What the method of some rows brought to pictures whose decibels before and after are `compared`."""
    means = [sum(column) / len(compared) for column in zip(*compared, strict=True)] or [None, None]
    psnr_in, psnr_out = means
    gain = None if psnr_in is None or psnr_out is None else psnr_out - psnr_in
    present = [row.kind in image.present for row in rows for image in row.per_image if image.present is not None]
    return Gain(
        rows[0].method,
        rows[0].told,
        *place,
        psnr_in=rounded(psnr_in, 3),
        psnr_out=rounded(psnr_out, 3),
        gain_db=rounded(gain, 3),
        worse=sum(after < before - WORSE_DB for before, after in compared),
        n=len(compared),
        changed=sum(row.n - row.left_alone for row in rows),
        found=sum(present) if present else None,
        failed=sum(row.failed for row in rows),
    )


def markdown(entries: Sequence[Gain], rows: Sequence[Row]) -> str:
    """The table of a document. Raises DarnetError for mixed protocols."""
    one_protocol(rows)
    title = (
        *("method", "told", "set", "damage", "in, dB", "out, dB", "gain, dB"),
        *(f"worse by > {WORSE_DB:g} dB", "changed", "kind found", "n"),
    )
    lines = [
        (
            gain.method,
            gain.told or "–",
            gain.set,
            damage(gain.kind, gain.level, gain.way),
            number(gain.psnr_in, ".2f"),
            number(gain.psnr_out, ".2f"),
            number(gain.gain_db, "+.2f"),
            percent(gain.worse / gain.n) if gain.n else "–",
            number(gain.changed, "d"),
            number(gain.found, "d"),
            counted(gain.n, gain.failed),
        )
        for gain in entries
    ]
    return table(title, lines)
