"""Crew: workers that share tasks, wherever they are; outcomes in the order of the tasks, whoever is done first."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Event
from typing import Generic, Protocol, TypeAlias, TypeVar

from darnet.errors import explain
from darnet.files import remove_unfinished
from darnet.jobs.job import Done
from darnet.jobs.outputs import Task
from darnet.jobs.paths import remove
from darnet.notices import ImageWarning, warn

#: For each worker, outcomes that wait for that of an earlier task at most: what is done, and not yet told, is lost with
#: this process.
WAITING = 32
#: So often it is seen whether the run is to stop.
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Ready:
    """A worker has built its restorer; what was said meanwhile, and what is in the names of unfinished files there."""

    said: list[ImageWarning]
    process: str


#: From a worker: that its restorer is built, or why it cannot be; then a task's number and its outcome.
Report: TypeAlias = Ready | Exception | tuple[int, Done]


class Hand(Protocol):
    """A worker somewhere, and what a crew knows of it: whether it is `ready`, and the `tasks` that it has, by number.

    It does its tasks in the order in which they are given, and has `ahead` of them at once, so that it never waits.
    """

    ahead: int
    ready: Ready | None
    tasks: dict[int, Task]

    def give(self, number: int, task: Task) -> None:
        """Let it do a task; one that has died says so when it is heard."""
        ...

    def hear(self) -> Report | None:
        """What it says next, which is waited for; None: it has ended, and everything of it is gone."""
        ...

    def finish(self) -> None:
        """Let it end after what is at hand."""
        ...

    @property
    def fate(self) -> Exception:
        """Of one that has ended: why."""
        ...


AnyHand = TypeVar("AnyHand", bound=Hand)


class Crew(Generic[AnyHand]):
    """Some workers, each with a restorer of its own, and the tasks that they share.

    The tasks of a worker that dies are tried once more, each alone with a worker: one that ends another so has failed,
    and no other is lost. Closing the iterator, or Ctrl-C, is as in `Pipeline`.
    """

    def __init__(
        self,
        hire: Callable[[], AnyHand],
        heard: Callable[[Sequence[AnyHand], float], Sequence[AnyHand]],
        workers: int,
    ) -> None:
        """Start them, and wait for the first. Raises what building the restorer raises, or why none of them lives.

        `hire`: starts one; `heard`: those of some that can be heard at once, within so many seconds.
        """
        self._hire, self._heard = hire, heard
        self._hands = [hire() for _ in range(workers)]
        self._last: Exception  # why the last of them ended, once all of them have
        self._waiting = WAITING * workers
        self._coming: Iterator[Task | None] = iter(())
        self._tasks = dict[int, Task]()  # that were given, and whose outcomes are not told, by number
        self._given = self._told = 0  # tasks that were given once, and whose outcomes were told
        self._all_given = False
        self._found = dict[int, Done]()  # that wait for an earlier one
        self._fresh = set[int]()  # tasks whose outputs were not there before
        self._again = deque[int]()
        self._tried = set[int]()
        try:
            self._begin()
        except BaseException:
            self._end()
            raise

    def outcomes(self, tasks: Iterable[Task | None], stop: Event) -> Generator[Done, None, None]:
        """What became of each task, in their order; once `stop` is set, of those at hand. To be called once.

        `tasks`: None among them is no task, and says that none is there yet.
        """
        self._coming = iter(tasks)
        try:
            while not stop.is_set():
                self._feed()
                if self._all_given and self._told == self._given:
                    return
                if self._hands:
                    self._listen()
                else:
                    self._give_up()
                yield from self._next()
            self._end()
            yield from self._rest()
        except KeyboardInterrupt:
            self._end()
            yield from self._rest()
            raise
        finally:
            self._end()

    def _next(self) -> Iterator[Done]:
        while self._told in self._found:
            number = self._told
            self._told += 1
            del self._tasks[number]
            self._fresh.discard(number)
            yield self._found.pop(number)

    def _rest(self) -> Iterator[Done]:
        """What was done of tasks behind one that was not."""
        for number in sorted(self._found):
            yield self._found.pop(number)

    def _begin(self) -> None:
        """Wait for the first that is ready, or says why it cannot be."""
        while not (ready := [hand.ready for hand in self._hands if hand.ready is not None]):
            if not self._hands:
                raise self._last
            for report in self._listen():
                if isinstance(report, Exception):
                    raise report
        for said in ready[0].said:
            warn(said.path, said.reason, stacklevel=5)

    def _end(self) -> None:
        """Let all of them finish what is at hand, and wait until they have ended."""
        for hand in self._hands:
            hand.finish()
        while self._hands:
            hand = self._hands[0]
            while (report := hand.hear()) is not None:
                self._note(hand, report)
            self._clear(hand)

    def _feed(self) -> None:
        for hand in self._hands:
            while hand.ready is not None and len(hand.tasks) < hand.ahead and self._tried.isdisjoint(hand.tasks):
                if self._again and not hand.tasks:
                    number = self._again.popleft()
                elif (task := self._next_task()) is not None:
                    number = self._given
                    self._given += 1
                    self._tasks[number] = task
                    if not any(map(os.path.lexists, task.written)):
                        self._fresh.add(number)
                else:
                    break
                hand.tasks[number] = self._tasks[number]
                hand.give(number, self._tasks[number])

    def _next_task(self) -> Task | None:
        """None where there is none, or it may not be given yet."""
        if self._given >= self._told + self._waiting:
            return None
        try:
            return next(self._coming)
        except StopIteration:
            self._all_given = True
            return None

    def _listen(self) -> list[Report | None]:
        """What those said who could be heard."""
        reports = list[Report | None]()
        for hand in self._heard(self._hands, POLL_SECONDS):
            report = hand.hear()
            if report is None:
                self._lose(hand)
            else:
                self._note(hand, report)
            reports.append(report)
        return reports

    def _note(self, hand: AnyHand, report: Report) -> None:
        if isinstance(report, Ready):
            hand.ready = report
        elif isinstance(report, tuple):
            number, self._found[number] = report
            del hand.tasks[number]

    def _clear(self, hand: AnyHand) -> None:
        """One has ended: what it left unfinished is removed."""
        self._hands.remove(hand)
        if hand.ready is not None:
            for folder in {path.parent for task in hand.tasks.values() for path in task.written}:
                remove_unfinished(folder, hand.ready.process)

    def _lose(self, hand: AnyHand) -> None:
        """One has died: its tasks are tried once more, by another one."""
        self._clear(hand)
        for number, task in hand.tasks.items():
            if number in self._tried:
                self._fail(number, hand.fate)
                continue
            self._tried.add(number)
            self._again.append(number)
            for path in task.written if number in self._fresh else ():
                with suppress(Exception):  # by the worker that died, just before
                    remove(path)
        if hand.ready is not None:
            self._hands.append(self._hire())
        elif not self._hands:  # nor would another one start
            self._last = hand.fate

    def _give_up(self) -> None:
        """There is nobody to do what is left."""
        for task in self._coming:
            if task is None:  # for what is not there yet nobody waits
                break
            self._again.append(self._given)
            self._tasks[self._given] = task
            self._given += 1
        self._all_given = True
        while self._again:
            self._fail(self._again.popleft(), self._last)

    def _fail(self, number: int, fate: Exception) -> None:
        self._found[number] = Done(self._tasks[number].source.name, None, None, *explain(fate))
