"""Budget: how much memory a process may take, and what follows from that.

Tiles, and whether the samples of a picture lie in memory or in a file (`scratch`), are chosen so that the process stays
below it; what cannot be done within it is refused before it is begun (docs/adr/0042).

`observed` says which budget holds; it does so for a thread, and what it calls.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from math import isqrt
from pathlib import Path

from darnet.errors import ResourceError, UsageError
from darnet.images.available import available_bytes

UNITS = {"": 1, "b": 1}
UNITS |= {f"{letter}b": 1000**power for power, letter in enumerate("kmgt", 1)}
UNITS |= {f"{letter}ib": 1024**power for power, letter in enumerate("kmgt", 1)}
#: Smaller tiles share so little that their seams show: at 28 px from an edge some experts are off by 5 levels.
LEAST_TILE_PX = 256
#: Sides of chosen tiles are multiples of this.
STEP_PX = 32
#: What a process holds beside pictures and tiles: Python, torch, libvips, a router and an expert, and what is kept of
#: freed memory; and what strips of a picture take while they are read, converted and written. Measured.
HELD_BYTES, STRIPS_BYTES = 320_000_000, 48_000_000
#: Samples of one picture that may be held, as a share of what is left: with what it becomes a third.
PICTURE_SHARE = 6


@dataclass(frozen=True)
class Cost:
    """What repairing a tile takes at its peak: bytes however small it is, and bytes for each of its pixels.

    >>> Cost(24_000_000, 112).of(1152) // 10**6
    172
    """

    fixed_bytes: int
    pixel_bytes: int

    def of(self, tile_px: int) -> int:
        """Bytes for a square tile."""
        return self.fixed_bytes + self.pixel_bytes * tile_px**2


@dataclass(frozen=True)
class Budget:
    """Bytes that a process may take in all; `held_bytes` of them are gone before there is any picture.

    How many workers fit, and what each gets:

    >>> budget, cost = Budget(2_000_000_000), Cost(24_000_000, 112)
    >>> count = budget.workers(8, cost)  # processes; `together=True`: threads of one
    >>> count, budget.share(count).tile_px(cost)
    (3, 1152)
    >>> budget.workers(8, cost, together=True)
    5
    """

    total_bytes: int
    held_bytes: int = HELD_BYTES
    sharers: int = 1

    @classmethod
    def of(cls, stated: int | str | None) -> Budget:
        """As stated (`bytes_of`), or half of what is free. Raises UsageError for what is no size."""
        return cls(available_bytes() // 2 if stated is None else bytes_of(stated))

    @property
    def picture_bytes(self) -> int:
        """How large an array of samples may be that lies in memory; larger ones lie in a file."""
        return max(0, self._room // PICTURE_SHARE)

    @property
    def tile_bytes(self) -> int:
        """What is left for a tile."""
        return self._room - 2 * self.picture_bytes

    def tile_px(self, cost: Cost, most_px: int = 1152) -> int:
        """The side of the largest tile that fits, up to `most_px`. Raises ResourceError where the least does not."""
        needed = self.needed(cost, min(LEAST_TILE_PX, most_px))
        if self.total_bytes < needed:
            raise ResourceError(self.short_of(needed, min(LEAST_TILE_PX, most_px)))
        side = isqrt((self.tile_bytes - cost.fixed_bytes) // cost.pixel_bytes)
        return min(most_px, max(LEAST_TILE_PX, side - side % STEP_PX))

    def short_of(self, needed_bytes: int, tile_px: int) -> str:
        """Why tiles of this side, which need so much, are none of this budget's."""
        sharing = f" for {self.sharers} processes" if self.sharers > 1 else ""
        need = f"tiles of {tile_px} px need {said(self.sharers * needed_bytes)}"
        return f"`max_memory={said(self.sharers * self.total_bytes)!r}`: too little{sharing}, {need}"

    def needed(self, cost: Cost, tile_px: int) -> int:
        """The least budget, in bytes, with which tiles of this side are chosen."""
        room = -(-cost.of(tile_px) * PICTURE_SHARE // (PICTURE_SHARE - 2)) + PICTURE_SHARE
        return self.held_bytes + STRIPS_BYTES + room

    def workers(self, wanted: int, cost: Cost, most_px: int = 1152, *, together: bool = False) -> int:
        """How many, up to `wanted`, can have tiles of `most_px` at once; at least 1, whatever that one can have."""
        for count in range(wanted, 1, -1):
            share = self.share(count, together=together)
            if share.total_bytes >= share.needed(cost, most_px):
                return count
        return 1

    def share(self, workers: int, *, together: bool = False) -> Budget:
        """What each of some workers gets. `together`: threads of one process, which hold what it holds once."""
        if together:
            return replace(self, total_bytes=self.held_bytes + (self.total_bytes - self.held_bytes) // workers)
        return replace(self, total_bytes=self.total_bytes // workers, sharers=workers)

    def admit(self, path: Path, needed_bytes: int, what: str) -> None:
        """Raise ResourceError, naming a picture's file, where `what` has to be done with it takes more than is left."""
        needed = self.held_bytes + needed_bytes
        if needed > self.total_bytes:
            allowed = f"{said(self.total_bytes)} are allowed; `max_memory={said(needed)!r}` allows it"
            raise ResourceError(f"{what} takes {said(needed)} of memory, and {allowed}", path)

    @property
    def _room(self) -> int:
        """What pictures and tiles can have."""
        return self.total_bytes - self.held_bytes - STRIPS_BYTES


def bytes_of(stated: int | str, *, parameter: str = "max_memory") -> int:
    """A size as people write it, in bytes. Raises UsageError, which names the parameter, for anything else.

    >>> bytes_of("2GB"), bytes_of("1.5GiB"), bytes_of("512 mb"), bytes_of(4096)
    (2000000000, 1610612736, 512000000, 4096)
    """
    found = re.fullmatch(r"([0-9]{1,18}(?:\.[0-9]*)?)\s*([a-z]*)", str(stated).strip().lower())
    size = int(float(found[1]) * UNITS[found[2]]) if found and found[2] in UNITS else 0
    if size <= 0:
        raise UsageError(f"`{parameter}={stated!r}`: expected a size, such as 512MB, 1.5GiB or 2GB")
    return size


def said(size_bytes: int) -> str:
    """A size in three digits, rounded up: who allows as much has allowed enough.

    >>> said(7_345_600_000), said(512_000_000), said(999_999_999)
    ('7.35GB', '512MB', '1GB')
    """
    step = 10 ** max(0, len(str(size_bytes)) - 3)
    rounded = -(-size_bytes // step) * step
    unit = next((unit for unit in ("TB", "GB", "MB", "kB") if rounded >= UNITS[unit.lower()]), "B")
    return f"{rounded / UNITS[unit.lower()]:g}{unit}"


_observed: ContextVar[Budget | None] = ContextVar("observed", default=None)


@contextmanager
def observed(budget: Budget | None) -> Iterator[None]:
    """Keep to a budget inside; None: to that of whoever is outside.

    >>> with observed(Budget(10**9)):
    ...     current().total_bytes
    1000000000
    """
    if budget is None:
        yield
        return
    before = _observed.set(budget)
    try:
        yield
    finally:
        _observed.reset(before)


def current() -> Budget:
    """The budget that holds here; where none was stated, half of what is free."""
    return _observed.get() or Budget.of(None)


def stated() -> Budget | None:
    """The budget that holds here, where one was stated."""
    return _observed.get()
