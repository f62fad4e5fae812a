"""darnet.cli.interrupts: Ctrl-C ends a run between two outcomes, and what was done is told."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from darnet.cli.interrupts import told_whole


def counted(heard: list[str], interrupted_in: int | None = None) -> Iterator[int]:
    try:
        for number in range(4):
            if number == interrupted_in:
                signal.raise_signal(signal.SIGINT)
            yield number
    except KeyboardInterrupt:
        heard.append("interrupted")
        yield 10
        raise


def test_pressed_while_an_outcome_is_told_it_waits_for_that():
    heard, told = list[str](), list[int]()
    with pytest.raises(KeyboardInterrupt):
        for number in told_whole(counted(heard)):
            if number == 1:
                signal.raise_signal(signal.SIGINT)
            told.append(number)
    assert (told, heard) == ([0, 1, 10], ["interrupted"])


def test_pressed_while_an_outcome_is_waited_for_it_is_raised_there():
    heard, told = list[str](), list[int]()
    with pytest.raises(KeyboardInterrupt):
        for number in told_whole(counted(heard, interrupted_in=2)):
            told.append(number)
    assert (told, heard) == ([0, 1, 10], ["interrupted"])


def test_what_is_no_generator_is_interrupted_all_the_same_and_all_is_as_before():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        for _ in told_whole(iter([1, 2])):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
    assert list(told_whole(iter([1, 2]))) == [1, 2]
