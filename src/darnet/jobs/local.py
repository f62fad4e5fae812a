"""Local: the engine of this machine, a pipeline in one process or in several."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from darnet.errors import UsageError
from darnet.jobs.crew import Crew
from darnet.jobs.engine import Claim, until
from darnet.jobs.job import Done, Job
from darnet.jobs.outputs import Task
from darnet.jobs.pipeline import Pipeline

if TYPE_CHECKING:
    from darnet.systems.spec import RestorerSpec

#: A process more needs so many pictures, or bytes of their files, to make up for the seconds in which it starts.
WORTH_PICTURES, WORTH_BYTES = 64, 2**21
#: What a process takes that repairs tiles of the usual size and reads ahead, bytes.
PROCESS_BYTES = 2 * 2**30


@dataclass(frozen=True)
class Local:
    """The engine of this machine. `jobs`: worker processes, which share its cores; None: as many as pay.

    Networks compute in cores / `jobs` threads, and round by how many these are: a level here and there. So the same
    `jobs` give the same bytes, however many pictures there are. Where a failure is to be the last (`Job.fail_fast`)
    pictures come one after the other, in this process. Raises UsageError for no process at all.

    >>> Local(0)
    Traceback (most recent call last):
    darnet.errors.UsageError: `jobs=0`: expected at least 1
    """

    jobs: int | None = None

    def __post_init__(self) -> None:
        """Raise UsageError for no process at all."""
        if self.jobs is not None and self.jobs < 1:
            raise UsageError(f"`jobs={self.jobs}`: expected at least 1")

    def __call__(
        self, job: Job, tasks: Sequence[Task], spec: RestorerSpec, claim: Claim = iter, stop: Event | None = None
    ) -> Iterator[Done]:
        """The outcomes of the tasks (`Engine`)."""
        stop = stop or Event()
        simple = job.fail_fast or any(task.streamed for task in tasks)
        jobs = 1 if simple else self.jobs or suitable(tasks, spec.device)
        if jobs > 1:
            crew = Crew(job, spec, min(jobs, len(tasks)), max(1, cores() // jobs))
            return crew.outcomes(claim(tasks), stop)
        restorer = spec.build()
        if simple or len(tasks) < 2:
            return job.run(until(stop, claim(tasks)), restorer)
        return Pipeline(job.worker(restorer), stop)(claim(tasks))


def suitable(tasks: Sequence[Task], device: str) -> int:
    """How many processes are fastest: on a CPU one a core, as far as memory and the tasks go; a GPU is for one."""
    from darnet.engines.devices import pick_device

    if pick_device(device).type != "cpu":
        return 1
    size = 0
    for task in tasks:
        with suppress(OSError):
            size += task.source.path.stat().st_size
    worth = max(len(tasks) // WORTH_PICTURES, size // WORTH_BYTES)
    return max(1, min(cores(), fitting(), worth))


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def fitting() -> int:
    """How many processes fit into memory that is free, as far as the system says."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        found = dict(line.split(":") for line in lines)
        return int(found["MemAvailable"].split()[0]) * 1024 // PROCESS_BYTES
    except (OSError, LookupError, ValueError):
        return 1
