"""Ray: the engine of a cluster. A restorer an actor, and tasks that go to whoever is free; only their names travel."""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from darnet.errors import DarnetError, UsageError, one_line
from darnet.files import PROCESS
from darnet.jobs.crew import Crew, Ready, Report
from darnet.jobs.engine import Claim
from darnet.jobs.job import Done, Job
from darnet.jobs.outputs import Task, to_stdout
from darnet.jobs.remote import check_lasting
from darnet.notices import overheard
from darnet.registry import optional

if TYPE_CHECKING:
    from darnet.jobs.worker import Worker
    from darnet.systems.spec import RestorerSpec

#: A cluster that has not answered by then is not there.
ANSWER_SECONDS = 10.0


@dataclass(frozen=True)
class Ray:
    """The engine of a Ray cluster. `address`: of its head, `auto` on one of its machines; None: `RAY_ADDRESS`, or none.

    Where there is none one begins and ends here, on this machine. An actor is started for each GPU, or for each CPU
    where there is no GPU or the spec wants none. A task whose actor dies is done once more, by another one; if that
    one dies, too, it has failed. Pictures and outputs must lie where every machine reaches them, at the same place.

    Raises MissingPackageError without the extra, and UsageError for a cluster that cannot be reached, for stdout and `memory://`.
    """

    address: str | None = None

    def __call__(
        self, job: Job, tasks: Sequence[Task], spec: RestorerSpec, claim: Claim = iter, stop: Event | None = None
    ) -> Iterator[Done]:
        """The outcomes of the tasks (`Engine`)."""
        if to_stdout(tasks):
            raise UsageError("`engine='ray'`: stdout is not reached from other machines; give a file or a folder")
        check_lasting(task.name for task in tasks)
        ray = optional("ray", "ray")
        with ExitStack() as ends:
            if not ray.is_initialized():
                self._connect(ray)
                ends.callback(ray.shutdown)
            hire, most = _hiring(ray, job, spec)
            crew = Crew(hire, partial(_heard, ray), min(most, len(tasks)))
            return _ending(ends.pop_all(), job, crew.outcomes(claim(tasks), stop or Event()))

    def _connect(self, ray: Any) -> None:
        """Raises UsageError for a cluster that cannot be reached."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # whoever wants to tell Ray's makers may say so
        address = self.address or os.environ.get("RAY_ADDRESS") or "local"
        local = {"include_dashboard": False} if address == "local" else {}
        try:
            _check_there(address)
            ray.init(address=address, log_to_driver=False, logging_level="ERROR", **local)
        except (OSError, RuntimeError, ValueError) as error:
            raise UsageError(f"`ray_address={address!r}`: {one_line(error)}") from None


def _check_there(address: str) -> None:
    """Raise OSError where nobody answers: Ray would try for minutes. What is no host and port it knows by itself."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), ANSWER_SECONDS).close()


def _ending(ends: ExitStack, job: Job, outcomes: Generator[Done, None, None]) -> Iterator[Done]:
    """The outcomes, as far as the job wants them; then the actors end, and what `ends` says."""
    with ends, closing(outcomes):
        yield from job.ending(outcomes)


def _hiring(ray: Any, job: Job, spec: RestorerSpec) -> tuple[Callable[[], RayHand], int]:
    """What starts an actor; and how many there are at most: one for each GPU, or CPU."""
    resources = ray.cluster_resources()
    gpus = int(resources.get("GPU", 0)) if spec.device != "cpu" else 0
    actor = ray.remote(num_cpus=0 if gpus else 1, num_gpus=1 if gpus else 0)(Actor)
    how = (ray.put(job), spec.to_json(), str(Path.cwd()))
    return partial(RayHand, ray, actor, how), gpus or max(1, int(resources.get("CPU", 1)))


class Actor:
    """One process somewhere: what Ray makes an actor of."""

    worker: Worker

    def begin(self, job: Job, spec: str, folder: str) -> Report:
        """Build a restorer, or return what stands in the way. `folder`: where relative paths begin, if it is there."""
        from darnet.systems.spec import RestorerSpec

        with suppress(OSError):
            os.chdir(folder)
        try:
            with overheard() as said:
                self.worker = job.worker(RestorerSpec.from_json(spec).build())
        except Exception as error:
            return error
        return Ready(list(said), PROCESS)

    def do(self, number: int, task: Task) -> Report:
        """Do a task."""
        return number, self.worker(task)


class RayHand:
    """An actor, which does one task after the other, as they came."""

    ahead = 2  # one at work, and one that waits
    fate: Exception

    def __init__(self, ray: Any, actor: Any, how: Sequence[Any]) -> None:
        self._ray, self._actor = ray, actor.remote()
        self.coming = deque([self._actor.begin.remote(*how)])  # what Ray gives its reports under
        self.tasks: dict[int, Task] = {}
        self.ready: Ready | None = None

    def give(self, number: int, task: Task) -> None:
        """Let it do a task."""
        self.coming.append(self._actor.do.remote(number, task))

    def hear(self) -> Report | None:
        """What it says next; None: it has ended."""
        try:
            report: Report = self._ray.get(self.coming.popleft())
        except self._ray.exceptions.RayError as error:
            self.fate = DarnetError(f"the worker died: {one_line(error)}")
            self._ray.kill(self._actor)  # where only what it should have said is lost
            return None
        if isinstance(report, Exception):
            self.finish()
        return report

    def finish(self) -> None:
        """Let it end after the tasks that it has; at once where it has not begun, for which there may be no room."""
        if self.ready is None:
            self._ray.kill(self._actor)
        self.coming.append(self._actor.__ray_terminate__.remote())


def _heard(ray: Any, hands: Sequence[RayHand], seconds: float) -> list[RayHand]:
    coming = {hand.coming[0]: hand for hand in hands if hand.coming}
    if not coming:
        time.sleep(seconds)
        return []
    heard, _ = ray.wait(list(coming), timeout=seconds)
    return [coming[one] for one in heard]
