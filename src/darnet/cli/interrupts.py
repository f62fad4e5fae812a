"""Ctrl-C while pictures are worked on: heard only while the next outcome is waited for, so that none is half told."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import TypeVar

Item = TypeVar("Item")


@dataclass
class Key:
    """Ctrl-C. `waiting`: whether it is raised at once; `pressed`: whether it is to be raised as soon as that is so."""

    waiting: bool = False
    pressed: bool = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """It was pressed. Raises KeyboardInterrupt, or notes it."""
        if self.waiting:
            raise KeyboardInterrupt
        self.pressed = True


def told_whole(outcomes: Iterator[Item]) -> Iterator[Item]:
    """The same outcomes; Ctrl-C is raised inside their iterator, which may finish what is at hand, and not elsewhere.

    >>> list(told_whole(iter("ab")))
    ['a', 'b']
    """
    if threading.current_thread() is not threading.main_thread():
        yield from outcomes
        return
    key = Key()
    before = signal.signal(signal.SIGINT, key)
    try:
        while True:
            try:
                outcome = _next(outcomes, key)
            except StopIteration:
                return
            yield outcome
    finally:
        signal.signal(signal.SIGINT, before)


def _next(outcomes: Iterator[Item], key: Key) -> Item:
    key.waiting = True
    try:
        if not key.pressed:
            return next(outcomes)
        key.pressed = False
        if isinstance(outcomes, Generator):
            found: Item = outcomes.throw(KeyboardInterrupt())
            return found
        raise KeyboardInterrupt
    finally:
        key.waiting = False
