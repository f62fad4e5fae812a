"""darnet.timeline: what took how long, and who hears of it."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from darnet.timeline import Span, described, recorded, span, stages


def took(name: str, milliseconds: int, *inner: Span) -> Span:
    return Span(name, "", 0, milliseconds * 1_000_000, 1, 1, inner)


def test_spans_nest_as_they_were_noted_and_say_where() -> None:
    with recorded() as spans:
        with span("open"), span("decode"):
            pass
        with span("repair"):
            with span("diagnose"):
                pass
            with span("repair", "noise"), span("load"):
                time.sleep(0.01)
    opened, repaired = spans
    assert [(opened.name, [one.name for one in opened.inner])] == [("open", ["decode"])]
    assert [(one.name, one.of) for one in repaired.inner] == [("diagnose", ""), ("repair", "noise")]
    (load,) = repaired.inner[1].inner
    assert repaired.start_ns <= load.start_ns < load.end_ns <= repaired.end_ns
    assert 0.01 <= load.seconds <= repaired.seconds
    assert {(one.process, one.thread) for one in spans} == {(os.getpid(), threading.get_native_id())}


def test_each_thread_hears_of_itself_alone() -> None:
    together = Barrier(4, timeout=30)

    def work(number: int) -> list[Span]:
        with recorded() as spans:
            together.wait()  # all are inside
            with span("repair", str(number)):
                together.wait()
        return spans

    with recorded() as nothing, ThreadPoolExecutor(4) as pool:
        heard = list(pool.map(work, range(4)))
    assert [[one.of for one in spans] for spans in heard] == [["0"], ["1"], ["2"], ["3"]]
    assert len({spans[0].thread for spans in heard}) == 4
    assert nothing == []


def test_who_listens_outside_hears_what_is_heard_inside() -> None:
    with recorded() as outer, span("repair"):
        with recorded() as inner, span("diagnose"):
            pass
        assert [one.name for one in inner] == ["diagnose"]
    assert [(one.name, one.inner) for one in outer] == [("repair", tuple(inner))]


def test_what_fails_took_its_time_as_well() -> None:
    with recorded() as outer, pytest.raises(KeyError), recorded() as inner, span("open"), span("decode"):
        raise KeyError
    assert outer == inner
    assert [(one.name, len(one.inner)) for one in outer] == [("open", 1)]


def test_nothing_is_kept_where_nobody_listens() -> None:
    with recorded() as spans:
        pass
    with span("open"):
        pass
    assert spans == []


def test_each_call_of_a_function_is_noted() -> None:
    @span("encode")
    def encode(number: int) -> int:
        return encode(number - 1) + 1 if number else 0

    with recorded() as spans:
        assert (encode(1), encode(0)) == (1, 0)
    assert [(one.name, len(one.inner)) for one in spans] == [("encode", 1), ("encode", 0)]


def test_every_moment_counts_once_and_all_of_them_do() -> None:
    repaired = took("repair", 1000, took("diagnose", 200), took("repair", 500, took("load", 100)), took("diagnose", 50))
    spans = [repaired, took("write", 20, took("encode", 15)), took("open", 9, took("decode", 8))]
    found = stages(spans)
    assert found == {
        "open": 0.001,
        "decode": 0.008,
        "diagnose": 0.25,
        "load": 0.1,
        "repair": 0.65,
        "encode": 0.015,
        "write": 0.005,
    }
    assert sum(found.values()) == pytest.approx(sum(one.seconds for one in spans))
    assert list(found) == ["open", "decode", "diagnose", "load", "repair", "encode", "write"]
    assert described(found).startswith("open 0.00 s, decode 0.01 s, diagnose 0.25 s, load")


def test_a_note_costs_next_to_nothing() -> None:
    """Of the smallest picture, which takes 20 ms, a dozen are taken: bounded by a wide margin, as machines are busy."""
    with recorded():
        started = time.thread_time()
        for _ in range(2000):
            with span("repair", "noise"):
                pass
        assert time.thread_time() - started < 2000 * 100e-6
