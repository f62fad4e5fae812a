"""What a service answers."""

from __future__ import annotations

import base64
import gc
import io
import json
from concurrent.futures import ThreadPoolExecutor
from email import policy
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import PIL.Image
import pytest

import bombs
from darnet import RestorerSpec
from darnet.jobs import Encoding, Job
from services import photo, until


@pytest.fixture(scope="session")
def restorer(tiny_system: Path) -> Any:
    return RestorerSpec(system=str(tiny_system), device="cpu").build()


def by_job(restorer: Any, folder: Path, data: bytes, name: str = "photo.png", **settings: object) -> bytes:
    """What `darnet restore` writes for a file."""
    (folder / name).write_bytes(data)
    job = Job(overwrite=True, **settings)
    (task,) = job.plan([str(folder / name)], f"{folder}/out/").tasks
    (done,) = job.run([task], restorer)
    assert done.error is None
    return Path(done.output).read_bytes()


@pytest.mark.parametrize(
    ("format", "name", "fields", "settings"),
    [
        ("png", "photo.png", {}, {}),
        ("jpeg", "photo.jpg", {}, {}),
        ("tiff", "photo.tif", {"as": "blur"}, {"kinds": "blur"}),
        ("jpeg", "photo.jpg", {"as": ["blur", "noise"]}, {"kinds": ("blur", "noise")}),
        ("png", "photo.png", {"strength": "noise=0.5", "luma": "0.5"}, {"luma": 0.5}),
        ("png", "photo.png", {"format": "jpg", "quality": "60"}, {"encoding": Encoding("jpg", 60)}),
        ("png", "photo.png", {"bit_depth": "16"}, {"encoding": Encoding(bit_depth="16")}),
        ("jpeg", "photo.jpg", {"metadata": "strip"}, {"encoding": Encoding(metadata="strip")}),
        ("webp", "photo.webp", {"strength": "0"}, {"strength": 0.0}),
    ],
)
def test_an_answer_is_what_restore_writes(service, restorer, tmp_path, format, name, fields, settings):
    from darnet import Strength

    if "luma" in settings:
        settings = {"strength": Strength({"noise": 0.5}, luma=0.5)}
    exif = PIL.Image.Exif()
    exif[0x010F] = "Acme"
    data = photo(format=format, exif=exif)
    got = service.post(picture=data, fields=fields)
    assert got.status_code == 200, got.text
    assert got.content == by_job(restorer, tmp_path, data, name, **settings)
    assert int(got.headers["content-length"]) == len(got.content)
    format = "jpeg" if "encoding" in settings and settings["encoding"].ext == "jpg" else format
    assert got.headers["content-type"] == f"image/{format}"
    kept = PIL.Image.open(io.BytesIO(got.content)).getexif()
    assert kept.get(0x010F) == (None if fields.get("metadata") == "strip" else "Acme")


def test_headers_say_what_was_done(service):
    got = service.post()
    (repair,) = json.loads(got.headers["x-darnet-plan"])
    assert (repair["kind"], repair["confidence"] > 0.9) == ("noise", True)
    assert (got.headers["x-darnet-experts"], got.headers["x-darnet-changed"]) == ("noise", "true")
    assert json.loads(got.headers["x-darnet-warnings"]) == []
    assert "repair;dur=" in got.headers["server-timing"]
    assert got.headers["cache-control"] == "no-store"


def test_json_holds_the_same_picture(service):
    got = service.post(headers={"Accept": "application/json"})
    said = got.json()
    assert base64.b64decode(said["image"]["base64"]) == service.post().content
    assert said["image"]["media_type"] == "image/png"
    assert said["result"]["experts"] == ["noise"]


def test_json_is_held_up_to_the_size_of_a_request(service):
    """A picture may become larger than it was sent; as bytes it comes part by part."""
    picture = photo(side=300, format="jpeg", quality=40)
    fields = {"format": "tiff", "bit_depth": "16", "as": "noise"}
    held = service.post(picture=picture, fields=fields, headers={"Accept": "application/json"})
    assert (held.status_code, held.json()["status"]) == (413, 413)
    assert len(service.post(picture=picture, fields=fields).content) > 300_000


def test_limits_of_a_request_are_its_own(service):
    """What is less certain than asked for is left alone, to the byte; the next request has the system's bar."""
    data = photo()
    left = service.post(picture=data, fields={"min_confidence": "0.99"})
    assert (left.content, left.headers["x-darnet-changed"]) == (data, "false")
    assert service.post(picture=data).headers["x-darnet-changed"] == "true"


def test_a_diagnosis_changes_nothing(service, restorer):
    got = service.post("/v1/diagnose").json()
    assert got["diagnosis"]["label"] == "noise"
    assert [repair["kind"] for repair in got["diagnosis"]["plan"]] == ["noise"]
    assert got["warnings"] == []


def parts(got: httpx.Response) -> dict[str, Any]:
    """The parts of an answer that is a form, by name."""
    head = f"Content-Type: {got.headers['content-type']}\r\n\r\n".encode()
    message = BytesParser(policy=policy.HTTP).parsebytes(head + got.content)
    return {part.get_param("name", header="content-disposition"): part for part in message.iter_parts()}


def pixels(part: Any) -> np.ndarray:
    return np.asarray(PIL.Image.open(io.BytesIO(part.get_payload(decode=True))))


def test_a_form_holds_the_picture_and_how_it_was_after_each_step(service):
    """The picture is the one that is answered otherwise, and its views are what a strength blends."""
    data = photo(side=40)
    got = service.post(picture=data, fields={"as": "blur,noise"}, headers={"Accept": "multipart/form-data"})
    assert int(got.headers["content-length"]) == len(got.content)
    held = parts(got)
    assert [*held] == ["result", "image", "before", "step-01", "step-02"]
    assert json.loads(held["result"].get_payload(decode=True))["experts"] == ["blur", "noise"]
    plain = service.post(picture=data, fields={"as": "blur,noise"}).content
    assert held["image"].get_payload(decode=True) == plain
    assert held["image"].get_filename() == "picture.png"
    before, first, last = (pixels(held[name]) for name in ("before", "step-01", "step-02"))
    assert (before == np.asarray(PIL.Image.open(io.BytesIO(data)))).all()
    assert (last == np.asarray(PIL.Image.open(io.BytesIO(plain)))).all()
    half = service.post(picture=data, fields={"as": "blur,noise", "strength": "blur=0.5,noise=0"}).content
    blended = before + 0.5 * (first - before.astype(float))
    assert np.abs(np.asarray(PIL.Image.open(io.BytesIO(half))) - blended).max() <= 1


def test_a_form_of_what_was_left_alone_has_no_step(service):
    data = photo()
    held = parts(service.post(picture=data, fields={"min_confidence": "1"}, headers={"Accept": "multipart/form-data"}))
    assert [*held] == ["result", "image", "before"]
    assert held["image"].get_payload(decode=True) == data


def test_a_form_of_several_pages_shows_the_first_after_all_steps(service):
    first, second = (PIL.Image.open(io.BytesIO(photo(seed, side=40))) for seed in (1, 2))
    file = io.BytesIO()
    first.save(file, "tiff", save_all=True, append_images=[second])
    got = service.post(picture=file.getvalue(), fields={"as": "blur,noise"}, headers={"Accept": "multipart/form-data"})
    held = parts(got)
    assert [*held] == ["result", "image", "before", "step-01"]
    assert (pixels(held["before"]) == np.asarray(first)).all()
    assert (pixels(held["step-01"]) == pixels(held["image"])).all()


def test_a_mask_says_where(service):
    mask = np.zeros((40, 40), np.uint8)
    mask[:, 20:] = 255
    file = io.BytesIO()
    PIL.Image.fromarray(mask).save(file, "png")
    data = photo(side=40)
    files = {"file": ("a.png", data), "mask": ("m.png", file.getvalue())}
    got = service.client.post("/v1/restore", files=files, data={"as": "noise"})
    assert got.status_code == 200
    was, now = (np.asarray(PIL.Image.open(io.BytesIO(one))) for one in (data, got.content))
    assert (was[:, :20] == now[:, :20]).all()
    assert (was[:, 20:] != now[:, 20:]).any()


@pytest.mark.parametrize(
    ("path", "files", "status", "said"),
    [
        ("/v1/restore", [("file", photo(side=40)), ("mask", photo(side=30))], 422, "`mask`: mask has 30 × 30 pixels"),
        ("/v1/restore", [("file", photo()), ("mask", b"none")], 415, "`mask`: "),
        ("/v1/restore", [("file", photo()), ("file", photo())], 400, "one file as `file`"),
        ("/v1/restore", [("file", photo()), ("other", photo())], 400, "as `mask`"),
        ("/v1/restore", [("mask", photo())], 400, "no picture"),
        ("/v1/diagnose", [("file", photo()), ("mask", photo())], 422, "`mask`: a diagnosis has no options"),
    ],
)
def test_a_mask_that_is_none_is_a_problem(service, path, files, status, said):
    got = service.client.post(path, files=[(name, ("x.png", data)) for name, data in files])
    assert (got.status_code, said in got.json()["detail"]) == (status, True), got.text
    assert "/darnet-" not in got.text


def test_a_map_is_drawn_for_who_asks_for_a_picture(service):
    got = service.post("/v1/diagnose", picture=photo(side=64), headers={"Accept": "image/png"})
    if got.status_code == 422:  # the router of tests may not say where
        assert "does not say where damage is" in got.json()["detail"]
    else:
        assert (got.headers["content-type"], PIL.Image.open(io.BytesIO(got.content)).size) == ("image/png", (64, 64))


def test_experts_are_listed(service):
    system = service.get("/v1/experts").json()["system"]
    assert [part["role"] for part in system] == ["router", "noise", "blur", "overexposure"]


@pytest.mark.parametrize("path", ["/", "/health", "/v1/experts", "/openapi.json"])
def test_head_is_get_without_a_body(service, path):
    got, whole = service.client.head(path), service.get(path)
    assert (got.status_code, got.content) == (200, b"")
    assert got.headers["content-type"] == whole.headers["content-type"]


def test_it_lives_and_is_ready(service):
    assert service.get("/health").json() == service.get("/ready").json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("data", "fields", "status", "said"),
    [
        (b"no picture at all", {}, 415, "not a JPEG"),
        (b"", {}, 415, "the file is empty"),
        (b"\xff\xd8\xff" + b"damaged" * 20, {}, 422, "JPEG"),
        (bombs.png(50_000), {}, 413, "50000 x 50000 is more than 1,000,000 pixels"),
        (bytes(400_000), {}, 413, "more than 300,000 bytes"),
        (None, {"as": "fogg"}, 422, "`as=fogg`: no expert called 'fogg'"),
        (None, {"mask": "mask.png"}, 422, "`mask`: expected a file, not text"),
        (None, {"strengh": "1"}, 422, "did you mean 'strength'?"),
        (None, {"strength": "2"}, 422, "`strength=2`: expected 0 to 1"),
        (None, {"quality": "0"}, 422, "`quality=0`"),
        (None, {"format": "exe"}, 422, "`format=exe`"),
        (None, {"format": "jpg", "bit_depth": "16"}, 422, "holds 8 bits"),
        (None, {"max_steps": "1", "as": "noise"}, 422, "`max_steps`: chooses among what is found"),
        (None, {"luma": ["1", "0"]}, 422, "`luma`: given twice"),
        (None, {"as": "x" * 5000}, 400, "4KB"),
    ],
)
def test_bad_input_is_a_problem_and_the_next_is_answered(service, data, fields, status, said):
    got = service.post(picture=data, fields=fields)
    problem = got.json()
    assert (got.status_code, problem["status"]) == (status, status)
    assert got.headers["content-type"] == "application/problem+json"
    assert said in problem["detail"]
    assert str(service.pool) not in got.text
    assert service.post().status_code == 200


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Type": "multipart/form-data; boundary=x"}, b"garbage"),
        ({"Content-Type": "multipart/form-data; boundary=x"}, b"--x\r\nContent-Disposition: form-data; name=file\r\n"),
        ({"Content-Type": "multipart/form-data"}, b"--x--"),
        ({"Content-Type": "multipart/form-data; boundary=x"}, b""),
        ({"Content-Type": "image/png"}, photo()),
        ({"Content-Type": "multipart/form-data; boundary=x"}, b'--x\r\nContent-Disposition: form-data; name="file"; '
         b'filename="a.png"\r\n\r\n' + photo()),  # its end is missing
        ({}, b""),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:Exception ignored in")  # starlette leaves a file without an end to be collected
def test_a_broken_form_is_a_problem(service, headers, body):
    got = httpx.post(f"{service.url}/v1/restore", headers=headers, content=body, timeout=60)
    assert (got.status_code, got.headers["content-type"]) == (400, "application/problem+json")
    assert service.post().status_code == 200
    gc.collect()  # here, not in another test


def test_what_there_is_not_is_a_problem(service):
    assert service.get("/nothing").json()["status"] == 404
    assert service.get("/v1/restore").json()["status"] == 405
    assert service.post("/v1/restore/").status_code == 404
    assert service.get("/redoc").status_code == 404  # from another host


def test_the_document_names_every_path_and_option(service):
    document = service.get("/openapi.json").json()
    assert {*document["paths"]} == {
        *("/v1/restore", "/v1/diagnose", "/v1/experts", "/health", "/ready", "/metrics"),
        *("/v1/jobs", *(f"/v1/jobs/{{id}}{of}" for of in ("", "/events", "/zip", "/files/{number}"))),
    }
    restore = document["paths"]["/v1/restore"]["post"]
    form = restore["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert {"file", "as", "strength", "format", "quality", "max_steps", "min_confidence"} <= {*form["properties"]}
    assert {"200", "400", "401", "403", "408", "413", "415", "422", "429", "503", "504"} <= {*restore["responses"]}
    assert "application/problem+json" in restore["responses"]["415"]["content"]
    assert "//" not in json.dumps(document)  # nothing of another host


def test_each_of_many_gets_its_own_answer(service, restorer, tmp_path):
    """Fifty at once, each with a picture of its own."""
    photos = [photo(seed, side=16 + seed % 9) for seed in range(50)]
    expected = [by_job(restorer, tmp_path, data) for data in photos]
    assert len({*expected}) == 50
    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(lambda data: service.post(picture=data), photos))
    assert [got.status_code for got in answers] == [200] * 50
    assert [got.content for got in answers] == expected


def test_nothing_is_kept_and_metrics_count(service):
    import re

    service.post()
    # Its place is given back after its answer was sent, which may be read by then.
    until(lambda: re.search(r"^darnet_queue 0.0$", service.get("/metrics").text, re.MULTILINE))
    text = service.get("/metrics").text
    counted = dict(re.findall(r'darnet_requests_total\{path="/v1/restore",status="(\d+)"\} (\d+)', text))
    assert int(counted["200"]) >= 1
    assert re.search(r'darnet_stage_seconds_count\{stage="repair"\} [1-9]', text)
    assert re.search(r"^darnet_workers 1.0$", text, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_each_of_32_gets_its_own_answer_a_hundred_times(service, restorer, tmp_path):
    photos = [photo(seed, side=16 + seed) for seed in range(32)]
    expected = [by_job(restorer, tmp_path, data) for data in photos]
    assert len({*expected}) == 32
    with ThreadPoolExecutor(32) as threads:
        for _ in range(100):
            answers = list(threads.map(lambda data: service.post(picture=data), photos))
            assert [got.status_code for got in answers] == [200] * 32
            assert [got.content for got in answers] == expected
