"""darnet.Client against a real service, and what it does where there is no room."""

from __future__ import annotations

import asyncio
import io
import sys
import zipfile
from pathlib import Path
from typing import Any

import httpx
import PIL.Image
import pytest

from darnet import AsyncClient, Client
from darnet.errors import ImageError, MissingPackageError, ServiceError, UsageError
from darnet.service.access import Access
from darnet.service.limits import Limits
from services import photo, until

TOKEN = "0123456789abcdef"


class Awaited:
    """An AsyncClient, asked as a Client is."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._runner = asyncio.Runner()
        self._client = AsyncClient(*arguments, **options)

    def __getattr__(self, name: str) -> Any:
        def ask(*arguments: Any, **options: Any) -> Any:
            return self._runner.run(self._all(getattr(self._client, name)(*arguments, **options)))

        return ask

    async def _all(self, asked: Any) -> Any:
        return [one async for one in asked] if hasattr(asked, "__aiter__") else await asked

    def __enter__(self) -> Awaited:
        self._runner.run(self._client.__aenter__())
        return self

    def __exit__(self, *what: object) -> None:
        self._runner.run(self._client.__aexit__(None, None, None))
        self._runner.close()


@pytest.fixture(params=[Client, Awaited], ids=["sync", "async"])
def asks(request: pytest.FixtureRequest) -> Any:
    """Either client, asked alike."""
    return request.param


def test_a_picture_comes_back_with_what_was_done(service, tmp_path, asks):
    (tmp_path / "photo.png").write_bytes(photo())
    with asks(service.url) as client:
        for picture in (photo(), tmp_path / "photo.png", str(tmp_path / "photo.png")):
            restored = client.restore(picture)
            assert restored.data == service.post().content
        assert (restored.experts, restored.changed, restored.warnings) == (("noise",), True, ())
        assert (restored.plan[0]["kind"], restored.media_type) == ("noise", "image/png")
        assert restored.save(tmp_path / "out.png").read_bytes() == restored.data
        assert client.diagnose(photo())["diagnosis"]["label"] == "noise"
        assert [part["role"] for part in client.experts()][:2] == ["router", "noise"]


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        ({"kinds": "blur"}, {"as": "blur"}),
        ({"kinds": ["blur", "noise"], "strength": 0.5}, {"as": ["blur", "noise"], "strength": "0.5"}),
        ({"strength": {"noise": 0.25}, "luma": 0.5}, {"strength": "noise=0.25", "luma": "0.5"}),
        ({"format": "jpg", "quality": 50, "first": True}, {"format": "jpg", "quality": "50", "first": "true"}),
        ({"min_confidence": 0.99}, {"min_confidence": "0.99"}),
    ],
)
def test_options_are_those_of_a_form(service, options, fields, asks):
    with asks(service.url) as client:
        assert client.restore(photo(), **options).data == service.post(fields=fields).content


def test_a_mask_says_where(service, asks):
    """Of a mask that is black nothing is repaired."""
    black = io.BytesIO()
    PIL.Image.new("L", (24, 24)).save(black, "png")
    with asks(service.url) as client:
        restored = client.restore(photo(), black.getvalue(), kinds="noise")
    assert (restored.data, restored.changed) == (photo(), False)


def test_nothing_is_repaired_by_nobody(service):
    with Client(service.url) as client:
        left = client.restore(photo(), min_confidence=0.99)
    assert (left.experts, left.changed, left.data) == ((), False, photo())


def test_what_is_refused_is_an_error_with_its_status(service, tmp_path, asks):
    with asks(service.url) as client:
        with pytest.raises(ServiceError, match="no expert called 'fogg'") as raised:
            client.restore(photo(), kinds="fogg")
        assert raised.value.status == 422
        with pytest.raises(ServiceError, match="not a JPEG") as raised:
            client.diagnose(b"no picture")
        assert raised.value.status == 415
        with pytest.raises(ImageError, match="no such file"):
            client.restore(tmp_path / "gone.png")
        with pytest.raises(ImageError, match="no such file"):
            client.restore(photo()).save(tmp_path / "gone" / "out.png")


def test_a_token_is_brought(serve, asks):
    service = serve(access=Access(token=TOKEN))
    with asks(service.url, token=TOKEN) as client:
        assert client.restore(photo()).changed
    with asks(service.url) as client, pytest.raises(ServiceError) as raised:
        client.experts()
    assert raised.value.status == 401


def test_it_asks_again_where_there_is_no_room(serve, monkeypatch):
    """Refused twice, and answered once there is room: the pause is the service's."""
    import time

    service = serve(Limits(workers=1, queue=0))
    pauses = list[float]()

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            held.__exit__(None, None, None)
            assert first.result().status_code == 200
            until(lambda: service.pool.accepted == 0)  # its last byte is read before its place is given back

    held = service.held()
    held.__enter__()
    first = service.later()
    monkeypatch.setattr("darnet.client.sync.time", type("Clock", (), {"sleep": staticmethod(pause)}))
    with Client(service.url) as client:
        assert client.restore(photo()).changed
    assert pauses == [2.0, 2.0]
    assert time.sleep is not pause


def test_it_does_not_ask_for_ever(monkeypatch):
    asked = list[str]()

    def full(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(429, headers={"Retry-After": "0"}, text="full")

    with Client("http://127.0.0.1:1", retries=3) as client:
        client._http = httpx.Client(base_url="http://127.0.0.1:1", transport=httpx.MockTransport(full))
        with pytest.raises(ServiceError, match="429 Too Many Requests") as raised:
            client.experts()
        client._http.close()
    assert (raised.value.status, len(asked)) == (429, 4)


def test_a_service_that_is_not_there_is_said():
    with Client("http://127.0.0.1:1") as client, pytest.raises(ServiceError, match=r"http://127\.0\.0\.1:1") as raised:
        client.experts()
    assert raised.value.status is None


def test_a_job_is_followed_to_its_end(service, tmp_path, asks):
    (tmp_path / "photo.png").write_bytes(photo())
    with asks(service.url) as client:
        job = client.submit([tmp_path / "photo.png", photo(1, format="jpeg"), b"nothing"], strength=0.5)
        told = list(client.events(job))
        assert [(file.number, file.state) for file in told] == [
            *((3, "failed"), (1, "working"), (1, "done"), (2, "working"), (2, "done")),
        ]
        after = client.job(job)
        assert (after.id, after.state, after.files) == (job.id, "done", (told[2], told[4], told[0]))
        assert [file.name for file in after.files] == ["photo.png", "picture-2", "picture-3"]
        assert "not a JPEG" in after.files[2].problem
        result = client.result(job.id, 1)
        assert result == client.restore(photo(), strength=0.5)
        assert (after.files[0].experts, after.files[0].changed, after.files[0].plan) == (
            *(result.experts, result.changed, result.plan),
        )
        with pytest.raises(ServiceError, match="not done: failed") as raised:
            client.result(job, 3)
        assert raised.value.status == 409
        path = client.download(job, tmp_path / "all.zip")
        with zipfile.ZipFile(path) as archive:
            assert archive.namelist() == ["photo.png", "picture-2.jpg", "failures.txt"]
            assert archive.read("photo.png") == result.data
        client.cancel(job)
        for ask in (client.job, client.cancel, lambda job: list(client.events(job))):
            with pytest.raises(ServiceError) as raised:
                ask(job)
            assert raised.value.status == 404
        with pytest.raises(ServiceError, match="no such job"):
            client.download(job, tmp_path / "none.zip")
    assert not (tmp_path / "none.zip").exists()


def test_options_and_bad_pictures_of_a_job_are_said(service, tmp_path, asks):
    with asks(service.url) as client:
        with pytest.raises(ServiceError, match="quality") as raised:
            client.submit([photo()], quality=101)
        assert raised.value.status == 422
        with pytest.raises(UsageError, match="in a list"):
            client.submit("photo.jpg")
        with pytest.raises(ServiceError, match="multipart") as raised:
            client.submit([])
        assert raised.value.status == 400
        with pytest.raises(ImageError, match=r"gone\.png: no such file"):
            client.submit([photo(), tmp_path / "gone.png"])


def test_events_go_on_where_they_break_off(asks, monkeypatch):
    """The connection ends twice: within an event, and before `end`."""
    heads = list[str | None]()
    bodies = [
        'id: 1\nevent: file\ndata: {"number": 1, "name": "a", "state": "working"}\n\nid: 2\nevent: fi',
        ': still there\n\nid: 2\nevent: file\ndata: {"number": 1, "name": "a", "state": "done"}\n\n',
        'id: 3\nevent: end\ndata: {"id": "x", "state": "done"}\n\n',
    ]

    def answered(request: httpx.Request) -> httpx.Response:
        heads.append(request.headers.get("last-event-id"))
        return httpx.Response(200, text=bodies[len(heads) - 1])

    for module in ("sync", "asynchronous"):
        monkeypatch.setattr(f"darnet.client.{module}.PAUSE_SECONDS", 0.0)
    transport = httpx.MockTransport(answered)
    with asks("http://127.0.0.1:1", retries=1) as client:  # it is renewed by what is new
        inner = getattr(client, "_client", client)
        kind = type(inner._http)
        inner._http = kind(base_url="http://127.0.0.1:1", transport=transport)
        assert [file.state for file in client.events("x")] == ["working", "done"]
        assert heads == [None, "1", "2"]
        bodies[:] = [""] * 9
        heads.clear()
        with pytest.raises(ServiceError, match="break off"):
            list(client.events("x"))
        assert len(heads) == 2


def test_a_job_asks_again_where_there_is_no_room(serve, asks, monkeypatch):
    service = serve(Limits(jobs=1))
    held = service.submit(photo()).headers["location"]
    service.ended(held)
    waited = list[float]()

    def pause(seconds: float) -> None:
        waited.append(seconds)
        service.client.delete(held)

    async def later(seconds: float) -> None:
        pause(seconds)

    clock = {"sync.time": pause, "asynchronous.asyncio": later}
    for module, sleep in clock.items():
        monkeypatch.setattr(f"darnet.client.{module}", type("Clock", (), {"sleep": staticmethod(sleep)}))
    with asks(service.url) as client:
        assert client.submit([photo()]).state == "working"
    assert waited[0] == 30.0  # and may be asked again, until the files are gone


def test_without_the_extra_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(MissingPackageError, match=r"darnet\[client\]"):
        Client()


def test_importing_it_imports_no_library(tmp_path: Path):
    import subprocess

    source = "import sys, darnet; darnet.Client; print({'httpx', 'torch', 'fastapi', 'numpy'} & {*sys.modules})"
    ran = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"
