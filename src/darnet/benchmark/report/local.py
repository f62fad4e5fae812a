"""What methods make of pictures that are damaged in one part: of that part, and of the rest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from darnet.benchmark.local import CHANGED, EVERYWHERE, IDENTICAL, MASKS
from darnet.benchmark.report.cells import number, percent, table
from darnet.benchmark.rows import Record, parse


@dataclass(frozen=True)
class PartOf:
    """One picture. `part`, `everywhere`: PSNR in dB of the damaged part, and of it where the damage is everywhere.

    changed: the share of the rest's pixels that changed by more than one level of 255; identical: whether none of
    them changed at all, bit by bit.
    """

    name: str
    part: float
    everywhere: float
    changed: float
    identical: bool


@dataclass(frozen=True)
class Local:
    """What a method made of the pictures of a set that are damaged in one part.

    part, everywhere: means, and `behind_db` how much is lost because the damage is local. changed: the mean share;
    worst_changed: that of the worst picture; identical: in how many pictures the rest is.
    """

    method: str
    set: str
    kind: str
    level: float | None
    mask: str
    part: float
    everywhere: float
    behind_db: float
    changed: float
    worst_changed: float
    identical: int
    per_image: tuple[PartOf, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Local:
        """Back from the JSON form. Raises TypeError."""
        images = [parse(PartOf, image) for image in document["per_image"]]
        return parse(cls, {**document, "per_image": images})


def local(records: Iterable[Record]) -> list[Local]:
    """For each method, set and part: of the pictures that were measured with damage there and everywhere."""
    groups: dict[tuple[tuple[object, ...], str], dict[str, Record]] = {}
    for record in records:
        if record.figures:
            place = (record.method, record.set, record.kind, record.level)
            groups.setdefault((place, record.way), {})[record.name] = record
    found = []
    for (damage, mask), pictures in groups.items():
        if mask != EVERYWHERE:
            whole = groups.get((damage, EVERYWHERE), {})
            images = _images(mask, pictures, whole)
            found += [_local(next(iter(pictures.values())), images)] if images else []
    masks = list(MASKS)
    return sorted(found, key=lambda entry: (entry.set, masks.index(entry.mask)))


def _images(mask: str, pictures: dict[str, Record], whole: dict[str, Record]) -> list[PartOf]:
    """Those of both, but for a part that has nothing to be restored."""
    found = []
    for name in sorted({*pictures} & {*whole}):
        own, part, everywhere = pictures[name].figures, pictures[name].figures[mask], whole[name].figures[mask]
        if isfinite(part) and isfinite(everywhere):
            digits = (round(part, 4), round(everywhere, 4), round(own[CHANGED], 6))
            found.append(PartOf(name, *digits, identical=bool(own[IDENTICAL])))
    return found


def _local(one: Record, images: Sequence[PartOf]) -> Local:
    """Of the pictures of which `one` is any."""
    part, everywhere, changed = (
        sum(getattr(image, column) for image in images) / len(images) for column in ("part", "everywhere", "changed")
    )
    return Local(
        *(one.method, one.set, one.kind, one.level, one.way),
        part=round(part, 3),
        everywhere=round(everywhere, 3),
        behind_db=round(everywhere - part, 3),
        changed=round(changed, 6),
        worst_changed=max(image.changed for image in images),
        identical=sum(image.identical for image in images),
        per_image=tuple(images),
    )


def markdown(entries: Sequence[Local]) -> str:
    """One line a part and method."""
    title = (
        *("method", "set", "damage", "where", "there, dB", "the same part, damaged everywhere, dB", "behind, dB"),
        *("rest changed by > 1 level", "in the worst picture", "rest bit-identical", "n"),
    )
    lines = [
        (
            *(entry.method, entry.set, f"{entry.kind} {number(entry.level, 'g')}", entry.mask),
            *(number(decibels, ".2f") for decibels in (entry.part, entry.everywhere)),
            number(entry.behind_db, "+.2f"),
            *(percent(share) for share in (entry.changed, entry.worst_changed)),
            str(entry.identical),
            str(len(entry.per_image)),
        )
        for entry in entries
    ]
    return table(title, lines)
