"""Engine: who does the tasks of a job, and where: in this process, in several, on many machines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from darnet.jobs.job import Done, Job
    from darnet.jobs.outputs import Task
    from darnet.systems.spec import RestorerSpec


class Engine(Protocol):
    """Does the tasks of a job with the restorer that a spec describes, and gives what became of each, in their order.

    Each worker builds the restorer once (`spec.build()`) and does a task by `job.worker(restorer)(task)`, so that the
    bytes are the same wherever it runs. A worker that dies fails the task that it had, and no other. With
    `job.fail_fast` a failure is the last outcome. Closing the iterator ends the work: pictures at hand are finished,
    and no process, thread or unfinished file stays.

    Raises, before any picture, what `spec.build` and `Job.worker` raise.
    """

    def __call__(self, job: Job, tasks: Sequence[Task], spec: RestorerSpec) -> Iterator[Done]:
        """The outcomes of the tasks."""
        ...
