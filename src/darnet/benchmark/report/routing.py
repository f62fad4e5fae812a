"""How well a router names what is wrong: accuracy, confusion, calibration, and clean photos that it would repair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from darnet.benchmark.methods import ROUTER
from darnet.benchmark.report.cells import percent, table
from darnet.benchmark.rows import Row
from darnet.registry import CLEAN

BINS = 10


@dataclass(frozen=True)
class Naming:
    """How a router named the pictures that it diagnosed.

    A picture of one damage is named by the label of its diagnosis, the most certain kind, whatever else is present.
    `confusion`: true kind -> named kind -> pictures. `calibration_error`: expected calibration error of the confidence
    over ten equal bins (Guo, Pleiss, Sun, Weinberger 2017, eq. 3). `false_repairs`: share of clean pictures
    that would not be left alone; `clean_called_damaged` counts them whatever the confidence.
    """

    pictures: int
    accuracy: float
    confusion: Mapping[str, Mapping[str, int]]
    calibration_error: float
    clean_called_damaged: float | None
    false_repairs: float | None


def by_method(rows: Sequence[Row]) -> dict[str, Naming]:
    """For each system that diagnosed pictures, how it named them."""
    found = {
        method: summary(row for row in rows if row.method == method)
        for method in dict.fromkeys(row.method for row in rows)
    }
    return {method.removesuffix(ROUTER): naming for method, naming in found.items() if naming}


def summary(rows: Iterable[Row]) -> Naming | None:
    """Figures over every picture that was diagnosed in `rows`; None where none was."""
    seen = [(row.kind, image) for row in rows for image in row.per_image if image.label is not None]
    if not seen:
        return None
    confusion: dict[str, Counter[str]] = {}
    for kind, image in seen:
        confusion.setdefault(kind, Counter())[str(image.label)] += 1
    right = [kind == image.label for kind, image in seen]
    clean = [image for kind, image in seen if kind == CLEAN]
    return Naming(
        pictures=len(seen),
        accuracy=round(float(np.mean(right)), 4),
        confusion={kind: dict(sorted(named.items())) for kind, named in sorted(confusion.items())},
        calibration_error=round(calibration_error([image.confidence or 0.0 for _, image in seen], right), 4),
        clean_called_damaged=_share([image.label != CLEAN for image in clean]),
        false_repairs=_share([not image.left_alone for image in clean]),
    )


def calibration_error(confidences: Sequence[float], right: Sequence[bool]) -> float:
    """Σ over bins of (share of pictures in the bin) · |accuracy − mean confidence| in it."""
    confidence, hit = np.asarray(confidences), np.asarray(right, dtype=float)
    bins = np.maximum(np.ceil(confidence * BINS).astype(int) - 1, 0)  # (0, 0.1], (0.1, 0.2], …
    gaps = [abs(hit[bins == b].mean() - confidence[bins == b].mean()) * (bins == b).mean() for b in np.unique(bins)]
    return float(np.sum(gaps))


def _share(values: Sequence[bool]) -> float | None:
    return round(float(np.mean(values)), 4) if values else None


def markdown(name: str, naming: Naming) -> str:
    """Confusion matrix (rows are the truth) and what follows from it."""
    confusion = naming.confusion
    kinds = sorted({*confusion, *(kind for named in confusion.values() for kind in named)})
    lines = [(kind, *(str(confusion[kind].get(named, 0)) for named in kinds)) for kind in kinds if kind in confusion]
    facts = [f"{name}: {percent(naming.accuracy)} of {naming.pictures} pictures named rightly"]
    facts.append(f"expected calibration error {percent(naming.calibration_error)}")
    if naming.clean_called_damaged is not None and naming.false_repairs is not None:
        facts.append(f"clean called damaged {percent(naming.clean_called_damaged)}")
        facts.append(f"clean that would be repaired {percent(naming.false_repairs)}")
    return f"{table(('is, called', *kinds), lines)}\n\n{'; '.join(facts)}."
