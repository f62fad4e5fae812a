"""Forms of many pictures, in parts of any size."""

from __future__ import annotations

from pathlib import Path

import pytest
from python_multipart.exceptions import FormParserError
from starlette.exceptions import HTTPException

from darnet.service.forms import Form, plain
from darnet.service.limits import Limits

LIMITS = Limits(max_bytes=1000, job_files=3)


def part(name: str, data: bytes, file: str | None = None, more: str = "") -> bytes:
    what = f'; filename="{file}"' if file is not None else ""
    return f'--x\r\nContent-Disposition: form-data; name="{name}"{what}\r\n{more}\r\n'.encode() + data + b"\r\n"


def form(folder: Path, *parts: bytes, step: int = 10**6, end: bytes = b"--x--\r\n") -> Form:
    came = Form(b"x", folder, LIMITS)
    whole = b"".join(parts) + end
    try:
        for at in range(0, len(whole), step):
            came.write(whole[at : at + step])
    finally:
        came.close()
    return came


@pytest.mark.parametrize("step", [1, 3, 10**6])
def test_pictures_and_fields_whatever_the_parts(tmp_path: Path, step: int) -> None:
    parts = [part("as", b"noise"), part("file", b"\r\n--one", "a.png"), part("as", "ä".encode()), part("file", b"", "")]
    came = form(tmp_path, *parts, step=step)
    assert came.complete
    assert came.names == ["a.png", "picture"]
    assert came.fields == [("as", "noise"), ("as", "ä")]
    assert [one.picture.read_bytes() for one in came.submissions()] == [b"\r\n--one", b""]
    assert len({one.output for one in came.submissions()}) == 2


@pytest.mark.parametrize(
    ("parts", "status", "said"),
    [
        ([part("file", b"", "a")] * 4, 413, "more than 3 pictures"),
        ([part("file", b"1", "a"), part("file", bytes(1001), "b")], 413, "picture 2 has more than 1,000 bytes"),
        ([part("mask", b"1", "a")], 422, "`mask`"),
        ([part("as", b"x")] * 65, 400, "more than 64 fields"),
        ([part("as", b"x" * 5000)], 400, "`as`: more than 4096 characters"),
        ([part("as", b"", more="X: " + "y" * 5000 + "\r\n")], 400, "headers"),
    ],
)
@pytest.mark.parametrize("step", [1, 10**6])
def test_what_is_too_much_is_a_problem(tmp_path, parts, status, said, step) -> None:
    with pytest.raises((HTTPException, FormParserError)) as raised:
        form(tmp_path, *parts, step=step)
    if isinstance(raised.value, HTTPException):  # newer parsers bound headers themselves
        assert (raised.value.status_code, said in raised.value.detail) == (status, True)
    else:
        assert said == "headers"


def test_a_form_without_its_end_is_not_complete(tmp_path: Path) -> None:
    assert not form(tmp_path, part("file", b"1", "a"), end=b"").complete
    with pytest.raises(FormParserError):
        form(tmp_path / "none", b"garbage")


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("photo.jpg", "photo.jpg"),
        ("/etc/passwd", "passwd"),
        ("..\\..\\a.png", "a.png"),
        ("a/..", "picture"),
        ("", "picture"),
        ("a\x1b[31m\n.png", "a_[31m_.png"),
        (".jpg", ".jpg"),
        ("x" * 500 + ".jpeg", "x" * 115 + ".jpeg"),
        ("%22a%22%0D%0A.png", '"a"__.png'),
        ("photo.thisisalongextension", "photo.thisisalongextension"),
        ("😀" * 100 + ".png", "😀" * 50 + ".png"),
    ],
)
def test_a_name_is_no_path_and_steers_nothing(name: str, kept: str) -> None:
    assert plain(name) == kept
