"""Batches: jobs of many pictures, which are done beside single requests, and whose results are kept for a while."""

from __future__ import annotations

import asyncio
import math
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from starlette.exceptions import HTTPException

from darnet.service.problems import RETRY_SECONDS, refused, unexpected

if TYPE_CHECKING:
    from darnet.restore.result import Treatment
    from darnet.service.routes import Desk
    from darnet.service.work import Order

#: Of a picture. `cancelled`: before it was done.
State: TypeAlias = Literal["waiting", "working", "done", "failed", "cancelled"]
#: Of a batch: `done` says that all pictures are, or have failed.
BatchState: TypeAlias = Literal["working", "done", "cancelled"]
#: How often a picture is tried whose worker dies.
TRIES = 2


@dataclass
class Item:
    """A picture of a batch: its `number`, from 1; its `name`, as the client has it; its order, and what became of it.

    `written`, of `size` bytes, and `treatment`: of one that is done. `problem`: of one that failed.
    """

    number: int
    name: str
    order: Order
    state: State = "waiting"
    written: Path | None = None
    size: int = 0
    treatment: Treatment | None = None
    problem: HTTPException | None = None

    @property
    def over(self) -> bool:
        """Whether nothing will change any more."""
        return self.state not in ("waiting", "working")


class Batch:
    """Pictures that were sent together, in a `folder` that goes with them.

    `changes`: whatever became of an item, and of which, in order. `changed`: is set at the next, and then another one.
    `id`: nobody guesses it. `ended`: when, by `time.monotonic`, None: it has not.
    `dismissed`: is set once nobody wants it any more.
    """

    def __init__(self, folder: Path, items: Sequence[Item]) -> None:
        self.id = secrets.token_urlsafe(16)
        self.folder, self.items = folder, items
        self.state: BatchState = "working"
        self.changes = list[tuple[Item, State]]()
        self.changed = asyncio.Event()
        self.dismissed = asyncio.Event()
        self.ended: float | None = None
        self._readers = 0
        self._unread = asyncio.Event()
        self._unread.set()

    def turn(self, item: Item, state: State) -> None:
        """An item has another state."""
        item.state = state
        self.changes.append((item, state))
        self._tell()

    def fail(self, item: Item, problem: HTTPException) -> None:
        """An item will not be done."""
        item.problem = problem
        self.turn(item, "failed")

    def end(self, state: BatchState) -> None:
        """All of it is over; once it is, nothing else is said."""
        if self.ended is None:
            self.state, self.ended = state, time.monotonic()
            self._tell()

    def cancel(self) -> None:
        """What is not done will not be; what is at work is not waited for. Nothing where all is over."""
        for item in self.items:
            if not item.over:
                self.turn(item, "cancelled")
        self.end("cancelled")

    @contextmanager
    def read(self) -> Iterator[None]:
        """As long as its results are read they are not deleted."""
        self._readers += 1
        self._unread.clear()
        try:
            yield
        finally:
            self._readers -= 1
            if not self._readers:
                self._unread.set()

    async def unread(self) -> None:
        """Once nobody reads."""
        await self._unread.wait()

    def _tell(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


class Batches:
    """The batches of a service, which share its workers with requests.

    Of all their pictures together one is in the line for workers at a time, or one less than there are workers. Each
    waits in it as a request does, so neither starves the other; batches take turns.
    """

    def __init__(self, desk: Desk) -> None:
        # a task lives as long as the files of its batch, which may be longer than the batch can be asked for
        self._desk = desk
        self._all = dict[str, Batch]()
        self._tasks = set[asyncio.Task[None]]()
        self._abreast = max(1, desk.limits.workers - 1)
        self._turns = asyncio.Semaphore(self._abreast)
        self._coming = 0
        desk.metrics.gauge("darnet_jobs", "Jobs whose files are there.", lambda: len(self._tasks))

    @contextmanager
    def place(self) -> Iterator[None]:
        """For a batch that is being sent. Raises a problem: 503, or 429 where there are as many as may be."""
        if (reason := self._desk.pool.ready) is not None:
            raise refused(503, reason)
        if len(self._tasks) + self._coming >= self._desk.limits.jobs:
            again = {"Retry-After": str(self._again())}
            raise refused(429, "there are as many jobs as there is room for, those that are kept counted", again)
        self._coming += 1
        try:
            yield
        finally:
            self._coming -= 1

    def _again(self) -> int:
        """After how many seconds there may be room."""
        kept = self._desk.limits.keep_seconds
        due = [batch.ended + kept - time.monotonic() for batch in self._all.values() if batch.ended is not None]
        return max(1, math.ceil(min(due))) if len(due) == len(self._tasks) and due else RETRY_SECONDS

    def begin(self, folder: Path, items: Sequence[Item]) -> Batch:
        """A new one, whose pictures are done from now on; those that have a problem already are not.

        Raises a problem where the service is shutting down.
        """
        if self._desk.pool.closing:
            raise refused(503, "the service is shutting down")
        batch = Batch(folder, items)
        for item in items:
            if item.problem is not None:
                self._over(batch, item, item.problem)
        self._all[batch.id] = batch
        task = asyncio.get_running_loop().create_task(self._live(batch))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return batch

    def find(self, id: str) -> Batch:
        """The one that is called so. Raises a problem: 404."""
        if (batch := self._all.get(id)) is None:
            raise refused(404, "there is no such job, or its results are kept no longer")
        return batch

    def dismiss(self, batch: Batch) -> None:
        """Cancel what is not done, and delete the rest."""
        self._stop(batch)
        self._all.pop(batch.id, None)
        batch.dismissed.set()

    def cancel(self) -> None:
        """Cancel what is not done, of all of them."""
        for batch in tuple(self._all.values()):
            self._stop(batch)

    def _stop(self, batch: Batch) -> None:
        for _ in range(sum(not item.over for item in batch.items)):
            self._desk.metrics.ended("cancelled")
        batch.cancel()

    async def close(self) -> None:
        """End; the files are deleted by whom the folder belongs to."""
        self.cancel()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _live(self, batch: Batch) -> None:
        """From its first picture to where it is deleted."""
        items = iter(batch.items)
        await asyncio.gather(*(self._work(batch, items) for _ in range(self._abreast)))
        batch.end("done")
        with suppress(TimeoutError):
            async with asyncio.timeout(self._desk.limits.keep_seconds):
                await batch.dismissed.wait()
        self._all.pop(batch.id, None)
        await batch.unread()
        await asyncio.to_thread(shutil.rmtree, batch.folder, ignore_errors=True)

    async def _work(self, batch: Batch, items: Iterator[Item]) -> None:
        """One after the other, and between them it is another batch's turn."""
        while True:
            async with self._turns:
                if (item := next((item for item in items if not item.over), None)) is None:
                    return
                await self._try(batch, item)

    async def _try(self, batch: Batch, item: Item) -> None:
        for left in reversed(range(TRIES)):
            try:
                item.written, item.treatment = await self._done(batch, item)
                item.size = item.written.stat().st_size
            except HTTPException as problem:
                if problem.status_code == 503 and left and not item.over:
                    await asyncio.to_thread(shutil.rmtree, item.order.output, ignore_errors=True)
                    continue
                self._over(batch, item, problem)
            except Exception as error:
                self._over(batch, item, unexpected(error))
            else:
                self._over(batch, item, None)
            return

    async def _done(self, batch: Batch, item: Item) -> tuple[Path, Treatment]:
        async def gone() -> bool:
            """A worker is free."""
            if item.state == "waiting":
                batch.turn(item, "working")
            return item.over

        self._desk.pool.aside += 1
        try:
            done = await self._desk.pool(item.order, None, gone)
        finally:
            self._desk.pool.aside -= 1
        return self._desk.outcome(item.order, done)

    def _over(self, batch: Batch, item: Item, problem: HTTPException | None) -> None:
        """It is done, or failed; nothing where it was cancelled meanwhile."""
        if item.over:
            return
        if problem is None:
            batch.turn(item, "done")
        else:
            batch.fail(item, problem)
        self._desk.metrics.ended(item.state)
