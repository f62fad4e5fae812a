"""Local: the engine of this machine, a pipeline in one process or in several."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING

from darnet.errors import ResourceError, UsageError
from darnet.images.budget import Budget
from darnet.jobs.engine import Claim, until
from darnet.jobs.job import Done, Job
from darnet.jobs.outputs import Task, to_stdout
from darnet.jobs.pipeline import Pipeline
from darnet.jobs.processes import crew
from darnet.jobs.remote import check_lasting

if TYPE_CHECKING:
    from darnet.systems.spec import RestorerSpec

#: One more process, or a runtime for graphs, needs so many pictures, or bytes of their files, to make up for the
#: seconds in which it starts.
WORTH_PICTURES, WORTH_BYTES = 64, 2**21


@dataclass(frozen=True)
class Local:
    """The engine of this machine. `jobs`: worker processes, which share its cores; None: as many as pay.

    Networks compute in cores / `jobs` threads, and round by how many these are: a level here and there. So the same
    `jobs`, with a backend that is stated, give the same bytes, however many pictures there are. Where a failure is to
    be the last (`Job.fail_fast`) pictures come one after the other, in this process. `growing`: more tasks may come
    than are there at first, and as many processes wait for them. Raises UsageError for no process at all.

    >>> Local(0)
    Traceback (most recent call last):
    darnet.errors.UsageError: `jobs=0`: expected at least 1
    """

    jobs: int | None = None
    growing: bool = False

    def __post_init__(self) -> None:
        """Raise UsageError for no process at all."""
        if self.jobs is not None and self.jobs < 1:
            raise UsageError(f"`jobs={self.jobs}`: expected at least 1")

    def __call__(
        self, job: Job, tasks: Sequence[Task], spec: RestorerSpec, claim: Claim = iter, stop: Event | None = None
    ) -> Iterator[Done]:
        """The outcomes of the tasks (`Engine`)."""
        stop = stop or Event()
        simple = job.fail_fast or to_stdout(tasks)
        jobs = 1 if simple else self.jobs or suitable(tasks, spec)
        if not self.growing and not worth(tasks, 1):
            spec = plainly(spec)
        if jobs > 1:
            check_lasting(task.name for task in tasks)
            workers = jobs if self.growing else min(jobs, len(tasks))
            if spec.max_memory is not None:
                spec.settled(jobs)  # refused here, in words of what was stated
            hired = crew(job, sharing(spec, jobs), workers, max(1, cores() // jobs))
            return hired.outcomes(claim(tasks), stop)
        restorer = spec.build()
        if simple or (len(tasks) < 2 and not self.growing):
            return job.run(until(stop, claim(tasks)), restorer)
        return Pipeline(job.worker(restorer), stop)(until(stop, claim(tasks)))


def suitable(tasks: Sequence[Task], spec: RestorerSpec) -> int:
    """How many processes are fastest: on a CPU one a core, as far as memory and the tasks go; a GPU is for one."""
    from darnet.engines.devices import pick_device

    if pick_device(spec.device).type != "cpu":
        return 1
    most = cores()
    return fitting(spec, max(1, min(most, worth(tasks, most))))


def worth(tasks: Sequence[Task], most: int) -> int:
    """For how many things that take a second or two to begin there is enough to do; not counted beyond `most`."""
    found, size = len(tasks) // WORTH_PICTURES, 0
    for task in tasks:
        if found >= most:  # of a million files none has to be looked at
            break
        with suppress(OSError):
            size += task.source.path.stat().st_size
        found = max(found, size // WORTH_BYTES)
    return found


def plainly(spec: RestorerSpec) -> RestorerSpec:
    """The same where `auto` loads no runtime for graphs, which takes a second and saves less; 8 bits need one."""
    from darnet.engines.choosing import AUTO, stated
    from darnet.engines.devices import INT8
    from darnet.engines.pytorch import TORCH

    free = stated(spec.backend) == AUTO and spec.precision != INT8
    return spec.model_copy(update={"backend": TORCH}) if free else spec


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def fitting(spec: RestorerSpec, wanted: int) -> int:
    """How many processes, up to so many, the budget holds, each with tiles as large as a single one's; at least 1."""
    if wanted == 1:
        return 1
    tiles = spec.settled().tiles
    for count in range(wanted, 1, -1):
        with suppress(ResourceError):
            if sharing(spec, count).settled().tiles == tiles:
                return count
    return 1


def sharing(spec: RestorerSpec, processes: int) -> RestorerSpec:
    """For each of some processes, which share its memory."""
    budget = Budget.of(spec.max_memory).share(processes)
    return spec.model_copy(update={"max_memory": budget.total_bytes})
