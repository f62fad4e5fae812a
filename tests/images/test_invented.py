"""darnet.images.invented: the EXIF of WebP and AVIF says what the picture's own did, and no more."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from darnet.images import scratch
from darnet.images.image import Image
from darnet.images.invented import EXIF, taken_back
from darnet.images.signature import PREFIX

PICTURE = np.random.default_rng(1).integers(0, 256, (40, 50, 3), np.uint8)
FORMATS = pytest.mark.parametrize("format", ["webp", "avif"])
DESCRIPTION, TAKEN, COLOURS = 0x10E, 0x9003, 0xA001


def block(about: dict[int, object], details: dict[int, object]) -> bytes:
    exif = PIL.Image.Exif()
    exif.update(about)
    exif.get_ifd(EXIF).update(details)
    return PREFIX + exif.tobytes().removeprefix(PREFIX)


def found(path: Path) -> tuple[dict[int, object], dict[int, object]]:
    with PIL.Image.open(path) as picture:
        tags = picture.getexif()
        details = dict(tags.get_ifd(EXIF))
    return {tag: value for tag, value in tags.items() if tag != EXIF}, details


@FORMATS
@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("details", [{}, {TAKEN: "2024:05:06 07:08:09"}])
def test_tags_are_those_that_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str, large: bool, details: dict[int, object]
) -> None:
    picture = Image(PICTURE, metadata={"exif-data": block({DESCRIPTION: "old town"}, details)})
    if large:
        monkeypatch.setattr(scratch, "MOST_BYTES", 1000)
    out = picture.write(tmp_path / f"out.{format}")
    assert found(out) == ({DESCRIPTION: "old town"}, details)
    assert Image.read(out).array.shape == PICTURE.shape
    again = Image.read(out).write(tmp_path / f"again.{format}")
    assert found(again) == ({DESCRIPTION: "old town"}, details)


@FORMATS
def test_what_came_stays_and_is_right(tmp_path: Path, format: str) -> None:
    about = {0x112: 1, 0x11A: 72.0, 0x11B: 72.0, 0x128: 2}
    details = {COLOURS: 1, 0xA002: 4000, 0xA003: 3000, 0x9000: b"0232"}
    out = Image(PICTURE, metadata={"exif-data": block(about, details)}).write(tmp_path / f"out.{format}")
    assert found(out)[0].keys() == about.keys()
    assert found(out)[1] == details | {0xA002: 50, 0xA003: 40}


@FORMATS
def test_density_alone(tmp_path: Path, format: str) -> None:
    out = Image(PICTURE, metadata={"xres": 10.0, "yres": 5.0}).write(tmp_path / f"out.{format}")
    assert found(out)[0].keys() == {0x11A, 0x11B, 0x128}
    assert found(out)[1] == {}
    read = Image.read(out).metadata
    assert (read["xres"], read["yres"]) == pytest.approx((10, 5), rel=1e-3)


def test_what_is_damaged_or_says_nothing_stays_the_same_bytes() -> None:
    data = Image(PICTURE, metadata={"exif-data": block({DESCRIPTION: "old town"}, {})}).encode("webp")
    assert taken_back(data, {}) is data
    for damaged in (b"Exif\0\0II", b"Exif\0\0II*\0\xff\xff\xff\x7f", b"Exif\0\0nonsense"):
        assert taken_back(data, {"exif-data": damaged}) is data
        cut = data[: data.index(PREFIX)] + damaged
        assert taken_back(cut, {"exif-data": block({DESCRIPTION: "old town"}, {})}) is cut
