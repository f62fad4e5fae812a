"""Ray: the engine of a cluster. A restorer an actor, and tasks that go to whoever is free; only their names travel."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from darnet.errors import DarnetError, ImageError, UsageError, one_line
from darnet.files import PROCESS, remove_unfinished
from darnet.jobs.engine import Claim, until
from darnet.jobs.job import Done, Job
from darnet.jobs.outputs import Task, to_stdout
from darnet.jobs.paths import remove
from darnet.registry import optional

if TYPE_CHECKING:
    from darnet.jobs.worker import Worker
    from darnet.systems.spec import RestorerSpec

#: Tasks that an actor has at once: one at work, and one that waits, so that it never does.
AHEAD = 2
#: Tasks for each actor that may be done before an earlier one is: outcomes come in order.
WAITING = 16
#: A cluster that has not answered by then is not there.
ANSWER_SECONDS = 10.0


@dataclass(frozen=True)
class Ray:
    """The engine of a Ray cluster. `address`: of its head, `auto` on one of its machines; None: `RAY_ADDRESS`, or none.

    Where there is none one begins and ends here, on this machine. An actor is started for each GPU, or for each CPU
    where there is no GPU or the spec wants none. A task whose actor dies is done once more, by another one; if that
    one dies, too, it has failed. Pictures and outputs must lie where every machine reaches them, at the same place.

    Raises MissingPackageError without the extra, and UsageError for a cluster that cannot be reached and for stdout.
    """

    address: str | None = None

    def __call__(
        self, job: Job, tasks: Sequence[Task], spec: RestorerSpec, claim: Claim = iter, stop: Event | None = None
    ) -> Iterator[Done]:
        """The outcomes of the tasks (`Engine`)."""
        if to_stdout(tasks):
            raise UsageError("`engine='ray'`: stdout is not reached from other machines; give a file or a folder")
        ray = optional("ray", "ray")
        ours = not ray.is_initialized()
        if ours:
            self._connect(ray)
        crew = Crew(ray, job, spec, ours)
        try:
            crew.begin(len(tasks))
        except BaseException:
            crew.end()
            raise
        return crew.outcomes(claim(tasks), stop or Event())

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


class Actor:
    """One process somewhere: what Ray makes an actor of."""

    worker: Worker

    def begin(self, job: Job, spec: str, folder: str) -> Exception | str:
        """Build a restorer. `folder`: where relative paths begin, if it is there.

        Returns what stands in the way, or what the names of unfinished files of this process begin with.
        """
        from darnet.systems.spec import RestorerSpec

        with suppress(OSError):
            os.chdir(folder)
        try:
            self.worker = job.worker(RestorerSpec.from_json(spec).build())
        except Exception as error:
            return error
        return PROCESS

    def do(self, task: Task) -> Done:
        """Do a task."""
        return self.worker(task)


@dataclass(frozen=True)
class Order:
    """What an actor was told: to do a task, the job's `number`-th, or, without a task, to begin.

    `fresh`: there was no output when it was first given. `fatal`: an actor has died of it.
    """

    actor: Any
    number: int = -1
    task: Task | None = None
    fresh: bool = False
    fatal: bool = False


class Crew:
    """The actors, and what they have been told. `ours`: the cluster ends with it."""

    def __init__(self, ray: Any, job: Job, spec: RestorerSpec, ours: bool) -> None:
        self._ray, self._job, self._ours = ray, job, ours
        self._how = (ray.put(job), spec.to_json(), str(Path.cwd()))
        gpus = int(ray.cluster_resources().get("GPU", 0)) if spec.device != "cpu" else 0
        self._size = gpus or max(1, int(ray.cluster_resources().get("CPU", 1)))
        needs = {"num_cpus": 0 if gpus else 1, "num_gpus": 1 if gpus else 0}
        self._class = ray.remote(**needs)(Actor)
        self._actors: set[Any] = set()
        self._free: list[Any] = []  # one entry a task that could be given
        self._orders: dict[Any, Order] = {}  # by what Ray gives the outcome under
        self._found: dict[int, Done] = {}
        self._lost: list[Order] = []  # to be given again
        self._unfinished: dict[Any, str] = {}  # what the names of an actor's unfinished files begin with

    def begin(self, tasks: int) -> None:
        """Start actors, and wait for the first. Raises what stands in the way of building a restorer."""
        for _ in range(min(self._size, tasks)):
            self._hire()
        while not self._free:
            self._hear()

    def end(self) -> None:
        """Finish what is at hand; then let the actors go."""
        working = [outcome for outcome, order in self._orders.items() if order.task is not None]
        if working:
            self._ray.wait(working, num_returns=len(working))
        for actor in self._actors:
            self._ray.kill(actor)
        if self._ours:
            self._ray.shutdown()

    def outcomes(self, tasks: Iterable[Task | None], stop: Event) -> Iterator[Done]:
        """In the order of the tasks; once `stop` is set, of those that were given."""
        try:
            yield from self._job.ending(self._each(until(stop, tasks)))
        finally:
            self.end()

    def _each(self, tasks: Iterator[Task]) -> Iterator[Done]:
        given = number = 0
        all_given = False
        while not all_given or number < given:
            while self._free and self._lost:
                self._give(self._lost.pop())
            while self._free and not all_given and given < number + WAITING * self._size:
                task = next(tasks, None)
                if task is None:
                    all_given = True
                else:
                    self._give(Order(None, given, task, not any(map(os.path.lexists, task.written))))
                    given += 1
            if number < given and number not in self._found:
                self._hear()
            while number in self._found:
                yield self._found.pop(number)
                number += 1

    def _hire(self) -> None:
        actor = self._class.remote()
        self._actors.add(actor)
        self._orders[actor.begin.remote(*self._how)] = Order(actor)

    def _give(self, order: Order) -> None:
        actor = self._free.pop(0)
        self._orders[actor.do.remote(order.task)] = replace(order, actor=actor)

    def _hear(self) -> None:
        """Wait for the next outcome, of a task or of a beginning."""
        (outcome,), _ = self._ray.wait(list(self._orders), num_returns=1)
        order = self._orders[outcome]
        try:
            self._take(outcome)
        except self._ray.exceptions.RayActorError as error:
            self._bury(order.actor, one_line(error))
        else:
            self._free += [order.actor] * (1 if order.task else AHEAD)

    def _take(self, outcome: Any) -> None:
        """Note an outcome that there is. Raises RayActorError where the actor has died before."""
        order, told = self._orders[outcome], self._ray.get(outcome)
        del self._orders[outcome]
        if isinstance(told, Exception):
            raise told
        if order.task is None:
            self._unfinished[order.actor] = told
        else:
            self._found[order.number] = told

    def _bury(self, actor: Any, reason: str) -> None:
        """An actor has died: what it had is done by another one, and what it died of only once more."""
        had = [outcome for outcome, order in self._orders.items() if order.actor == actor]
        self._ray.wait(had, num_returns=len(had))
        lost = list[Order]()
        for outcome in had:  # in the order in which it was told; it has done the first ones, it may be
            order = self._orders[outcome]
            try:
                self._take(outcome)
            except self._ray.exceptions.RayActorError:
                del self._orders[outcome]
                lost.append(order)
        self._free = [one for one in self._free if one != actor]
        self._actors.remove(actor)
        self._clear(lost, self._unfinished.pop(actor, None))
        if lost and lost[0].fatal and lost[0].task is not None:
            name, died = lost[0].task.source.name, f"two workers died of it: {reason}"
            self._found[lost[0].number] = Done(name, error=died, exit_code=DarnetError.exit_code)
        elif lost and lost[0].task is not None:
            self._lost.append(replace(lost[0], fatal=True))
        self._lost += lost[1:]
        if not lost or lost[0].task is not None:
            self._hire()
        elif not self._free and not self._orders:
            raise DarnetError(f"no worker of Ray begins: {reason}")

    def _clear(self, lost: Sequence[Order], unfinished: str | None) -> None:
        """Remove what a dead actor has written of tasks whose outcome nobody has heard."""
        for order in lost:
            for path in order.task.written if order.task is not None else ():
                with suppress(ImageError):
                    if order.fresh:
                        remove(path)
                if unfinished:
                    remove_unfinished(path.parent, unfinished)
