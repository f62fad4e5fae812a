"""Jobs of many pictures, asked of a real service."""

from __future__ import annotations

import io
import json
import socket
import time
import zipfile
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

import bombs
from darnet.service.access import Access
from darnet.service.limits import Limits
from services import Serving, photo, until


@pytest.fixture(autouse=True)
def _nothing_stays(service: Serving) -> Iterator[None]:
    """Each test leaves the service as it was."""
    yield
    for batch in tuple(service.state.batches._all):
        service.client.delete(f"/v1/jobs/{batch}")
    until(lambda: service.kept() == [])


def test_each_comes_back_as_it_would_alone(service):
    pictures = [photo(seed, format=format) for seed, format in enumerate(("png", "jpeg", "tiff", "webp"))]
    began = service.submit(*pictures, fields={"as": "noise", "strength": "0.5"})
    assert began.status_code == 202
    job = began.headers["location"]
    said = service.ended(job)
    assert (said["id"], said["state"]) == (job.rpartition("/")[2], "done")
    for number, picture in enumerate(pictures, 1):
        alone = service.post(picture=picture, fields={"as": "noise", "strength": "0.5"})
        got = service.get(f"{job}/files/{number}")
        file = said["files"][number - 1]
        assert got.content == alone.content
        for name in ("content-type", "content-length", "x-darnet-plan", "x-darnet-experts", "x-darnet-changed"):
            assert got.headers[name] == alone.headers[name]
        assert (file["number"], file["name"], file["state"]) == (number, f"{number} secret.png", "done")
        assert (file["href"], file["bytes"]) == (f"{job}/files/{number}", len(got.content))
        assert (file["experts"], file["changed"], file["warnings"]) == (["noise"], True, [])
        assert file["plan"] == json.loads(got.headers["x-darnet-plan"])


def test_what_fails_is_told_and_the_rest_is_done(service):
    job = service.submit(b"nothing", photo(), b"\xff\xd8\xff" + b"damaged" * 20, b"", bombs.png(50_000)).headers[
        "location"
    ]
    said = service.ended(job)
    assert [file["state"] for file in said["files"]] == ["failed", "done", "failed", "failed", "failed"]
    problems = [file["problem"] for file in said["files"] if file["state"] == "failed"]
    assert [problem["status"] for problem in problems] == [415, 422, 415, 413]
    assert "the file is empty" in problems[2]["detail"]
    assert str(service.state.desk.folder) not in json.dumps(said)
    assert service.get(f"{job}/files/1").status_code == 409
    with zipfile.ZipFile(io.BytesIO(service.get(f"{job}/zip").content)) as archive:
        assert archive.namelist() == ["2 secret.png", "failures.txt"]
        assert archive.read("2 secret.png") == service.post().content
        failures = archive.read("failures.txt").decode().splitlines()
    assert [line.partition(":")[0] for line in failures] == [f"{number} secret.png" for number in (1, 3, 4, 5)]


def test_names_are_kept_and_are_no_paths(service):
    names = ["ä.png", "../../Ä.png", "C:\\photos\\b.png", "b.png"]
    files = [("file", (name, photo(seed))) for seed, name in enumerate(names)]
    job = service.client.post("/v1/jobs", files=files, data={"format": "jpg"}).headers["location"]
    assert [file["name"] for file in service.ended(job)["files"]] == ["ä.png", "Ä.png", "b.png", "b.png"]
    got = service.get(f"{job}/zip")
    assert (got.headers["content-type"], "content-length" in got.headers) == ("application/zip", False)
    with zipfile.ZipFile(io.BytesIO(got.content)) as archive:
        assert archive.namelist() == ["ä.jpg", "Ä (2).jpg", "b.jpg", "b (2).jpg"]
        assert archive.read("b (2).jpg") == service.post(picture=photo(3), fields={"format": "jpg"}).content


def test_events_are_told_and_gone_on_with(service):
    began = service.submit(photo(), b"nothing")
    job = began.headers["location"]
    whole = service.get(f"{job}/events")
    assert whole.headers["content-type"].startswith("text/event-stream")
    blocks = [dict(line.split(": ", 1) for line in block.splitlines()) for block in whole.text.strip().split("\n\n")]
    assert [block["id"] for block in blocks] == ["1", "2", "3", "4"]
    assert [block["event"] for block in blocks] == ["file", "file", "file", "end"]
    told = [json.loads(block["data"]) for block in blocks]
    assert [(one["number"], one["state"]) for one in told[:-1]] == [(2, "failed"), (1, "working"), (1, "done")]
    assert told[2] == service.get(job).json()["files"][0]
    assert told[-1] == {"id": began.json()["id"], "state": "done"}
    rest = service.get(f"{job}/events", headers={"Last-Event-ID": "3"})
    assert rest.text == "id: 4\nevent: end\n" + f"data: {blocks[3]['data']}\n\n"
    assert service.get(f"{job}/events", headers={"Last-Event-ID": "4"}).status_code == 204


@pytest.mark.parametrize(
    ("files", "fields", "status", "said"),
    [
        ([], {"as": "noise"}, 400, "no picture: expected files as `file`"),
        ([("file", ("a", photo()))], {"strengh": "1"}, 422, "did you mean 'strength'?"),
        ([("file", ("a", photo()))], {"as": "fogg"}, 422, None),
        ([("file", ("a", photo())), ("mask", ("a", photo()))], {}, 422, "`mask`"),
        ([("file", ("a", photo())), ("file", ("b", bytes(300_001)))], {}, 413, "picture 2 has more than 300,000 bytes"),
        ([("file", ("a", b"1"))] * 201, {}, 413, "more than 200 pictures"),
        ([("file", ("a", b"1"))], {"as": "x" * 5000}, 400, "`as`: more than 4096 characters"),
    ],
)
def test_what_is_refused_leaves_nothing(service, files, fields, status, said):
    sent = files or [("as", (None, "noise"))]
    got = service.client.post("/v1/jobs", files=sent, data=fields if files else None)
    if said is None:  # kinds are known by the restorer alone: it is each picture that fails
        assert got.status_code == 202
        (file,) = service.ended(got.headers["location"])["files"]
        assert (file["problem"]["status"], "no expert called 'fogg'" in file["problem"]["detail"]) == (status, True)
        return
    assert (got.status_code, got.json()["status"]) == (status, status)
    assert got.headers["content-type"] == "application/problem+json"
    assert said in got.json()["detail"]
    until(lambda: service.kept() == [])
    assert service.post().status_code == 200


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Type": "multipart/form-data; boundary=x"}, b"garbage"),
        ({"Content-Type": "multipart/form-data; boundary=x"}, b""),
        ({"Content-Type": "multipart/form-data"}, b"--x--"),
        ({"Content-Type": f"multipart/form-data; boundary={'x' * 2000}"}, b"--x--"),
        ({"Content-Type": "image/png"}, photo()),
        ({"Content-Type": "multipart/form-data; boundary=x"}, b'--x\r\nContent-Disposition: form-data; name="file"; '
         b'filename="a.png"\r\n\r\n' + photo()),  # its end is missing
        ({}, b""),
    ],
)  # fmt: skip
def test_a_broken_form_is_a_problem(service, headers, body):
    got = service.client.post("/v1/jobs", headers=headers, content=body)
    assert (got.status_code, got.headers["content-type"]) == (400, "application/problem+json")
    until(lambda: service.kept() == [])


def test_a_job_may_be_larger_than_a_request(serve):
    service = serve(Limits(max_bytes=5000, job_bytes=40_000))
    assert service.submit(*(photo(seed) for seed in range(8))).status_code == 202
    got = service.submit(*[photo()] * 80)
    assert (got.status_code, got.json()["detail"]) == (413, "more than 40,000 bytes")


@pytest.mark.parametrize("path", ["", "/events", "/files/1", "/zip"])
def test_what_there_is_not_is_a_problem(service, path):
    got = service.get(f"/v1/jobs/nothing{path}")
    assert (got.status_code, got.json()["status"]) == (404, 404)
    assert service.client.delete("/v1/jobs/nothing").status_code == 404
    job = service.submit(photo()).headers["location"]
    for number in ("0", "2", "x", "-1", "1.0"):
        assert service.get(f"{job}/files/{number}").status_code == 404
    assert service.get("/v1/jobs").status_code == 405


def test_what_is_not_done_is_said(serve):
    service = serve()
    with service.held():
        job = service.submit(photo(), photo(1)).headers["location"]
        until(lambda: service.get(job).json()["files"][0]["state"] == "working")
        assert service.get(job).json()["files"][1]["state"] == "waiting"
        for path in ("/files/1", "/files/2", "/zip"):
            got = service.get(f"{job}{path}")
            assert (got.status_code, got.json()["status"]) == (409, 409)
    service.ended(job)
    assert service.get(f"{job}/files/2").status_code == service.get(f"{job}/zip").status_code == 200


def test_who_may_not_ask_may_not_ask_for_jobs(serve):
    service = serve(access=Access(token="0123456789abcdef"))
    right = {"Authorization": "Bearer 0123456789abcdef"}
    job = service.submit(photo(), headers=right).headers["location"]
    assert service.submit(photo()).status_code == 401
    for path in ("", "/events", "/zip", "/files/1"):
        assert service.get(f"{job}{path}").status_code == 401
        assert service.get(f"{job}{path}", headers={**right, "Origin": "https://example.org"}).status_code == 403
    assert service.client.delete(job).status_code == 401
    assert service.get(job, headers=right).status_code == 200


def test_the_document_tells_of_jobs(service):
    paths = service.get("/openapi.json").json()["paths"]
    begin = paths["/v1/jobs"]["post"]
    form = begin["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    assert form["file"]["type"] == "array"
    assert {"as", "strength", "quality"} <= {*form}
    alone = paths["/v1/restore"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    assert alone["file"]["type"] == "string"
    assert {"202", "400", "401", "403", "408", "413", "422", "429", "503"} <= {*begin["responses"]}
    assert "Location" in begin["responses"]["202"]["headers"]
    assert "text/event-stream" in paths["/v1/jobs/{id}/events"]["get"]["responses"]["200"]["content"]
    assert {"200", "404", "409"} <= {*paths["/v1/jobs/{id}/zip"]["get"]["responses"]}
    assert {"204", "404"} <= {*paths["/v1/jobs/{id}"]["delete"]["responses"]}


def test_an_event_stream_outlives_the_time_of_a_request(serve):
    """Only each part of it has to be read in that time."""
    service = serve(Limits(seconds=1))
    with service.held():
        job = service.submit(*map(photo, range(3))).headers["location"]
        with service.client.stream("GET", f"{job}/events") as stream:
            lines = list(stream.iter_lines())
    assert lines.count("event: file") == 6
    assert "event: end" in lines
    states = [file["state"] for file in service.get(job).json()["files"]]
    assert states == ["failed", "done", "done"]
    assert service.get(job).json()["files"][0]["problem"]["status"] == 504


def test_a_client_that_goes_away_from_a_stream_costs_nothing(service):
    job = service.submit(*map(photo, range(3))).headers["location"]
    with httpx.stream("GET", f"{service.url}{job}/events", timeout=60) as stream:
        next(stream.iter_lines())
    with httpx.stream("GET", f"{service.url}{job}/events", timeout=60) as stream:
        assert "event: end" in list(stream.iter_lines())
    assert service.ended(job)["state"] == "done"


HEAD = "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
BEGUN = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n' + bytes(1000)


def test_an_upload_that_breaks_off_leaves_nothing(serve):
    service = serve(Limits(jobs=1))
    address = urlsplit(service.url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as client:
        client.sendall((HEAD + "Content-Length: 5000\r\n\r\n").encode() + BEGUN)
        until(service.kept)
        assert service.submit(photo()).status_code == 429  # its place is taken
    until(lambda: service.kept() == [])
    assert service.submit(photo()).status_code == 202


def test_an_upload_has_as_long_as_its_bytes_would_take_a_request(serve):
    service = serve(Limits(seconds=0.5, max_bytes=10_000, job_bytes=40_000))
    address = urlsplit(service.url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as client:
        client.sendall((HEAD + "Content-Length: 5000\r\n\r\n").encode() + BEGUN)
        began = time.monotonic()
        assert client.recv(1000).startswith(b"HTTP/1.1 408 ")
        assert 1.9 < time.monotonic() - began < 20
    until(lambda: service.kept() == [])
