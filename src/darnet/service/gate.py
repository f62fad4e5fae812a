"""Gate: what is decided before a request's body is read, and how much of it is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from darnet.service.problems import LOG, answer, refused, unexpected

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from darnet.service.access import Access
    from darnet.service.limits import Limits
    from darnet.service.metrics import Metrics

#: Where jobs are sent, and what begins the path of all that is theirs: answers that take as long as they take.
JOBS = "/v1/jobs"
#: In a request's scope: when its answer is due, by the event loop's clock.
DEADLINE = "x-darnet-deadline"
#: Bytes that a form takes besides its file.
FORM_BYTES = 2**16
#: Who has sent too much is listened to for so long, else the connection is reset before the answer is read.
LINGER_SECONDS = 2.0
#: What no answer of this service may be: kept, or taken for something else.
HEADERS = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]


#: By the path of a request, what gives it a place as long as it is entered. Raises the problem of having none.
Places: TypeAlias = Mapping[str, Callable[[], AbstractContextManager[None]]]


@dataclass
class Upload:
    """A request's body as it comes: so much at most, until `deadline`."""

    receive: Receive
    limits: Limits
    deadline: float
    received: int = 0
    complete: bool = False

    async def __call__(self) -> Message:
        """The next part. Raises a problem where it is too much (413), or too late (408)."""
        if self.complete:
            return await self.receive()  # waits until the client goes away
        try:
            async with asyncio.timeout_at(self.deadline):
                message = await self.receive()
        except TimeoutError:
            raise refused(408, "the upload took too long", {"Connection": "close"}) from None
        self.received += len(message.get("body", b""))
        self.complete = message["type"] != "http.request" or not message.get("more_body", False)
        if self.received > self.limits.max_bytes + FORM_BYTES:
            raise too_large(self.limits)
        return message

    async def drain(self) -> None:
        """Pass over what is still coming, for a moment."""
        try:
            async with asyncio.timeout(LINGER_SECONDS):
                while not self.complete:
                    message = await self.receive()
                    self.complete = message["type"] != "http.request" or not message.get("more_body", False)
        except TimeoutError:
            self.complete = True


def too_large(limits: Limits) -> HTTPException:
    """The problem of a request that is larger than allowed."""
    return refused(413, f"more than {limits.max_bytes:,} bytes", {"Connection": "close"})


class Gate:
    """ASGI middleware: who may not ask, and what there is no room for, is refused before its body is read.

    A request that makes work has a place from here to the end of its answer; `places`: who gives it, by path. Every
    answer is counted.
    """

    def __init__(self, app: ASGIApp, access: Access, limits: Limits, places: Places, metrics: Metrics) -> None:
        self._app, self._access, self._limits, self._places, self._metrics = app, access, limits, places, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "HEAD" and not scope["path"].startswith(JOBS):
            scope = {**scope, "method": "GET"}  # the server leaves its body out
        limits = self._limits.of_job if scope["path"] == JOBS else self._limits
        scope[DEADLINE] = asyncio.get_running_loop().time() + limits.seconds
        upload = Upload(receive, limits, scope[DEADLINE])
        reply = Reply(send, upload, self._limits.seconds, scope["path"].startswith(f"{JOBS}/"))
        begun = time.perf_counter()
        try:
            with ExitStack() as held:
                self._admit(scope, limits, held)
                await self._app(scope, upload, reply)
        except HTTPException as error:
            await answer(error)(scope, upload, reply)
        except Unread:
            LOG.warning("an answer was not read within %g s", self._limits.seconds)
        except Exception as error:
            problem = unexpected(error)
            if not reply.status:
                await answer(problem)(scope, upload, reply)
        finally:
            self._metrics.answered(scope["path"], reply.status, time.perf_counter() - begun)

    def _admit(self, scope: Scope, limits: Limits, held: ExitStack) -> None:
        """Raise a problem for who may not ask, for what is too large, and where there is no room."""
        headers = Headers(scope=scope)
        refusal = self._access.refuses(scope["path"], headers, scope.get("scheme", "http"))
        if refusal is not None:
            status, reason = refusal
            raise refused(status, reason, {"WWW-Authenticate": "Bearer"} if status == 401 else None)
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > limits.max_bytes + FORM_BYTES:
            raise too_large(limits)
        if scope["path"] in self._places and scope["method"] == "POST":
            held.enter_context(self._places[scope["path"]]())


class Unread(Exception):  # noqa: N818  nothing is wrong here
    """A client does not read its answer."""


@dataclass
class Reply:
    """The answer of a request as it is sent, in so many `seconds`, and its `status`; 0: nothing was.

    `by_part`: so many seconds for each part of it, however many come.

    Where the upload is not complete the answer is sent before its last word, and the rest of the upload passed over.
    """

    send: Send
    upload: Upload
    seconds: float
    by_part: bool = False
    status: int = 0
    deadline: float | None = None

    async def __call__(self, message: Message) -> None:
        """Send a part of it. Raises Unread where nobody takes it."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": [*message.get("headers", ()), *HEADERS]}
        elif not message.get("more_body", False) and not self.upload.complete:
            await self._send({**message, "more_body": True})
            await self.upload.drain()
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    async def _send(self, message: Message) -> None:
        if self.by_part or self.deadline is None:
            self.deadline = asyncio.get_running_loop().time() + self.seconds
        try:
            async with asyncio.timeout_at(self.deadline):
                await self.send(message)
        except TimeoutError:
            raise Unread from None
