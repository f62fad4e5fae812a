"""Stopping: the first Ctrl-C, or SIGTERM, lets the picture at hand be finished; the second ends the run at once."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from threading import current_thread, main_thread
from types import FrameType
from typing import Any, TypeVar

Item = TypeVar("Item")
SAID = b"darnet: finishing the picture at hand; once more, and it ends at once\n"


class Stop:
    """Whether somebody wants a run to end, while it is entered: `exit_code` is then that of the program, else 0.

    Elsewhere than in the main thread signals cannot be heard, and nothing is changed.
    """

    def __init__(self) -> None:
        self.exit_code = 0
        self._before: dict[signal.Signals, Callable[[int, FrameType | None], Any] | int | None] = {}

    def __enter__(self) -> Stop:
        if current_thread() is main_thread():
            self._before = {one: signal.signal(one, self._heard) for one in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for one, handler in self._before.items():
            signal.signal(one, handler)

    def until(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items, none of which is asked for once the run is to end."""
        coming = iter(items)
        while not self.exit_code:
            try:
                item = next(coming)
            except StopIteration:
                return
            yield item

    def _heard(self, number: int, _: FrameType | None) -> None:
        if self.exit_code:
            raise KeyboardInterrupt
        self.exit_code = 128 + number
        with suppress(OSError, ValueError):  # not by print: the program may be in the middle of one
            os.write(sys.stderr.fileno(), SAID)
