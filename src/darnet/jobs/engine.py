"""Engine: who does the tasks of a job, and where: in this process, in several, on many machines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from threading import Event
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from darnet.jobs.job import Done, Job
    from darnet.jobs.outputs import Task
    from darnet.systems.spec import RestorerSpec

#: Gives tasks one by one, as they are begun: by then a ledger knows of them. `iter` is one. It may give more than it
#: was given, and None where none is there yet and it is to be asked again.
Claim: TypeAlias = "Callable[[Sequence[Task]], Iterable[Task | None]]"
#: After so long.
IDLE_SECONDS = 0.2


class Engine(Protocol):
    """Does the tasks of a job with the restorer that a spec describes, and gives what became of each, in their order.

    Each worker builds the restorer once (`spec.build()`) and does a task by `job.worker(restorer)(task)`, so that the
    bytes are the same wherever it runs. A worker that dies fails the task that it had, and no other. With
    `job.fail_fast` a failure is the last outcome. Once `stop` is set, or when the iterator is closed, pictures at hand
    are finished and no other is begun; no process, thread or unfinished file stays. Those of the first have outcomes.

    Raises, before any picture, what `spec.build` and `Job.worker` raise.
    """

    def __call__(
        self, job: Job, tasks: Sequence[Task], spec: RestorerSpec, claim: Claim = iter, stop: Event | None = None
    ) -> Iterator[Done]:
        """The outcomes of the tasks, each of which is claimed before it is begun."""
        ...


def until(stop: Event, tasks: Iterable[Task | None]) -> Iterator[Task]:
    """The tasks, those waited for that are not there yet, and none asked for once a run is to stop.

    >>> list(until(Event(), []))
    []
    """
    coming = iter(tasks)
    while not stop.is_set():
        try:
            task = next(coming)
        except StopIteration:
            return
        if task is None:
            stop.wait(IDLE_SECONDS)
        else:
            yield task
