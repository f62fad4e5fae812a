"""What a header says is what the picture is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from darnet.errors import ImageError
from darnet.images.formats import read_size
from darnet.images.image import Image
from pictures import AVAILABLE


@pytest.mark.parametrize("suffix", sorted(AVAILABLE))
def test_a_header_has_the_size_of_its_picture(tmp_path: Path, suffix: str) -> None:
    path = Image.of(np.zeros((21, 34, 3), np.uint8)).write(tmp_path / f"a{suffix}")
    assert read_size(path) == (21, 34) == Image.read(path).array.shape[:2]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_is_the_upright_picture(tmp_path: Path, orientation: int) -> None:
    exif = PIL.Image.Exif()
    exif[274] = orientation
    PIL.Image.new("RGB", (34, 21)).save(tmp_path / "turned.jpg", exif=exif)
    assert read_size(tmp_path / "turned.jpg") == Image.read(tmp_path / "turned.jpg").array.shape[:2]


def test_a_name_that_libvips_cannot_be_given(tmp_path: Path) -> None:
    path = tmp_path / "\udcff.png"
    path.write_bytes(Image.of(np.zeros((2, 3, 3), np.uint8)).write(tmp_path / "a.png").read_bytes())
    assert read_size(path) == (2, 3)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"text", "not a JPEG, PNG"),
        (b"\x89PNG\r\n\x1a\nrubbish", "damaged or incomplete PNG"),
    ],
    ids=["empty", "text", "rubbish"],
)
def test_what_is_no_picture_is_named(tmp_path: Path, data: bytes, reason: str) -> None:
    (tmp_path / "bad.png").write_bytes(data)
    with pytest.raises(ImageError, match=rf"bad\.png: .*{reason}"):
        read_size(tmp_path / "bad.png")
    with pytest.raises(ImageError, match=r"gone\.png: no such file"):
        read_size(tmp_path / "gone.png")


def test_several_pages_are_refused_by_the_header(tmp_path: Path) -> None:
    page = PIL.Image.new("RGB", (8, 8))
    page.save(tmp_path / "pages.tif", save_all=True, append_images=[page])
    page.save(tmp_path / "film.png", save_all=True, append_images=[PIL.Image.new("RGB", (8, 8), "red")])
    for name in ("pages.tif", "film.png"):
        with pytest.raises(ImageError, match="pages"):
            read_size(tmp_path / name)
