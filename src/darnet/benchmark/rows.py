"""From single pictures to rows: means, their intervals, and the refusal to put different protocols into one table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import isfinite
from typing import Any

import numpy as np

from darnet.benchmark.methods import Cost
from darnet.benchmark.protocol import Protocol
from darnet.errors import DarnetError

RESAMPLES, CONFIDENCE, SEED = 2000, 0.95, 0
NO_COST = Cost(None, None)


@dataclass(frozen=True)
class Record:
    """One picture, one method. `psnr` is infinite where nothing differs and None where nothing was restored."""

    method: str
    set: str
    name: str
    kind: str
    level: float | None
    psnr: float | None = None
    ssim: float | None = None
    seconds: float = 0.0
    pixels: int = 0
    peak_mb: float = 0.0
    left_alone: bool = False  # the damaged picture came back bit by bit, or would
    label: str | None = None
    confidence: float | None = None
    estimated: float | None = None  # level
    error: str | None = None
    way: str = ""  # of the case
    experts: tuple[str, ...] | None = None  # who repaired it; None where nobody says
    present: tuple[str, ...] = ()  # every kind that was found

    @property
    def group(self) -> tuple[str, str, str, float, str]:
        """What a row stands for."""
        return self.method, self.set, self.kind, -1.0 if self.level is None else self.level, self.way

    def to_dict(self) -> dict[str, Any]:
        """JSON form of a picture inside its row."""
        psnr = self.psnr if self.psnr is not None and isfinite(self.psnr) else None
        ms = round(1e3 * self.seconds, 1)
        document: dict[str, Any] = {
            "name": self.name,
            "psnr": rounded(psnr, 4),
            "ssim": rounded(self.ssim, 5),
            "ms": ms,
        }
        if self.label is not None:
            document |= {"label": self.label, "confidence": rounded(self.confidence, 4)}
            document |= {"present": list(self.present), "left_alone": self.left_alone}
            document |= {} if self.experts is None else {"experts": list(self.experts)}
            document |= {} if self.estimated is None else {"estimated_level": rounded(self.estimated, 3)}
        return document if self.error is None else {"name": self.name, "error": self.error}


def row(records: Sequence[Record], protocol: Protocol, told: str | None, cost: Cost = NO_COST) -> dict[str, Any]:
    """The row of JSON over the pictures of one method, set, kind and level.

    Infinite PSNR (pictures that equal their clean one) is left out of the mean of decibels; `n` counts every
    picture that was scored, `left_alone` those that came back bit by bit.
    """
    records = sorted(records, key=lambda record: record.name)  # whoever was measured first
    first, done = records[0], [record for record in records if record.error is None]
    psnr = [record.psnr for record in done if record.psnr is not None]
    if protocol.averaging == "pictures":
        psnr = [value for value in psnr if isfinite(value)]
    ssim = [record.ssim for record in done if record.ssim is not None]
    megapixels = sum(record.pixels for record in done) / 1e6
    milliseconds = 1e3 * sum(record.seconds for record in done)
    return {
        "method": first.method,
        "set": first.set,
        "kind": first.kind,
        "level": first.level,
        "way": first.way,
        "psnr": rounded(average_psnr(psnr, protocol), 3),
        "psnr_interval": interval(psnr, 3, pooled=protocol.averaging == "pooled"),
        "ssim": rounded(float(np.mean(ssim)) if ssim else None, 4),
        "ssim_interval": interval(ssim, 4),
        "n": len(done),
        "failed": len(records) - len(done),
        "left_alone": sum(record.left_alone for record in done),
        "told": told,
        "params": cost.params,
        "gmacs_256": cost.gmacs_256,
        "ms_per_megapixel": round(milliseconds / megapixels, 1) if megapixels else None,
        "peak_mb": round(max((record.peak_mb for record in done), default=0.0)),
        "protocol": protocol.digest,
        "per_image": [record.to_dict() for record in records],
    }


def place(row: Mapping[str, Any]) -> tuple[str, str, float | None, str]:
    """What the rows of different methods that belong together share: set, kind, level and way."""
    return row["set"], row["kind"], row["level"], row.get("way", "")


def groups(records: Iterable[Record]) -> list[list[Record]]:
    """Records of one row each, in an order that does not depend on who was measured first."""
    ordered = sorted(records, key=lambda record: (*record.group, record.name))
    return [list(members) for _, members in groupby(ordered, key=lambda record: record.group)]


def average_psnr(values: Sequence[float], protocol: Protocol) -> float | None:
    """Mean of decibels, or the decibels of the mean squared error."""
    if not values:
        return None
    if protocol.averaging == "pictures":
        return float(np.mean(values))
    error = float(np.mean(_error(np.asarray(values))))
    return float(_decibels(error)) if error else None


def interval(values: Sequence[float], digits: int, *, pooled: bool = False) -> list[float] | None:
    """95 % bootstrap interval of the mean over pictures (percentiles of 2000 resamples, seeded); None for under two.

    pooled: `values` are decibels, and the mean is that of their squared errors.
    """
    if len(values) < 2:
        return None
    rng = np.random.default_rng(SEED)
    means = rng.choice(_error(np.asarray(values)) if pooled else np.asarray(values), (RESAMPLES, len(values))).mean(1)
    tail = 100 * (1 - CONFIDENCE) / 2
    edges = np.percentile(means, [tail, 100 - tail])
    if pooled:
        edges = _decibels(edges[::-1])  # the larger error is the lower figure
    return [round(float(edge), digits) for edge in edges] if np.isfinite(edges).all() else None


def _error(decibels: Any) -> Any:
    return 10 ** (-decibels / 10)


def _decibels(error: Any) -> Any:
    with np.errstate(divide="ignore"):
        return -10 * np.log10(error)


def one_protocol(rows: Iterable[dict[str, Any]]) -> str:
    """The digest that all rows share. Raises DarnetError where they differ: such rows are never put side by side."""
    digests = sorted({row["protocol"] for row in rows})
    if len(digests) > 1:
        raise DarnetError(f"rows of different protocols ({', '.join(digests)}) cannot share a table")
    return str(digests[0]) if digests else ""


def rounded(value: float | None, digits: int) -> float | None:
    """None stays None."""
    return None if value is None else round(value, digits)
