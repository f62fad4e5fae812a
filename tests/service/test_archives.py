"""Archives that are written while they are sent."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from darnet.service.archives import apart, outcome_name, zipped


def test_files_come_back_as_they_are_under_their_names(tmp_path: Path) -> None:
    for name in ("1", "2"):
        (tmp_path / name).write_bytes(name.encode() * 200_000)
    parts = list(zipped([("ä.jpg", tmp_path / "1"), ("b.png", tmp_path / "2")], ["c.gif: damaged", "d.gif: cancelled"]))
    with zipfile.ZipFile(io.BytesIO(b"".join(parts))) as archive:
        assert archive.namelist() == ["ä.jpg", "b.png", "failures.txt"]
        assert archive.testzip() is None
        assert archive.read("b.png") == b"2" * 200_000
        assert archive.read("failures.txt") == b"c.gif: damaged\nd.gif: cancelled\n"
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}


def test_no_more_than_a_part_is_held(tmp_path: Path) -> None:
    """64 MB in all."""
    with (tmp_path / "large").open("wb") as file:
        file.truncate(32_000_000)
    tracemalloc.start()
    size = sum(len(part) for part in zipped([(name, tmp_path / "large") for name in ("a.bmp", "b.bmp")]))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 64_000_000
    assert peak < 8_000_000


def test_a_file_that_is_gone_is_no_archive(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(zipped([("a.jpg", tmp_path / "a.jpg")]))


@pytest.mark.parametrize(
    ("name", "written", "expected"),
    [
        ("photo.jpg", "picture.jpg", "photo.jpg"),
        ("photo.JPEG", "picture.jpg", "photo.JPEG"),
        ("photo.tif", "picture.png", "photo.png"),
        ("photo", "picture.png", "photo.png"),
        ("photo.2024", "picture.png", "photo.2024.png"),
        ("photo.pgm", "picture.ppm", "photo.pgm"),
    ],
)
def test_the_suffix_is_that_of_what_is_in_it(name: str, written: str, expected: str) -> None:
    assert outcome_name(name, Path(written)) == expected


def test_names_that_some_system_takes_for_one_are_told_apart() -> None:
    composed, decomposed = "\u00e4.jpg", "a\u0308.jpg"
    names = [composed, decomposed, "A.jpg", "a.jpg", "A (2).jpg", "failures.txt"]
    assert list(apart(names)) == [
        *(composed, "a\u0308 (2).jpg", "A.jpg", "a (2).jpg", "A (2) (2).jpg", "failures (2).txt"),
    ]
