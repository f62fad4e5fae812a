"""Pool: the worker processes of a service, the places of requests, and what ends work that takes too long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from darnet.errors import DarnetError, ResourceError, explain
from darnet.jobs.job import Done
from darnet.jobs.local import cores, sharing
from darnet.jobs.processes import Child
from darnet.service.limits import Limits
from darnet.service.problems import GONE, LOG, refused
from darnet.service.work import READY, Order, work

if TYPE_CHECKING:
    from darnet.systems.spec import RestorerSpec

#: A worker that has not built its restorer after so long is given up, and another one started.
START_SECONDS = 300.0
#: After a worker that could not be started the next is tried so much later, and twice as much, up to the last.
FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS = 1.0, 60.0
#: Idle workers that are told to end are waited for so long.
END_SECONDS = 5.0

Outcome = TypeVar("Outcome")
#: Whether the client of a request has gone away.
Gone: TypeAlias = Callable[[], Awaitable[bool]]


class Pool:
    """Some worker processes, each with a restorer of its own, which do one order at a time.

    A worker whose time is over is killed, and so is nobody's work but its own; one that is killed, by whomever, is
    replaced. `accepted`: requests that have a place. `aside`: orders that need none. `closing`: whether what was
    accepted is the last. `lost`: workers that were replaced, by why.
    """

    def __init__(self, spec: RestorerSpec, limits: Limits) -> None:
        self.limits = limits
        self.accepted = self.aside = 0
        self.closing = False
        self.lost = {"timeout": 0, "died": 0}
        self._spec = (sharing(spec, limits.workers) if limits.workers > 1 else spec).to_json()
        self._threads = max(1, cores() // limits.workers)
        self._executor = ThreadPoolExecutor(2 * limits.workers, "darnet-pool")
        self._idle = asyncio.Queue[Child]()
        self._children = set[Child]()
        self._tasks = set[asyncio.Task[Any]]()
        self._starting, self._ended = Lock(), False
        self._failure: str | None = "the weights are being loaded"

    @property
    def ready(self) -> str | None:
        """None where orders are done; else why not."""
        return "the service is shutting down" if self.closing else self._failure

    @property
    def workers(self) -> int:
        """How many processes live."""
        return sum(child.process.is_alive() for child in tuple(self._children))

    @property
    def waiting(self) -> int:
        """Requests that have a place, and orders that need none, without a worker."""
        return max(0, self.accepted + self.aside - (self.workers - self._idle.qsize()))

    def start(self) -> None:
        """Start the workers, which are not waited for."""
        for _ in range(self.limits.workers):
            self._begin(self._hire())

    @contextmanager
    def place(self) -> Iterator[None]:
        """A request's place, from its first byte to its last. Raises a problem: 503, or 429 where all are taken."""
        if (reason := self.ready) is not None:
            raise refused(503, reason)
        if self.accepted >= self.limits.places:
            raise refused(429, f"{self.accepted} requests are at work or waiting, and that is all there is room for")
        self.accepted += 1
        try:
            yield
        finally:
            self.accepted -= 1

    async def __call__(self, order: Order, deadline: float | None, gone: Gone) -> Done:
        """What became of an order. `deadline`: by the event loop's clock; None: its time begins once a worker is free.

        Orders get workers as they come. `gone` is asked when there is one.
        Raises a problem: 504 where it took too long, 503 where its worker died, GONE where nobody waits any more.
        """
        try:
            async with asyncio.timeout_at(deadline):
                child = await self._worker()
        except TimeoutError:
            raise refused(504, f"no worker was free within {self.limits.seconds:g} s") from None
        if await gone():
            self._idle.put_nowait(child)
            raise refused(GONE, "the client went away")
        if deadline is None:
            deadline = asyncio.get_running_loop().time() + self.limits.seconds
        return await asyncio.shield(self._begin(self._do(child, order, deadline)))

    async def _worker(self) -> Child:
        """An idle one that lives."""
        while not (child := await self._idle.get()).process.is_alive():
            self._replace(child, "died")
        return child

    async def _do(self, child: Child, order: Order, deadline: float) -> Done:
        loop = asyncio.get_running_loop()
        try:
            seconds = max(0.0, deadline - loop.time())
            done = await loop.run_in_executor(self._executor, _ask, child, order, seconds)
        except TimeoutError:
            self._replace(child, "timeout")
            raise refused(504, f"not done within {self.limits.seconds:g} s, and ended") from None
        if done is None:
            self._replace(child, "died")
            raise refused(503, f"not done: {explain(child.fate)[0]}; it may be tried again")
        self._idle.put_nowait(child)
        return done

    def _replace(self, child: Child, why: str) -> None:
        self.lost[why] += 1
        self._children.discard(child)
        LOG.warning("a worker is replaced: %s", why)
        self._begin(self._hire())

    async def _hire(self) -> None:
        """Start a worker, and try again until one lives or the service ends."""
        pause = FIRST_PAUSE_SECONDS
        while not self._ended:
            hired = await asyncio.get_running_loop().run_in_executor(self._executor, self._start)
            if isinstance(hired, Child):
                self._failure = None
                self._idle.put_nowait(hired)
                return
            if not self._ended:
                self._failure = f"no worker can be started: {explain(hired)[0]}"
                LOG.error("%s", self._failure)
                await asyncio.sleep(pause)
                pause = min(2 * pause, LAST_PAUSE_SECONDS)

    def _start(self) -> Child | Exception:
        """A worker that is ready, or why there is none. In a thread of its own."""
        with self._starting:  # each changes the environment for a moment
            if self._ended:
                return DarnetError("the service has ended")
            child = Child(work, (self._spec,), self._threads)
            self._children.add(child)
        said = child.listen() if child.connection.poll(START_SECONDS) else ResourceError("it takes too long")
        if said == READY:
            return child
        child.process.kill()
        self._children.discard(child)
        return said if isinstance(said, Exception) else child.fate

    def _begin(self, doing: Coroutine[Any, Any, Outcome]) -> asyncio.Task[Outcome]:
        task = asyncio.get_running_loop().create_task(doing)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # else it is logged, unasked for
        return task

    async def close(self) -> None:
        """End the workers: those that are idle at once, and what is still at work is killed."""
        self.closing = self._ended = True
        for task in tuple(self._tasks):
            task.cancel()
        for child in tuple(self._children):
            child.tell(None)
        await asyncio.to_thread(self._wait)
        self.kill()
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _wait(self) -> None:
        """For those that end by themselves."""
        end = time.monotonic() + END_SECONDS
        for child in tuple(self._children):
            child.process.join(max(0.0, end - time.monotonic()))

    def kill(self) -> None:
        """End them at once."""
        self._ended = True
        with self._starting:
            children = tuple(self._children)
        for child in children:
            child.process.kill()
            child.process.join()
        self._children.clear()


def _ask(child: Child, order: Order, seconds: float) -> Done | None:
    """What a worker says of an order; None: it has died. Raises TimeoutError, and then it was killed."""
    child.tell(order)
    if not child.connection.poll(seconds):
        child.process.kill()
        child.listen()
        raise TimeoutError
    done: Done | None = child.listen()
    return done
