"""From single pictures to rows: means, their intervals, and the refusal to put different protocols into one table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from math import isfinite
from typing import Any, TypeVar

import numpy as np

from darnet.benchmark.methods import Cost
from darnet.benchmark.protocol import Protocol
from darnet.errors import DarnetError

RESAMPLES, CONFIDENCE, SEED = 2000, 0.95, 0
NO_COST = Cost(None, None)
#: What every picture says that did not fail, known or not.
SCORES = ("name", "psnr", "ssim", "ms")

Entry = TypeVar("Entry")
Place = tuple[str, str, float | None, str]


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
    estimated: float | None = None  # severity
    error: str | None = None
    way: str = ""  # of the case
    experts: tuple[str, ...] | None = None  # who repaired it; None where nobody says
    present: tuple[str, ...] = ()  # every kind that was found
    figures: Mapping[str, float] = field(default_factory=dict)  # what its case measures of it beside the scores

    @property
    def group(self) -> tuple[str, str, str, float, str]:
        """What a row stands for."""
        return self.method, self.set, self.kind, -1.0 if self.level is None else self.level, self.way

    @property
    def picture(self) -> PerImage:
        """What stays of it inside its row."""
        if self.error is not None:
            return PerImage(self.name, error=self.error)
        psnr = self.psnr if self.psnr is not None and isfinite(self.psnr) else None
        figures = (rounded(psnr, 4), rounded(self.ssim, 5), round(1e3 * self.seconds, 1))
        scored = PerImage(self.name, *figures, experts=self.experts)
        if self.label is None:
            return scored
        return replace(
            scored,
            label=self.label,
            confidence=rounded(self.confidence, 4),
            present=self.present,
            left_alone=self.left_alone,
            estimated_level=rounded(self.estimated, 3),
        )


@dataclass(frozen=True)
class PerImage:
    """One picture of a row, its figures rounded.

    `psnr` is None also where nothing differs. From `label` on: what a diagnosis said; None where there was none, or
    where the document is older than the question. `experts`: who repaired it; None where nobody says.
    """

    name: str
    psnr: float | None = None
    ssim: float | None = None
    ms: float | None = None
    label: str | None = None
    confidence: float | None = None
    present: tuple[str, ...] | None = None
    left_alone: bool | None = None
    experts: tuple[str, ...] | None = None
    estimated_level: float | None = None
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON form; what a diagnosis did not say is left out."""
        if self.error is not None:
            return {"name": self.name, "error": self.error}
        return {name: value for name, value in vars(self).items() if name in SCORES or value is not None}


@dataclass(frozen=True)
class Row:
    """The pictures of one method, set, kind, level and way: means, their 95 % intervals, and what they cost.

    n: how many were scored; failed: how many could not be; left_alone: how many came back bit by bit. level: the
    severity in the unit of the kind, or, of the suite of speed, the side in pixels. protocol: its digest.
    """

    method: str
    set: str
    kind: str
    level: float | None
    way: str
    psnr: float | None
    psnr_interval: tuple[float, float] | None
    ssim: float | None
    ssim_interval: tuple[float, float] | None
    n: int
    failed: int
    left_alone: int
    told: str | None
    params: int | None
    gmacs_256: float | None
    ms_per_megapixel: float | None
    peak_mb: float
    protocol: str
    per_image: tuple[PerImage, ...]

    @property
    def place(self) -> Place:
        """What the rows of different methods that belong together share: set, kind, level and way."""
        return self.set, self.kind, self.level, self.way

    @property
    def misnamed(self) -> int:
        """How many of its pictures were diagnosed as another kind."""
        return sum(image.label not in (None, self.kind) for image in self.per_image)

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {**vars(self), "per_image": [image.to_dict() for image in self.per_image]}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Row:
        """Back from the JSON form. Raises TypeError for keys that are no row's."""
        images = tuple(parse(PerImage, image) for image in document["per_image"])
        return parse(cls, {"way": "", **document, "per_image": images})  # older documents know no ways


def parse(kind: type[Entry], document: Mapping[str, Any]) -> Entry:
    """A flat frozen dataclass from its JSON form: lists are tuples. Raises TypeError for missing or unknown keys."""
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in document.items()})


def row(records: Sequence[Record], protocol: Protocol, told: str | None, cost: Cost = NO_COST) -> Row:
    """The row over the pictures of one method, set, kind, level and way.

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
    return Row(
        method=first.method,
        set=first.set,
        kind=first.kind,
        level=first.level,
        way=first.way,
        psnr=rounded(average_psnr(psnr, protocol), 3),
        psnr_interval=interval(psnr, 3, pooled=protocol.averaging == "pooled"),
        ssim=rounded(float(np.mean(ssim)) if ssim else None, 4),
        ssim_interval=interval(ssim, 4),
        n=len(done),
        failed=len(records) - len(done),
        left_alone=sum(record.left_alone for record in done),
        told=told,
        params=cost.params,
        gmacs_256=cost.gmacs_256,
        ms_per_megapixel=round(milliseconds / megapixels, 1) if megapixels else None,
        peak_mb=round(max((record.peak_mb for record in done), default=0.0)),
        protocol=protocol.digest,
        per_image=tuple(record.picture for record in records),
    )


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


def interval(values: Sequence[float], digits: int, *, pooled: bool = False) -> tuple[float, float] | None:
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
    low, high = (round(float(edge), digits) for edge in edges)
    return (low, high) if np.isfinite(edges).all() else None


def _error(decibels: Any) -> Any:
    return 10 ** (-decibels / 10)


def _decibels(error: Any) -> Any:
    with np.errstate(divide="ignore"):
        return -10 * np.log10(error)


def one_protocol(rows: Iterable[Row]) -> str:
    """The digest that all rows share. Raises DarnetError where they differ: such rows are never put side by side."""
    digests = sorted({row.protocol for row in rows})
    if len(digests) > 1:
        raise DarnetError(f"rows of different protocols ({', '.join(digests)}) cannot share a table")
    return digests[0] if digests else ""


def rounded(value: float | None, digits: int) -> float | None:
    """None stays None."""
    return None if value is None else round(value, digits)
