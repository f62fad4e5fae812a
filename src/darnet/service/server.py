"""Server: listens, and ends as it should: what was accepted is answered first."""

from __future__ import annotations

from collections.abc import Callable
from socket import AF_INET, AF_INET6, create_server, socket
from types import FrameType
from typing import TYPE_CHECKING, Any

import uvicorn

from darnet.errors import DarnetError, refusal
from darnet.service.access import Access
from darnet.service.app import create_app
from darnet.service.limits import Limits

if TYPE_CHECKING:
    from fastapi import FastAPI

    from darnet.service.pool import Pool
    from darnet.systems.spec import RestorerSpec


#: After all that was accepted is answered: for connections that a client does not close.
LAST_WORDS_SECONDS = 5
#: Connections that wait to be taken.
BACKLOG = 1024


class Server(uvicorn.Server):
    """uvicorn's, which on SIGTERM or SIGINT goes on listening until all that was accepted is answered.

    Jobs are cancelled. Meanwhile whatever else is asked for is told that the service is shutting down (503). A second
    signal ends it at once. `tell`: hears its address once it listens.
    """

    def __init__(self, config: uvicorn.Config, app: FastAPI, tell: Callable[[str], None]) -> None:
        super().__init__(config)
        self._pool: Pool = app.state.pool
        self._state, self._tell = app.state, tell

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Listen."""
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self._tell(f"http://{f'[{host}]' if ':' in host else host}:{port}")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Accept no more; at once, where that was said before."""
        if self._pool.closing:
            self._pool.kill()
            self.should_exit = self.force_exit = True
        self._pool.closing = True

    async def on_tick(self, counter: int) -> bool:
        """Whether it is time to end: uvicorn asks ten times a second."""
        if self._pool.closing:
            self._state.batches.cancel()
            self.should_exit |= not self._pool.accepted
        return await super().on_tick(counter)


def serve(
    spec: RestorerSpec, limits: Limits, access: Access, port: int, tell: Callable[[str], None] = lambda _: None
) -> None:
    """Serve until a signal comes. Raises what `create_app` raises, and DarnetError where nobody can listen there."""
    app = create_app(spec, limits, access)
    how: dict[str, Any] = {"http": "h11", "ws": "none", "lifespan": "on", "log_config": None, "access_log": False}
    how |= {"server_header": False, "timeout_graceful_shutdown": LAST_WORDS_SECONDS}
    config = uvicorn.Config(app, **how)
    try:
        with listening(access.host, port) as held:
            Server(config, app, tell).run([held])
    finally:
        app.state.pool.kill()


def listening(host: str, port: int) -> socket:
    """A socket that listens there; port 0: at any that is free. Raises DarnetError where nobody can.

    >>> with listening("127.0.0.1", 0) as held:
    ...     held.getsockname()[0]
    '127.0.0.1'
    """
    try:
        return create_server((host, port), family=AF_INET6 if ":" in host else AF_INET, backlog=BACKLOG)
    except OSError as error:
        raise DarnetError(f"nobody can listen at {host}, port {port}: {refusal(error)}") from None
