"""Metrics of a service, for Prometheus."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from darnet.jobs.job import Done
    from darnet.service.pool import Pool

CONTENT_TYPE = CONTENT_TYPE_LATEST
#: Upper ends of the intervals that seconds are counted in.
SECONDS = (0.005, 0.02, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
#: What requests are counted under; all others together, for their paths are anybody's.
PATHS = frozenset({"/v1/restore", "/v1/diagnose", "/v1/experts", "/health", "/ready", "/metrics", "/openapi.json"})
#: And those of jobs, which have names that nobody is to know: by what they match.
JOBS = {
    re.compile(f"/v1/jobs{pattern}"): f"/v1/jobs{name}"
    for pattern, name in {
        "": "",
        r"/[^/]+": "/{id}",
        r"/[^/]+/events": "/{id}/events",
        r"/[^/]+/zip": "/{id}/zip",
        r"/[^/]+/files/[^/]+": "/{id}/files/{number}",
    }.items()
}
OTHER = "other"


class Metrics:
    """What is counted, and how it is written: requests, seconds, and what the pool has to do."""

    def __init__(self, pool: Pool) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "darnet_requests", "Answers, by path and status; 0: none.", ["path", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            *("darnet_request_seconds", "From a request's first byte to its last.", ["path"]),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._stages = Histogram(
            *("darnet_stage_seconds", "What the time of pictures went to.", ["stage"]),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._files = Counter(
            "darnet_job_files", "Pictures of jobs, by what became of them.", ["state"], registry=self._registry
        )
        self.gauge("darnet_queue", "Requests, and pictures of jobs, that wait for a worker.", lambda: pool.waiting)
        self.gauge("darnet_accepted", "Requests that have a place.", lambda: pool.accepted)
        self.gauge("darnet_workers", "Worker processes that live.", lambda: pool.workers)
        lost = Gauge("darnet_workers_lost", "Workers that were replaced, by why.", ["why"], registry=self._registry)
        for why in pool.lost:
            lost.labels(why).set_function(partial(pool.lost.__getitem__, why))

    def gauge(self, name: str, what: str, ask: Callable[[], float]) -> None:
        """Tell one number more, which is asked for when it is told."""
        Gauge(name, what, registry=self._registry).set_function(ask)

    def answered(self, path: str, status: int, seconds: float) -> None:
        """Count an answer."""
        known = path if path in PATHS else next((name for one, name in JOBS.items() if one.fullmatch(path)), OTHER)
        self._requests.labels(known, str(status)).inc()
        self._seconds.labels(known).observe(seconds)

    def worked(self, done: Done) -> None:
        """Count where the time of a picture went."""
        for stage, seconds in (done.treatment.stages if done.treatment is not None else {}).items():
            self._stages.labels(stage).observe(seconds)

    def ended(self, state: str) -> None:
        """Count what became of a job's picture."""
        self._files.labels(state).inc()

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self._registry)
