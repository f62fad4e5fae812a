"""Crew: worker processes that share tasks; outcomes in the order of the tasks, whoever is done first."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from multiprocessing.connection import wait
from threading import Event
from typing import TYPE_CHECKING

from darnet.jobs.job import Done, Job
from darnet.jobs.outputs import Task
from darnet.jobs.paths import remove
from darnet.jobs.processes import Hand
from darnet.notices import warn

if TYPE_CHECKING:
    from darnet.systems.spec import RestorerSpec

#: Tasks that a process has at once: one in each stage of its pipeline, and one that waits.
AHEAD = 4
#: Outcomes that wait for that of an earlier task at most: what is done, and not yet told, is lost with this process.
WAITING = 64
#: So often it is seen whether the run is to stop.
POLL_SECONDS = 0.2


class Crew:
    """Worker processes, each with a restorer of its own that computes in `threads`, and the tasks that they share.

    The tasks of a process that dies are tried once more, each alone in a process: one that ends another so has failed,
    and no other is lost. Closing the iterator, or Ctrl-C, is as in `Pipeline`.
    """

    def __init__(self, job: Job, spec: RestorerSpec, workers: int, threads: int) -> None:
        """Start them. Raises what building the restorer raises."""
        self._how = (job, spec, threads)
        self._hands = [Hand(*self._how) for _ in range(workers)]
        self._last = self._hands[0]  # that died, once all of them have
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

    def outcomes(self, tasks: Iterable[Task | None], stop: Event) -> Iterator[Done]:
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
        first = self._hands[0]
        report = first.hear()
        if isinstance(report, Exception):
            raise report
        if first.ready is None:
            self._lose(first)
        else:
            for said in first.ready.said:
                warn(said.path, said.reason, stacklevel=5)

    def _end(self) -> None:
        """Let all of them finish what is at hand, and wait until they have ended."""
        for hand in self._hands:
            hand.finish()
        while self._hands:
            hand = self._hands[0]
            while (report := hand.hear()) is not None:
                self._note(report)
            hand.clear()
            self._hands.remove(hand)

    def _feed(self) -> None:
        for hand in self._hands:
            while hand.ready is not None and len(hand.tasks) < AHEAD and self._tried.isdisjoint(hand.tasks):
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
                hand.give(number, self._tasks[number])

    def _next_task(self) -> Task | None:
        """None where there is none, or it may not be given yet."""
        if self._given >= self._told + WAITING:
            return None
        try:
            return next(self._coming)
        except StopIteration:
            self._all_given = True
            return None

    def _listen(self) -> None:
        heard = wait([hand.connection for hand in self._hands], POLL_SECONDS)
        for hand in [hand for hand in self._hands if hand.connection in heard]:
            report = hand.hear()
            if report is None:
                self._lose(hand)
            else:
                self._note(report)

    def _note(self, report: object) -> None:
        if isinstance(report, tuple) and isinstance(report[1], Done):
            self._found[report[0]] = report[1]

    def _lose(self, hand: Hand) -> None:
        """A process has died: its tasks are tried once more, by another one."""
        self._hands.remove(hand)
        hand.clear()
        for number, task in hand.tasks.items():
            if number in self._tried:
                self._fail(number, hand)
                continue
            self._tried.add(number)
            self._again.append(number)
            for path in task.written if number in self._fresh else ():
                with suppress(Exception):  # by the process that died, just before
                    remove(path)
        if hand.ready is not None:
            self._hands.append(Hand(*self._how))
        elif not self._hands:  # nor would another one start
            self._last = hand

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

    def _fail(self, number: int, hand: Hand) -> None:
        reason, exit_code = hand.fate
        self._found[number] = Done(self._tasks[number].source.name, None, None, reason, exit_code)
