"""Limits: how much of whom a service takes. Importing this module imports neither torch nor fastapi."""

from __future__ import annotations

from dataclasses import dataclass

from darnet.errors import UsageError


@dataclass(frozen=True)
class Limits:
    """How much a service takes at once, and of one request.

    `workers`: processes, each of which restores one picture at a time. `queue`: requests that wait besides; more are
    refused (429). `seconds`: from a request's first byte to its answer; then its work is ended (504), and its upload
    (408). `max_bytes` of a request, `max_pixels` of its picture: larger ones are refused, and not decoded (413).

    Raises UsageError for what is no limit.

    >>> Limits(workers=2).places
    18
    """

    workers: int = 1
    queue: int = 16
    seconds: float = 60.0
    max_bytes: int = 100_000_000
    max_pixels: int = 100_000_000

    def __post_init__(self) -> None:
        """Raise UsageError for what is no limit."""
        for name, least in {"workers": 1, "queue": 0, "max_bytes": 1, "max_pixels": 1}.items():
            if getattr(self, name) < least:
                raise UsageError(f"`{name}={getattr(self, name)}`: expected at least {least}")
        if not 0 < self.seconds < float("inf"):
            raise UsageError(f"`timeout={self.seconds:g}`: expected seconds, more than 0")

    @property
    def places(self) -> int:
        """How many requests are accepted at a time: those that are worked on, and those that wait."""
        return self.workers + self.queue
