"""How fast pictures are done: pictures and megapixels a second, and what each stage of the work takes of the time."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from darnet.timeline import STAGES, described, stages

if TYPE_CHECKING:
    from darnet.jobs import Done

MEGA = 1_000_000


@dataclass
class Pace:
    """What was done since it began; `spent`: how many seconds each stage was at work, in all processes together."""

    pictures: int = 0
    pixels: int = 0
    spent: Counter[str] = field(default_factory=Counter)
    started: float = field(default_factory=time.perf_counter)

    def add(self, done: Done) -> None:
        """One picture more."""
        self.pictures += done.error is None
        self.pixels += done.pixels if done.error is None else 0
        self.spent.update(stages(done.timeline))

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.perf_counter() - self.started

    @property
    def shares(self) -> str:
        """`open 0.10 s, decode 3.12 s, diagnose 0.40 s, repair 96.20 s, write 2.03 s at work in 98.0 s`."""
        spent = {stage: self.spent[stage] for stage in STAGES if stage in self.spent}
        return f"{described(spent)} at work in {self.seconds:.1f} s"

    def __str__(self) -> str:
        """`4.1 pictures/s, 12.3 MP/s`; empty where there is nothing to tell."""
        if not self.pixels:
            return ""
        return f"{_short(self.pictures / self.seconds)} pictures/s, {_short(self.pixels / MEGA / self.seconds)} MP/s"


def _short(rate: float) -> str:
    return f"{rate:.2g}" if rate < 10 else f"{rate:.0f}"
