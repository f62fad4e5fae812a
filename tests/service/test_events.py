"""Server-sent events of a batch."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from darnet.service import events
from darnet.service.batches import Batch, Item


def batch(count: int = 2) -> Batch:
    order: Any = None
    return Batch(Path(), [Item(number, f"{number}.png", order) for number in range(1, count + 1)])


def said(of: Batch, had: int = 0) -> Any:
    return events.stream(of, had, lambda item, state: f"{item.number} {state}", lambda: of.state)


@pytest.fixture(autouse=True)
def _parts_of_batches_may_be_missing(unchecked: None) -> None:
    """Orders are never asked for here."""


def test_each_change_is_told_as_it_was_when_it_came() -> None:
    async def run() -> list[str]:
        one = batch()
        stream = said(one)
        one.turn(one.items[0], "working")
        heard = [await anext(stream)]
        coming = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        assert not coming.done()
        one.turn(one.items[0], "done")
        one.turn(one.items[1], "working")
        one.cancel()
        return [*heard, await coming, *[event async for event in stream]]

    assert asyncio.run(run()) == [
        "id: 1\nevent: file\ndata: 1 working\n\n",
        "id: 2\nevent: file\ndata: 1 done\n\n",
        "id: 3\nevent: file\ndata: 2 working\n\n",
        "id: 4\nevent: file\ndata: 2 cancelled\n\n",
        "id: 5\nevent: end\ndata: cancelled\n\n",
    ]


def test_it_goes_on_after_what_was_had_and_says_when_there_is_nothing() -> None:
    async def run() -> list[list[str]]:
        one = batch(1)
        one.turn(one.items[0], "working")
        one.turn(one.items[0], "done")
        assert not events.heard_out(one, 2)
        one.end("done")
        assert [events.heard_out(one, had) for had in (0, 2, 3, 99)] == [False, False, True, True]
        return [[event async for event in said(one, had)] for had in (1, 2)]

    end = "id: 3\nevent: end\ndata: done\n\n"
    assert asyncio.run(run()) == [["id: 2\nevent: file\ndata: 1 done\n\n", end], [end]]


def test_a_silence_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> list[str]:
        one = batch()
        stream = said(one)
        heard = [await anext(stream), await anext(stream)]
        one.end("done")
        return [*heard, await anext(stream)]

    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.02)
    assert asyncio.run(run()) == [events.HEARTBEAT, events.HEARTBEAT, "id: 1\nevent: end\ndata: done\n\n"]


@pytest.mark.parametrize("wrong", ["", "-1", "1.5", "x", "²", "9" * 5000])
def test_what_is_no_number_of_an_event_is_none(wrong: str) -> None:
    assert events.after(wrong) == 0
