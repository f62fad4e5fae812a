"""Worker processes: each builds the restorer once, and does tasks in a pipeline; one that dies loses no picture."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any, TypeAlias

from darnet.errors import DarnetError, ResourceError
from darnet.files import PROCESS
from darnet.jobs.crew import Crew, Ready, Report
from darnet.jobs.job import Job
from darnet.jobs.outputs import Task
from darnet.jobs.pipeline import Pipeline
from darnet.notices import overheard

if TYPE_CHECKING:
    from darnet.restore.restorer import Restorer
    from darnet.systems.spec import RestorerSpec

#: What reads these when it is loaded computes in so many threads: OpenMP, OpenBLAS, MKL, libvips.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VIPS_CONCURRENCY")

#: To a process: a task by its number; None: end after the picture at hand.
Order: TypeAlias = tuple[int, Task] | None


class Child:
    """A process of this machine, and the connection to it: it does `target(connection, *arguments, threads)`.

    Its networks are to compute in so many `threads`.
    """

    def __init__(self, target: Callable[..., None], arguments: Sequence[object], threads: int) -> None:
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=target, args=(theirs, *arguments, threads), daemon=True)
        with _environment({name: str(threads) for name in THREADS}):
            self.process.start()
        theirs.close()  # else nobody would see that the process has ended

    def tell(self, order: object) -> None:
        """Send it something."""
        with suppress(OSError):  # it has died, which is found out where it is heard
            self.connection.send(order)

    def listen(self) -> Any | None:
        """What it says next, which is waited for; None: it has ended."""
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            return None

    @property
    def fate(self) -> Exception:
        """Of one that has ended: why."""
        code = self.process.exitcode or 0
        if code == -signal.SIGKILL:
            return ResourceError("the worker was killed (SIGKILL), as happens where memory runs out")
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        return DarnetError(f"the worker ended {how}")


class ProcessHand(Child):
    """A worker process of this machine, whose networks compute in so many `threads`."""

    ahead = 4  # one task in each stage of its pipeline, and one that waits

    def __init__(self, job: Job, spec: RestorerSpec, threads: int) -> None:
        super().__init__(_work, (job, spec.to_json()), threads)
        self.tasks: dict[int, Task] = {}
        self.ready: Ready | None = None

    def give(self, number: int, task: Task) -> None:
        """Let it do a task."""
        self.tell((number, task))

    def hear(self) -> Report | None:
        """What it says next; None: it has ended."""
        report: Report | None = self.listen()
        return report

    def finish(self) -> None:
        """Let it end after the picture at hand."""
        self.tell(None)


def crew(job: Job, spec: RestorerSpec, workers: int, threads: int) -> Crew[ProcessHand]:
    """Some worker processes of this machine, which compute in so many threads each. Raises as `Crew`."""
    return Crew(partial(ProcessHand, job, spec, threads), _heard, workers)


def _heard(hands: Sequence[ProcessHand], seconds: float) -> list[ProcessHand]:
    heard = wait([hand.connection for hand in hands], seconds)
    return [hand for hand in hands if hand.connection in heard]


def build(spec: str, threads: int) -> Restorer:
    """The restorer of a process that is its parent's worker. Raises as `RestorerSpec.build` does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal: the parent sees to it
    import torch

    from darnet.systems.spec import RestorerSpec

    torch.set_num_threads(threads)
    return RestorerSpec.from_json(spec).build()


def _work(connection: Connection, job: Job, spec: str, threads: int) -> None:
    """What a worker process does: build a restorer, and then tasks as they come, until it is told to end."""
    try:
        with overheard() as said:
            worker = job.worker(build(spec, threads))
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
