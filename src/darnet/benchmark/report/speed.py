"""What the suite of speed finds, and its tables: how fast everybody is, beside what the machine can do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from darnet.benchmark.documents import Findings
from darnet.benchmark.report.cells import number, percent, table
from darnet.benchmark.rows import parse


@dataclass(frozen=True)
class Peak:
    """10⁹ multiply–accumulates a second of this machine's fastest convolution, in a precision and some threads."""

    precision: str
    threads: int
    gmacs_per_second: float


@dataclass(frozen=True)
class Pace:
    """One method on a picture of size_px × size_px, in some threads.

    peak_mb: of its process, in 10⁶ bytes. share_of_peak: the multiply–accumulates a second that it reaches, in those of
    the `Peak` of its precision and threads. joules_per_megapixel: of the whole processor, idle power included. None:
    nobody knows.
    """

    method: str
    size_px: int
    threads: int
    ms_per_megapixel: float
    peak_mb: float
    gmacs_per_megapixel: float | None = None
    share_of_peak: float | None = None
    joules_per_megapixel: float | None = None


@dataclass(frozen=True)
class Speed(Findings):
    """Of every method at every size, and of the machine."""

    peaks: tuple[Peak, ...]
    paces: tuple[Pace, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"peaks": [vars(peak) for peak in self.peaks], "paces": [vars(pace) for pace in self.paces]}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Speed:
        """Back from the JSON form."""
        peaks = tuple(parse(Peak, peak) for peak in document["peaks"])
        return cls(peaks, tuple(parse(Pace, pace) for pace in document["paces"]))


def way(threads: int) -> str:
    """How a row says in how many threads it was measured.

    >>> way(1), way(2)
    ('1 thread', '2 threads')
    """
    return f"{threads} thread{'' if threads == 1 else 's'}"


def markdown(found: Speed) -> str:
    """What the machine can do, and one line a method, a size and a number of threads."""
    peaks = [(peak.precision, str(peak.threads), number(peak.gmacs_per_second, ".0f")) for peak in found.peaks]
    title = ("method", "threads", "side, px", "ms/MP", "GMAC/MP", "share of the peak", "J/MP", "MB")
    lines = [
        (
            pace.method,
            str(pace.threads),
            str(pace.size_px),
            number(pace.ms_per_megapixel, ".0f"),
            number(pace.gmacs_per_megapixel, ".0f"),
            "–" if pace.share_of_peak is None else percent(pace.share_of_peak),
            number(pace.joules_per_megapixel, ".1f"),
            number(pace.peak_mb, ".0f"),
        )
        for pace in found.paces
    ]
    return "\n\n".join([table(("fastest convolution", "threads", "GMAC/s"), peaks), table(title, lines)])
