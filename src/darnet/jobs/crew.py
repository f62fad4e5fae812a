"""Crew: worker processes that share tasks; outcomes in the order of the tasks, whoever is done first."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

from darnet.jobs.job import Done, Job
from darnet.jobs.outputs import Task, remove
from darnet.jobs.processes import Hand
from darnet.notices import warn

if TYPE_CHECKING:
    from darnet.systems.spec import RestorerSpec

#: Tasks that a process has at once: one in each stage of its pipeline, and one that waits.
AHEAD = 4
#: Outcomes that wait for that of an earlier task at most: what is done, and not yet told, is lost with this process.
WAITING = 64


class Crew:
    """Worker processes, each with a restorer of its own that computes in `threads`, and the tasks that they share.

    The tasks of a process that dies are tried once more, each alone in a process: one that ends another so has failed,
    and no other is lost. Closing the iterator, or Ctrl-C, is as in `Pipeline`.
    """

    def __init__(self, job: Job, tasks: Sequence[Task], spec: RestorerSpec, workers: int, threads: int) -> None:
        """Start them. Raises what building the restorer raises."""
        self._tasks, self._how = tasks, (job, spec, threads)
        self._hands = [Hand(*self._how) for _ in range(workers)]
        self._given = self._told = 0  # tasks that were given once, and whose outcomes were
        self._found = dict[int, Done]()  # that wait for an earlier one
        self._fresh = set[int]()  # tasks whose outputs were not there before
        self._again = deque[int]()
        self._tried = set[int]()
        try:
            self._begin()
        except BaseException:
            self._end()
            raise

    def outcomes(self) -> Iterator[Done]:
        """What became of each task, in their order. To be called once."""
        try:
            while self._told < len(self._tasks):
                self._feed()
                self._listen()
                while self._told in self._found:
                    self._told += 1
                    yield self._found.pop(self._told - 1)
        except KeyboardInterrupt:
            self._end()
            yield from (self._found[number] for number in sorted(self._found))
            raise
        finally:
            self._end()

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
                elif self._given < min(len(self._tasks), self._told + WAITING):
                    number = self._given
                    self._given += 1
                else:
                    break
                task = self._tasks[number]
                if not any(map(os.path.lexists, task.written)):
                    self._fresh.add(number)
                hand.give(number, task)

    def _listen(self) -> None:
        if not self._hands:
            return
        heard = wait([hand.connection for hand in self._hands])
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
            for number in (*self._again, *range(self._given, len(self._tasks))):
                self._fail(number, hand)

    def _fail(self, number: int, hand: Hand) -> None:
        reason, exit_code = hand.fate
        self._found[number] = Done(self._tasks[number].source.name, None, None, reason, exit_code)
