"""Services for tests: real ones, on loopback, in threads of this process."""

from __future__ import annotations

import io
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any
from unittest.mock import patch

import httpx
import numpy as np
import PIL.Image
import uvicorn

from darnet import RestorerSpec
from darnet.service.access import Access
from darnet.service.app import create_app
from darnet.service.limits import Limits
from darnet.service.pool import Pool
from darnet.service.server import LAST_WORDS_SECONDS, Server

#: More than a worker needs to start on a machine that is busy.
PATIENCE = 120.0


def until(happened: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait for something."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def photo(seed: int = 0, side: int = 24, format: str = "png", **options: object) -> bytes:
    """A picture's file."""
    values = np.random.default_rng(seed).integers(20, 200, (side, side, 3), np.uint8)
    held = io.BytesIO()
    PIL.Image.fromarray(values).save(held, format, **options)
    return held.getvalue()


@dataclass
class Serving:
    """A service that runs, and how it is asked."""

    url: str
    pool: Pool
    processes: list[int]  # of its workers at first
    threads: ThreadPoolExecutor
    client: httpx.Client
    state: Any  # of its application

    def post(
        self, path: str = "/v1/restore", picture: bytes | None = None, fields: object = None, **more: object
    ) -> httpx.Response:
        files = {"file": ("secret.png", photo() if picture is None else picture)}
        return self.client.post(path, files=files, data=fields, **more)

    def submit(self, *pictures: bytes, fields: object = None, **more: object) -> httpx.Response:
        """A job of pictures that are called `1 secret.png` and so on."""
        files = [("file", (f"{number} secret.png", picture)) for number, picture in enumerate(pictures, 1)]
        return self.client.post("/v1/jobs", files=files, data=fields, **more)

    def ended(self, job: str) -> dict[str, Any]:
        """What became of a job, once it has ended; it is named by its path."""
        until(lambda: self.get(job).json()["state"] != "working")
        return self.get(job).json()

    def kept(self) -> list[Path]:
        """What it has on disk."""
        return [*self.state.desk.folder.iterdir()]

    def get(self, path: str, **more: object) -> httpx.Response:
        return self.client.get(path, **more)

    def later(self, *arguments: object, **more: object) -> Future[httpx.Response]:
        """Ask in a thread, and come back once the request has its place."""
        before = self.pool.accepted
        asked = self.threads.submit(self.post, *arguments, **more)
        until(lambda: self.pool.accepted > before or asked.done())
        return asked

    @contextmanager
    def held(self) -> Iterator[None]:
        """While its first workers do nothing: their work takes for ever."""
        for process in self.processes:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in self.processes:
                try:
                    os.kill(process, signal.SIGCONT)
                except ProcessLookupError:
                    continue


@contextmanager
def serving(system: Path, limits: Limits, access: Access) -> Iterator[Serving]:
    """A service in a thread of this process."""
    before = {child.pid for child in multiprocessing.active_children()}
    with patch("darnet.service.pool.cores", lambda: 1):  # threads of tests that are run by scripts/test
        app = create_app(RestorerSpec(system=str(system), device="cpu"), limits, access)
    said = list[str]()
    how = {"http": "h11", "log_config": None, "lifespan": "on", "timeout_graceful_shutdown": LAST_WORDS_SECONDS}
    config = uvicorn.Config(app, access.host, 0, **how)
    server = Server(config, app, said.append)
    thread = Thread(target=server.run)
    thread.start()
    try:
        until(lambda: said)
        client = httpx.Client(base_url=said[0], timeout=PATIENCE, limits=httpx.Limits(max_keepalive_connections=0))
        with client, ThreadPoolExecutor(64) as threads:
            until(lambda: app.state.pool.ready is None and app.state.pool.workers == limits.workers)
            until(lambda: app.state.pool._idle.qsize() == limits.workers)
            children = [child.pid for child in multiprocessing.active_children() if child.pid not in before]
            yield Serving(said[0], app.state.pool, children, threads, client, app.state)
    finally:
        server.handle_exit(signal.SIGTERM, None)
        thread.join(PATIENCE)
        assert not thread.is_alive()
        app.state.pool.kill()
