"""What is decided before a request's body is read, and while it comes."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from darnet.service.access import Access
from darnet.service.gate import Gate
from darnet.service.limits import Limits
from services import Serving, photo, until

HEAD = "POST /v1/restore HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"


def connected(service: Serving) -> socket.socket:
    address = urlsplit(service.url)
    return socket.create_connection((address.hostname, address.port), timeout=30)


def test_an_upload_that_is_too_slow_is_ended(serve):
    service = serve(Limits(seconds=1))
    with connected(service) as client:
        client.sendall((HEAD + "Content-Length: 5000\r\n\r\n").encode() + b"--x\r\n")
        began = time.monotonic()
        assert client.recv(1000).startswith(b"HTTP/1.1 408 ")
        assert time.monotonic() - began < 20
    until(lambda: service.pool.accepted == 0)
    assert service.post().status_code == 200


def test_an_upload_that_breaks_off_leaves_nothing(serve):
    service = serve()
    with connected(service) as client:
        client.sendall((HEAD + "Content-Length: 5000\r\n\r\n").encode() + b"--x\r\n")
        until(lambda: service.pool.accepted == 1)
    until(lambda: service.pool.accepted == 0)
    assert service.post().status_code == 200


@pytest.mark.parametrize("stated", [True, False])
def test_an_upload_that_is_too_large_is_refused_while_it_comes(service, stated):
    """100 MB, of which the service takes the first 300 kB; the answer is heard all the same."""
    part = bytes(2**20)

    def parts() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
        for _ in range(100):
            yield part

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    headers |= {"Content-Length": str(100 * len(part) + 70)} if stated else {}
    got = httpx.post(f"{service.url}/v1/restore", content=parts(), headers=headers, timeout=60)
    assert (got.status_code, got.json()["detail"]) == (413, "more than 300,000 bytes")
    until(lambda: service.pool.accepted == 0)
    assert service.post().status_code == 200


def test_a_token_is_needed_but_for_whether_it_lives(serve):
    service = serve(access=Access(token="a token that nobody guesses".replace(" ", "-")))
    right = {"Authorization": "Bearer a-token-that-nobody-guesses"}
    for wrong in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic a-token-that-nobody-guesses"}):
        got = service.post(headers=wrong)
        assert (got.status_code, got.headers["www-authenticate"]) == (401, "Bearer")
        assert service.get("/metrics", headers=wrong).status_code == 401
    assert service.get("/health").status_code == service.get("/ready").status_code == 200
    assert service.post(headers=right).status_code == 200


def test_pages_of_others_are_refused(service):
    assert service.post(headers={"Origin": "https://example.org"}).status_code == 403
    assert service.post(headers={"Origin": "null"}).status_code == 403
    assert service.post(headers={"Origin": service.url}).status_code == 200
    assert service.get("/health", headers={"Host": "example.org"}).status_code == 403
    allowed = service.post(headers={"Origin": service.url})
    assert not [name for name in allowed.headers if name.startswith("access-control")]


@pytest.mark.parametrize("length", ["-1", "x", "1e9"])
def test_a_length_that_is_none_is_refused(service, length):
    with connected(service) as client:
        client.sendall((HEAD + f"Content-Length: {length}\r\n\r\n").encode())
        assert client.recv(1000).split(b" ")[1] in (b"400", b"413")
    assert service.post(picture=photo(3)).status_code == 200


def test_what_nobody_expected_is_a_problem_without_a_word_of_it(service, monkeypatch, caplog):
    from darnet.service import routes

    def broken(*_: object) -> None:
        raise ValueError("secret.png")

    monkeypatch.setattr(routes, "order_of", broken)
    got = service.post()
    assert (got.status_code, got.headers["content-type"]) == (500, "application/problem+json")
    assert "secret" not in got.text + caplog.text
    assert "unexpected ValueError" in caplog.text
    monkeypatch.undo()
    assert service.post().status_code == 200


def test_an_answer_that_nobody_reads_gives_its_place_back(caplog, unchecked):
    """Nothing takes the bytes: the connection is given up."""
    caplog.set_level(logging.WARNING, "darnet.service")  # whatever packages of other tests made of the root's
    places = SimpleNamespace(taken=0)

    @contextmanager
    def place() -> Iterator[None]:
        places.taken += 1
        try:
            yield
        finally:
            places.taken -= 1

    async def answers(scope: Any, receive: Any, send: Any) -> None:
        assert places.taken == 1
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def nobody(message: Any) -> None:
        await asyncio.Event().wait()

    async def nothing() -> Any:
        return {"type": "http.request", "body": b""}

    counted: Any = SimpleNamespace(answered=lambda *what: counted.all.append(what[:2]), all=[])
    gate = Gate(answers, Access(), Limits(seconds=0.05), {"/v1/restore": place}, counted)
    scope = {"type": "http", "path": "/v1/restore", "method": "POST", "headers": [(b"host", b"localhost")]}
    asyncio.run(asyncio.wait_for(gate(scope, nothing, nobody), 20))
    assert (places.taken, counted.all) == (0, [("/v1/restore", 200)])
    assert "an answer was not read" in caplog.text
