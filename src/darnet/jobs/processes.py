"""Worker processes: each builds the restorer once, and does tasks in a pipeline; one that dies loses no picture."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, TypeAlias

from darnet.errors import DarnetError, ResourceError
from darnet.files import PROCESS
from darnet.jobs.crew import Crew, Ready, Report
from darnet.jobs.job import Job
from darnet.jobs.outputs import Task
from darnet.jobs.pipeline import Pipeline
from darnet.notices import overheard

if TYPE_CHECKING:
    from darnet.systems.spec import RestorerSpec

#: What reads these when it is loaded computes in so many threads: OpenMP, OpenBLAS, MKL, libvips.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VIPS_CONCURRENCY")

#: To a process: a task by its number; None: end after the picture at hand.
Order: TypeAlias = tuple[int, Task] | None


class ProcessHand:
    """A worker process of this machine, whose networks compute in so many `threads`."""

    ahead = 4  # one task in each stage of its pipeline, and one that waits

    def __init__(self, job: Job, spec: RestorerSpec, threads: int) -> None:
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, job, spec.to_json(), threads), daemon=True)
        with _environment({name: str(threads) for name in THREADS}):
            self.process.start()
        theirs.close()  # else nobody would see that the process has ended
        self.tasks: dict[int, Task] = {}
        self.ready: Ready | None = None

    def give(self, number: int, task: Task) -> None:
        """Let it do a task."""
        self._tell((number, task))

    def hear(self) -> Report | None:
        """What it says next; None: it has ended."""
        try:
            report: Report = self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            return None
        return report

    def finish(self) -> None:
        """Let it end after the picture at hand."""
        self._tell(None)

    def _tell(self, order: Order) -> None:
        with suppress(OSError):  # it has died, which is found out where it is heard
            self.connection.send(order)

    @property
    def fate(self) -> Exception:
        """Of one that has ended: why."""
        code = self.process.exitcode or 0
        if code == -signal.SIGKILL:
            return ResourceError("the worker was killed (SIGKILL), as happens where memory runs out")
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        return DarnetError(f"the worker ended {how}")


def crew(job: Job, spec: RestorerSpec, workers: int, threads: int) -> Crew[ProcessHand]:
    """Some worker processes of this machine, which compute in so many threads each. Raises as `Crew`."""
    return Crew(partial(ProcessHand, job, spec, threads), _heard, workers)


def _heard(hands: Sequence[ProcessHand], seconds: float) -> list[ProcessHand]:
    heard = wait([hand.connection for hand in hands], seconds)
    return [hand for hand in hands if hand.connection in heard]


def _work(connection: Connection, job: Job, spec: str, threads: int) -> None:
    """What a worker process does: build a restorer, and then tasks as they come, until it is told to end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal: the parent sees to it
    import torch

    from darnet.systems.spec import RestorerSpec

    torch.set_num_threads(threads)
    try:
        with overheard() as said:
            worker = job.worker(RestorerSpec.from_json(spec).build())
    except Exception as error:
        connection.send(error)
        return
    connection.send(Ready(list(said), PROCESS))
    numbers = list[int]()
    pipeline = Pipeline(worker)
    with suppress(BrokenPipeError):  # nobody is there any more
        for done in pipeline(_orders(connection, pipeline, numbers)):
            connection.send((numbers.pop(0), done))


def _orders(connection: Connection, pipeline: Pipeline, numbers: list[int]) -> Iterator[Task]:
    """The tasks as they come; their numbers go to a list."""
    while True:
        try:
            order: Order = connection.recv()
        except (EOFError, OSError):
            order = None  # the parent has died
        if order is None:
            pipeline.stop()
            return
        number, task = order
        numbers.append(number)
        yield task


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Variables for a process that is started inside; what a user has set stays."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
