"""darnet.images.sidedata: a file that was changed where it lies is the one that was changed in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from darnet.images import scratch, sidedata
from darnet.images.image import Image

PICTURE = np.random.default_rng(1).integers(0, 256, (40, 50, 3), np.uint8)


def fields() -> dict[str, object]:
    exif = PIL.Image.Exif()
    exif[0x10F] = "Acme"
    block = b"Exif\0\0" + exif.tobytes().removeprefix(b"Exif\0\0")
    return {"exif-data": block, "xres": 11.811, "yres": 11.811, "xmp-data": b"<x>town</x>"}


@pytest.mark.parametrize("format", ["jpeg", "png", "tiff", "webp", "avif"])
def test_large_files_are_as_small_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str) -> None:
    own = {"jpeg": {"jpeg-segments": b"\xff\xfe\0\7hello"}, "avif": {"nclx": b"\0\x09\0\x10"}}.get(format, {})
    picture = Image(PICTURE, metadata=fields() | own)
    small = picture.write(tmp_path / f"small.{format}").read_bytes()
    monkeypatch.setattr(scratch, "MOST_BYTES", 1000)
    assert picture.write(tmp_path / f"large.{format}").read_bytes() == small
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"large.{format}", f"small.{format}"]
    if own:
        assert b"hello" in small or b"\0\x09\0\x10" in small


def test_a_webp_stays_the_same_bytes() -> None:
    data = Image.of(PICTURE).encode("webp")
    assert sidedata.add(Path("x.webp"), "webp", data, {}, (40, 50)) is data
