"""What a worker process of a service does: build a restorer once, and do one order after the other."""

from __future__ import annotations

import signal
import traceback
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from darnet.errors import explain
from darnet.jobs.job import Done, Job
from darnet.jobs.processes import build
from darnet.service.views import View, draw

if TYPE_CHECKING:
    from darnet.jobs.outputs import Task
    from darnet.jobs.worker import Turn, Worker
    from darnet.restore.restorer import Restorer

#: What a worker says once it has built its restorer.
READY = "ready"


@dataclass(frozen=True)
class Order:
    """A request's picture: its file, the folder for the result, and what is done; limits as `Restorer.limited` has.

    `view`: what is wanted to be seen besides, in the folder `views`.
    """

    picture: Path
    output: Path
    job: Job
    min_confidence: float | None = None
    max_steps: int | None = None
    view: View | None = None

    @property
    def views(self) -> Path:
        """The folder of views."""
        return self.output.parent / "views"

    def done(self, restorer: Restorer) -> Done:
        """What became of it, whatever happens."""
        try:
            limited = restorer.limited(self.min_confidence, self.max_steps)
            worker = self.job.worker(limited)
            (task,) = self.job.plan([str(self.picture)], f"{self.output}/").tasks
            return worker(task) if self.view is None else self._seen(worker, task)
        except Exception as error:  # no picture can be restored so
            reason, exit_code = explain(error)
            name, trace = type(error).__name__, traceback.format_exc()
            return Done(str(self.picture), error=reason, exit_code=exit_code, traceback=trace, failure=name)

    def _seen(self, worker: Worker, task: Task) -> Done:
        """The same with its views. What each step changed is kept for them alone, and of a single picture."""
        turn = worker.read(task)
        keep = self.view == "steps" and turn.image is not None and not turn.image.frames
        worker = replace(worker, job=replace(worker.job, keep=keep))
        return worker.write(worker.repair(turn).take(partial(self._draw, worker.restorer)))

    def _draw(self, restorer: Restorer, turn: Turn) -> None:
        assert self.view is not None
        assert turn.result is not None
        draw(self.view, restorer, turn.result, self.views)


def work(connection: Connection, spec: str, threads: int) -> None:
    """Do orders as they come, until there is none any more or the parent has gone.

    It says READY once its restorer is built and all experts are loaded, or why they cannot be; then a `Done` for each
    order. Loaded later, an expert whose backends are tried out for the first time would use up a request's time.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # who ends a service signals all its processes: the parent sees to it
    try:
        restorer = build(spec, threads)
        dict(restorer.experts)
    except Exception as error:
        connection.send(error)
        return
    connection.send(READY)
    while (order := _next(connection)) is not None:
        connection.send(order.done(restorer))


def _next(connection: Connection) -> Order | None:
    try:
        order: Order | None = connection.recv()
    except (EOFError, OSError):
        return None
    return order
