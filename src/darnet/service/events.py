"""Events: what becomes of a batch, as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from darnet.service.batches import Batch, Item, State

MEDIA_TYPE = "text/event-stream"
#: After so long without an event a comment is sent, so that nobody on the way takes the connection for dead.
HEARTBEAT_SECONDS = 15.0
HEARTBEAT = ": still there\n\n"


def event(number: int, name: str, data: str) -> str:
    r"""One event, of one line of data.

    >>> event(3, "end", "{}")
    'id: 3\nevent: end\ndata: {}\n\n'
    """
    return f"id: {number}\nevent: {name}\ndata: {data}\n\n"


def after(said: str) -> int:
    """How many events a client has had, as its header `Last-Event-ID` says: 0 for what is no number.

    >>> after("7"), after(""), after("seven")
    (7, 0, 0)
    """
    return int(said) if said.isascii() and said.isdecimal() and len(said) < 10 else 0


def heard_out(batch: Batch, had: int) -> bool:
    """Whether all that there is to be said of a batch was said in its first so many events."""
    return batch.ended is not None and had > len(batch.changes)


async def stream(
    batch: Batch, had: int, of_item: Callable[[Item, State], str], of_batch: Callable[[], str]
) -> AsyncIterator[str]:
    """A `file` event for each change, from the one after those that were `had`, and `end`; as they come.

    `of_item`, `of_batch`: their data, JSON.
    """
    while True:
        changed = batch.changed
        while had < len(batch.changes):
            item, state = batch.changes[had]
            had += 1
            yield event(had, "file", of_item(item, state))
        if batch.ended is not None:
            yield event(len(batch.changes) + 1, "end", of_batch())
            return
        try:
            async with asyncio.timeout(HEARTBEAT_SECONDS):
                await changed.wait()
        except TimeoutError:
            yield HEARTBEAT
