"""Limits: how much of whom a service takes. Importing this module imports neither torch nor fastapi."""

from __future__ import annotations

from dataclasses import dataclass, replace

from darnet.errors import UsageError


@dataclass(frozen=True)
class Limits:
    """How much a service takes at once, and of one request.

    `workers`: processes, each of which restores one picture at a time. `queue`: requests that wait besides; more are
    refused (429). `seconds`: from a request's first byte to its answer; then its work is ended (504), and its upload
    (408). `max_bytes` of a request, `max_pixels` of its picture: larger ones are refused, and not decoded (413).

    Of jobs: so many `jobs` at a time, those that are done and whose results are kept counted, for `keep_seconds` each;
    `job_files` pictures of one, of `max_bytes` each, and `job_bytes` in all.

    Raises UsageError for what is no limit.

    >>> Limits(workers=2).places
    18
    """

    workers: int = 1
    queue: int = 16
    seconds: float = 60.0
    max_bytes: int = 100_000_000
    max_pixels: int = 100_000_000
    jobs: int = 8
    job_files: int = 200
    job_bytes: int = 1_000_000_000
    keep_seconds: float = 600.0

    def __post_init__(self) -> None:
        """Raise UsageError for what is no limit."""
        least_of_jobs = {"jobs": 0, "job_files": 1, "job_bytes": 1}
        for name, least in {"workers": 1, "queue": 0, "max_bytes": 1, "max_pixels": 1, **least_of_jobs}.items():
            if getattr(self, name) < least:
                raise UsageError(f"`{name}={getattr(self, name)}`: expected at least {least}")
        for name, seconds in {"timeout": self.seconds, "keep_seconds": self.keep_seconds}.items():
            if not 0 < seconds < float("inf"):
                raise UsageError(f"`{name}={seconds:g}`: expected seconds, more than 0")

    @property
    def places(self) -> int:
        """How many requests are accepted at a time: those that are worked on, and those that wait."""
        return self.workers + self.queue

    @property
    def of_job(self) -> Limits:
        """Those of a job's upload, which is given as much time for its bytes as a request is for its own.

        >>> Limits(seconds=60, max_bytes=100, job_bytes=1000).of_job.seconds
        600.0
        """
        seconds = self.seconds * max(1.0, self.job_bytes / self.max_bytes)
        return replace(self, seconds=seconds, max_bytes=self.job_bytes)
