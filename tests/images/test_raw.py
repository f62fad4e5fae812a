"""darnet.images.raw: raw files are called what they are, and plain TIFF files are not called raw."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from darnet.errors import ImageError
from darnet.images.formats import RAW, read_size
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


def sensor(path: Path) -> Path:
    """A DNG file, 48 × 32 and turned: red, green and blue under the filters of a sensor."""
    tifffile = pytest.importorskip("tifffile")
    rows, columns = np.mgrid[0:32, 0:48]
    values = np.where(rows % 2 == columns % 2, np.where(rows % 2, 3000, 12000), 8000).astype(np.uint16)
    unit = tuple(number for one in np.eye(3, dtype=int).ravel().tolist() for number in (one, 1))
    tags = [
        *((274, 3, 1, 6), (271, 2, 0, "Acme"), (33421, 3, 2, (2, 2)), (33422, 1, 4, bytes([0, 1, 1, 2]))),
        *((50706, 1, 4, bytes([1, 4, 0, 0])), (50708, 2, 0, "Acme One"), (50714, 3, 1, 0), (50717, 3, 1, 16383)),
        *((50721, 10, 9, unit), (50728, 5, 3, (1, 1, 1, 1, 1, 1))),
    ]
    extra = [(*tag, True) for tag in tags]
    tifffile.imwrite(path, values, photometric=32803, metadata=None, extratags=extra)
    return path


def test_a_raw_file_is_developed(tmp_path: Path) -> None:
    """Upright, with its EXIF, and larger ones are refused before."""
    pytest.importorskip("rawpy", reason="rawpy (the extra raw) is not installed")
    path = sensor(tmp_path / "photo.dng")
    picture = Image.read(path)
    assert (picture.array.shape, picture.array.dtype, picture.format) == ((48, 32, 3), np.uint16, RAW)
    red, green, blue = picture.array.reshape(-1, 3).mean(axis=0)
    assert red > green > blue
    assert read_size(path) == (48, 32)
    with PIL.Image.open(picture.write(tmp_path / "out.tif")) as out:
        assert out.getexif()[271] == "Acme"
    with pytest.raises(ImageError, match="is more than 100 pixels"):
        Image.read(sensor(tmp_path / "photo.cr2"), max_pixels=100)


def test_what_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rawpy", None)
    (tmp_path / "photo.cr2").write_bytes(HEADS["photo.cr2"] + BODY)
    with pytest.raises(ImageError, match=r"needs rawpy .*: pip install 'darnet\[raw\]'; or export it"):
        Image.read(tmp_path / "photo.cr2")
