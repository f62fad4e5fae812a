"""A restored picture as an answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from darnet.images.formats import SUFFIXES
from darnet.restore.result import Treatment
from darnet.service.answers import FORM, HEADER_CHARACTERS, JSON, PNG, headers, media_type, preferred


def test_every_format_has_a_type() -> None:
    assert {media_type(Path(f"a{suffix}")) for suffix in SUFFIXES} == {
        *("image/jpeg", "image/png", "image/tiff", "image/webp", "image/avif", "image/gif", "image/bmp"),
        *("image/x-portable-anymap", "image/jp2", "image/jxl", "image/heic"),
    }


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", ""),
        ("*/*", ""),
        ("image/*", ""),
        ("application/json", JSON),
        ("application/json;q=0.9, text/html", JSON),
        ("application/json, */*", ""),
        ("APPLICATION/JSON", JSON),
        ("multipart/form-data", FORM),
        ("multipart/form-data, application/json", FORM),
        ("multipart/form-data, image/png", ""),
        ("image/png", PNG),
        ("image/png, image/jpeg", ""),
    ],
)
def test_what_is_asked_for_alone_is_answered(accept, wanted) -> None:
    assert preferred(accept) == wanted


def test_headers_are_ascii_and_of_bounded_length() -> None:
    treatment = Treatment((), 1.0, False, ("σ ≈ 24\r\nX-Evil: 1",) * 500, stages={"open": 0.004})
    said = headers(treatment)
    assert all(value.isascii() and "\n" not in value and len(value) <= HEADER_CHARACTERS for value in said.values())
    warnings = json.loads(said["X-Darnet-Warnings"])
    assert 1 < len(warnings) < 500
    assert warnings[0] == "σ ≈ 24\r\nX-Evil: 1"
    assert said["Server-Timing"] == "open;dur=4.0"
