"""darnet.images.raw: raw files are called what they are, and plain TIFF files are not called raw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from darnet.errors import ImageError
from darnet.images.image import Image

BODY = bytes(range(256)) * 4
HEADS = {
    "photo.cr2": b"II*\0\x10\0\0\0CR\x02\0",
    "photo.cr3": b"\0\0\0\x18ftypcrx \0\0\0\1",
    "photo.orf": b"IIRO\x08\0\0\0",
    "photo.rw2": b"IIU\0\x18\0\0\0",
    "photo.raf": b"FUJIFILMCCD-RAW 0201",
    "photo.nef": b"MM\0*\0\0\0\x08",
    "photo.ARW": b"II*\0\x08\0\0\0",
}


@pytest.mark.parametrize("name", HEADS)
def test_a_raw_file_is_called_one(tmp_path: Path, name: str) -> None:
    """A CR2 was once a "damaged or incomplete TIFF file"."""
    (tmp_path / name).write_bytes(HEADS[name] + BODY)
    with pytest.raises(ImageError, match=f"{name}: .*camera raw file"):
        Image.read(tmp_path / name)


def test_a_damaged_tiff_is_still_that(tmp_path: Path) -> None:
    (tmp_path / "photo.tif").write_bytes(b"II*\0\x08\0\0\0" + BODY)
    with pytest.raises(ImageError, match="damaged or incomplete TIFF"):
        Image.read(tmp_path / "photo.tif")


def test_a_tiff_that_can_be_read_is_read_whatever_it_is_called(tmp_path: Path) -> None:
    picture = np.full((9, 7, 3), 67, np.uint8)
    picture[..., 1] = 82  # C R C ...
    PIL.Image.fromarray(picture).save(tmp_path / "photo.dng", "TIFF")
    np.testing.assert_array_equal(Image.read(tmp_path / "photo.dng").array, picture)
