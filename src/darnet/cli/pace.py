"""How fast pictures are done: pictures and megapixels a second, and what each stage of the work takes of the time."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from darnet.jobs import Done

MEGA = 1_000_000


@dataclass
class Pace:
    """What was done since it began; `stages`: how many seconds each stage was at work, in all processes together."""

    pictures: int = 0
    pixels: int = 0
    stages: Counter[str] = field(default_factory=Counter)
    started: float = field(default_factory=time.perf_counter)

    def add(self, done: Done) -> None:
        """One picture more."""
        self.pictures += done.error is None
        self.pixels += done.pixels if done.error is None else 0
        self.stages.update(done.seconds)

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.perf_counter() - self.started

    @property
    def shares(self) -> str:
        """`read 3.1 s, repair 96.2 s, write 2.0 s at work in 98.0 s`."""
        parts = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in self.stages.items())
        return f"{parts} at work in {self.seconds:.1f} s"

    def __str__(self) -> str:
        """`4.1 pictures/s, 12.3 MP/s`; empty where there is nothing to tell."""
        if not self.pixels:
            return ""
        return f"{_short(self.pictures / self.seconds)} pictures/s, {_short(self.pixels / MEGA / self.seconds)} MP/s"


def _short(rate: float) -> str:
    return f"{rate:.2g}" if rate < 10 else f"{rate:.0f}"
