"""darnet.Client against a real service, and what it does where there is no room."""

from __future__ import annotations

import sys
from pathlib import Path

import httpx
import pytest

from darnet import Client
from darnet.errors import ImageError, MissingPackageError, ServiceError
from darnet.service.access import Access
from darnet.service.limits import Limits
from services import photo

TOKEN = "0123456789abcdef"


def test_a_picture_comes_back_with_what_was_done(service, tmp_path):
    (tmp_path / "photo.png").write_bytes(photo())
    with Client(service.url) as client:
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
def test_options_are_those_of_a_form(service, options, fields):
    with Client(service.url) as client:
        assert client.restore(photo(), **options).data == service.post(fields=fields).content


def test_nothing_is_repaired_by_nobody(service):
    with Client(service.url) as client:
        left = client.restore(photo(), min_confidence=0.99)
    assert (left.experts, left.changed, left.data) == ((), False, photo())


def test_what_is_refused_is_an_error_with_its_status(service, tmp_path):
    with Client(service.url) as client:
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


def test_a_token_is_brought(serve):
    service = serve(access=Access(token=TOKEN))
    with Client(service.url, token=TOKEN) as client:
        assert client.restore(photo()).changed
    with Client(service.url) as client, pytest.raises(ServiceError) as raised:
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


def test_without_the_extra_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(MissingPackageError, match=r"darnet\[client\]"):
        Client()


def test_importing_it_imports_no_library(tmp_path: Path):
    import subprocess

    source = "import sys, darnet; darnet.Client; print({'httpx', 'torch', 'fastapi', 'numpy'} & {*sys.modules})"
    ran = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"
