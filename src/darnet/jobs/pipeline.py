"""Pipeline: the next pictures are read, and the last ones written, while the network has the one between.

A thread a stage, and a bounded queue between two: libvips, zlib and torch let go of the interpreter while they work.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from queue import Empty, Queue
from threading import Condition, Event, Thread
from typing import TypeAlias

from darnet.jobs.job import Done
from darnet.jobs.outputs import Task
from darnet.jobs.worker import Turn, Worker

#: Pictures that wait between two stages at most.
WAITING = 4
#: While so many bytes of samples are held nothing more is read: three pictures of 12 MP, or one of 300 MP. A tight
#: budget allows less.
MOST_HELD = 2**27

POLL_SECONDS = 0.02

#: What a queue ends with: None, or what went wrong.
End: TypeAlias = BaseException | None


class Pipeline:
    """A worker, the stages of which work side by side on one picture each.

    Closing the iterator, setting `stop`, or Ctrl-C while an outcome is waited for ends the work: what is under repair
    or was repaired is finished and written, what was only read is not. Unless it was closed, these outcomes are given.
    """

    def __init__(self, worker: Worker, stop: Event | None = None) -> None:
        self._worker = worker
        budget = worker.restorer.budget
        self._most = MOST_HELD if budget is None else min(MOST_HELD, budget.picture_bytes)
        self._read: Queue[Turn | End] = Queue(WAITING)
        self._repaired: Queue[Turn | End] = Queue(WAITING)
        self._done: Queue[Done | End] = Queue(WAITING)
        self._stopped, self._changed = stop or Event(), Condition()
        self._turns: list[Turn] = []  # that hold pictures
        self._ended = False  # whether the last outcome was taken

    def stop(self) -> None:
        """Begin no picture any more."""
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()

    def __call__(self, tasks: Iterable[Task]) -> Iterator[Done]:
        """What became of each task, in their order. Raises what the iteration of `tasks` raises. To be called once."""
        reading = Thread(target=self._reading, args=[tasks])
        threads = [reading, Thread(target=self._repairing), Thread(target=self._writing)]
        for thread in threads:
            thread.start()
        try:
            yield from self._outcomes()
        except KeyboardInterrupt:
            self.stop()
            yield from self._outcomes()
            raise
        finally:
            self.stop()
            while any(thread.is_alive() for thread in threads):
                with suppress(Empty):  # outcomes that nobody wants any more
                    self._done.get(timeout=POLL_SECONDS)

    def _outcomes(self) -> Iterator[Done]:
        while not self._ended:
            done = self._done.get()
            if isinstance(done, Done):
                yield done
                continue
            self._ended = True
            if done is not None:
                raise done

    def _reading(self, tasks: Iterable[Task]) -> None:
        end: End = None
        try:
            for task in tasks:
                with self._changed:
                    while not self._stopped.is_set() and self._held() >= max(1, self._most):
                        self._changed.wait(POLL_SECONDS)  # who sets the event may tell nobody
                if self._stopped.is_set():
                    break
                turn = self._worker.read(task)
                self._turns.append(turn)
                self._read.put(turn)
        except BaseException as error:
            end = error
        self._read.put(end)

    def _held(self) -> int:
        return sum(turn.held for turn in tuple(self._turns))

    def _repairing(self) -> None:
        end: End = None
        while isinstance(turn := self._read.get(), Turn):
            try:
                if not self._stopped.is_set():
                    self._repaired.put(self._worker.repair(turn))
            except BaseException as error:  # no picture's: those are outcomes
                end = error
                self.stop()
        self._repaired.put(end or turn)

    def _writing(self) -> None:
        end: End = None
        while isinstance(turn := self._repaired.get(), Turn):
            try:
                done = self._worker.write(turn)
                with self._changed:
                    self._turns.remove(turn)
                    self._changed.notify_all()
                self._done.put(done)
            except BaseException as error:
                end = error
                self.stop()
        self._done.put(end or turn)
