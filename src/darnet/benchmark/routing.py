"""How well a router names what is wrong: accuracy, confusion, calibration, and clean photos that it would repair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from darnet.diagnosis import CLEAN

BINS = 10


def summary(rows: Iterable[dict[str, Any]]) -> dict[str, Any] | None:
    """Figures over every picture that was diagnosed in `rows`; None where none was.

    A picture of one damage is named by the label of its diagnosis, the most certain kind, whatever else is present.
    `confusion`: true kind -> named kind -> pictures. `calibration_error`: expected calibration error of the confidence
    over ten equal bins (Guo, Pleiss, Sun, Weinberger 2017, eq. 3). `false_repairs`: share of clean pictures
    that would not be left alone; `clean_called_damaged` counts them whatever the confidence.
    """
    seen = [(row["kind"], image) for row in rows for image in row["per_image"] if "label" in image]
    if not seen:
        return None
    confusion: dict[str, Counter[str]] = {}
    for kind, image in seen:
        confusion.setdefault(kind, Counter())[image["label"]] += 1
    right = [kind == image["label"] for kind, image in seen]
    clean = [image for kind, image in seen if kind == CLEAN]
    return {
        "pictures": len(seen),
        "accuracy": round(float(np.mean(right)), 4),
        "confusion": {kind: dict(sorted(named.items())) for kind, named in sorted(confusion.items())},
        "calibration_error": round(calibration_error([image["confidence"] for _, image in seen], right), 4),
        "clean_called_damaged": _share([image["label"] != CLEAN for image in clean]),
        "false_repairs": _share([not image["left_alone"] for image in clean]),
    }


def calibration_error(confidences: Sequence[float], right: Sequence[bool]) -> float:
    """Σ over bins of (share of pictures in the bin) · |accuracy − mean confidence| in it."""
    confidence, hit = np.asarray(confidences), np.asarray(right, dtype=float)
    bins = np.maximum(np.ceil(confidence * BINS).astype(int) - 1, 0)  # (0, 0.1], (0.1, 0.2], …
    gaps = [abs(hit[bins == b].mean() - confidence[bins == b].mean()) * (bins == b).mean() for b in np.unique(bins)]
    return float(np.sum(gaps))


def _share(values: Sequence[bool]) -> float | None:
    return round(float(np.mean(values)), 4) if values else None
