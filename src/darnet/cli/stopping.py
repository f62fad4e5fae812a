"""Stopping: the first Ctrl-C, or SIGTERM, lets pictures at hand be finished; the second ends the program at once."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from threading import Event, current_thread, main_thread
from types import FrameType
from typing import Any

SAID = b"darnet: finishing the picture at hand; once more, and it ends at once\n"


class Stop:
    """Whether somebody wants a run to end, while it is entered: `exit_code` is then that of the program, else 0.

    Elsewhere than in the main thread signals cannot be heard, and nothing is changed.
    """

    def __init__(self) -> None:
        self.event = Event()
        self.exit_code = 0
        self._before: dict[signal.Signals, Callable[[int, FrameType | None], Any] | int | None] = {}

    def __enter__(self) -> Stop:
        if current_thread() is main_thread():
            self._before = {one: signal.signal(one, self._heard) for one in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for one, handler in self._before.items():
            signal.signal(one, handler)

    def _heard(self, number: int, _: FrameType | None) -> None:
        if self.exit_code:
            _end(128 + number)
        self.exit_code = 128 + number
        self.event.set()
        with suppress(OSError, ValueError):  # not by print: the program may be in the middle of one
            os.write(sys.stderr.fileno(), SAID)


def _end(exit_code: int) -> None:
    """End this process and its workers, whatever its threads do: the next run takes it up as after any death."""
    import multiprocessing

    for worker in multiprocessing.active_children():
        worker.kill()
    os._exit(exit_code)
