"""Where time goes: what is noted with its beginning and its end, and who hears of it.

As with what is said of pictures (`darnet.notices`), each thread hears of itself alone, and where nobody listens nothing
is kept. A note takes some microseconds.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from threading import get_native_id
from time import perf_counter_ns

#: What is noted of a picture, in this order.
#:
#: - `open`: its file is found, opened, fetched where it has a URL, and its header is read.
#: - `decode`: its samples come into memory, all of them. libvips reads a header alone until samples are asked for, so
#:   these two are apart; turning it upright and out of CMYK or Lab happens row by row meanwhile, and is in it. What
#:   Pillow or a developer of raw files reads is read in one go, which is all in `decode`.
#: - `diagnose`: the router looks, and looks closer where a part alone is to be repaired.
#: - `load`: an expert is loaded, where nobody needed it before.
#: - `repair`: experts, and all that there is around them: conversions of colours, tile by tile, too.
#: - `encode`: samples become the bytes of a file. Of one that is large that happens row by row into the file itself, so
#:   what its disk takes is in it. What was left alone is copied and not encoded.
#: - `write`: the rest until the output is in its place.
STAGES = ("open", "decode", "diagnose", "load", "repair", "encode", "write")


@dataclass(frozen=True)
class Span:
    """One thing that took time: a stage by its `name`, and `of` what, if that is not all of the picture.

    `start_ns`, `end_ns`: by `time.perf_counter_ns`, a clock that all processes of a machine share. `process`, `thread`:
    as the system numbers them. `inner`: what of it was noted by itself, in order, in the same thread.
    """

    name: str
    of: str
    start_ns: int
    end_ns: int
    process: int
    thread: int
    inner: tuple[Span, ...] = ()

    @property
    def seconds(self) -> float:
        """How long it took, all that is in it included."""
        return (self.end_ns - self.start_ns) / 1e9


_heard: ContextVar[list[Span] | None] = ContextVar("spans", default=None)


@contextmanager
def recorded() -> Iterator[list[Span]]:
    """What is noted (`span`) inside, by this thread, once it has ended; who listens outside hears of it, too.

    Example:
        >>> with recorded() as spans:
        ...     with span("repair"), span("repair", "noise"):
        ...         pass
        >>> [(one.name, [inner.of for inner in one.inner]) for one in spans]
        [('repair', ['noise'])]
    """
    spans, outer = list[Span](), _heard.get()
    before = _heard.set(spans)
    try:
        yield spans
    finally:
        _heard.reset(before)
        if outer is not None:
            outer += spans


@contextmanager
def span(name: str, of: str = "") -> Iterator[None]:
    """Note how long what is inside takes, whatever comes of it; around a generator's `yield` it would be wrong.

    As a decorator it notes each call of a function.
    """
    heard = _heard.get()
    if heard is None:
        yield
        return
    inner = list[Span]()
    before, start_ns = _heard.set(inner), perf_counter_ns()
    try:
        yield
    finally:
        end_ns = perf_counter_ns()
        _heard.reset(before)
        heard.append(Span(name, of, start_ns, end_ns, os.getpid(), get_native_id(), tuple(inner)))


def stages(spans: Iterable[Span]) -> dict[str, float]:
    """How many seconds each stage took: every moment counts once, for what is innermost, so they can be added up.

    >>> look = Span("diagnose", "", 1_000_000_000, 1_250_000_000, 1, 1)
    >>> stages([Span("repair", "", 0, 2_000_000_000, 1, 1, (look,)), Span("write", "", 0, 500_000_000, 1, 1)])
    {'diagnose': 0.25, 'repair': 1.75, 'write': 0.5}
    """
    spent = dict.fromkeys(STAGES, 0)
    found = set[str]()
    waiting = list(spans)
    while waiting:
        one = waiting.pop()
        found.add(one.name)
        own = one.end_ns - one.start_ns - sum(inner.end_ns - inner.start_ns for inner in one.inner)
        spent[one.name] = spent.get(one.name, 0) + own
        waiting += one.inner
    return {name: nanoseconds / 1e9 for name, nanoseconds in spent.items() if name in found}


def described(seconds: Mapping[str, float]) -> str:
    """The seconds of stages, for a reader.

    >>> described({"open": 0.004, "repair": 1.25})
    'open 0.00 s, repair 1.25 s'
    """
    return ", ".join(f"{stage} {spent:.2f} s" for stage, spent in seconds.items())
