"""darnet.images.scratch and rows: large pictures lie in files, and are what small ones are."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

import numpy as np
import pytest

from darnet.errors import ImageError, ResourceError
from darnet.images import rows, scratch
from darnet.images.image import Image

RANDOM = np.random.default_rng(0)


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is large, and only few rows are looked at at once."""
    monkeypatch.setattr(scratch, "MOST_BYTES", 256)
    monkeypatch.setattr(scratch, "AT_ONCE", 500)


def is_mapped(array: np.ndarray) -> bool:
    while isinstance(array, np.ndarray) and array.base is not None:
        array = array.base
    return isinstance(array.obj if isinstance(array, memoryview) else array, mmap.mmap)


def test_what_is_released_is_still_there(large: None) -> None:
    array = scratch.empty((40, 50, 3), np.uint16)
    assert is_mapped(array)
    array[:] = RANDOM.integers(0, 65536, array.shape)
    before = array.tolist()
    scratch.release()
    assert array.tolist() == before
    np.testing.assert_array_equal(scratch.copied(array), array)


def test_small_arrays_lie_in_memory() -> None:
    assert not is_mapped(scratch.empty((4, 5, 3), np.uint8))


def test_no_room_is_an_error(large: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(scratch, "TemporaryFile", refused)
    with pytest.raises(ResourceError, match="no room for 1,000 bytes among temporary files: no space left"):
        scratch.empty((1000,), np.uint8)


PICTURES = [
    Image((RANDOM.random((60, 50, 3)) * 255).astype(np.uint8)),
    Image((RANDOM.random((60, 50, 1)) * 65535).astype(np.uint16)),
    Image(RANDOM.random((60, 50, 3)).astype(np.float32)),
    Image((RANDOM.random((60, 50, 3)) * 255).astype(np.uint8), (RANDOM.random((60, 50)) * 255).astype(np.uint8)),
]


@pytest.mark.filterwarnings("ignore:.*without transparency")
@pytest.mark.parametrize("picture", PICTURES, ids=["8 bits", "grey, 16 bits", "floats", "alpha"])
@pytest.mark.parametrize("suffix", ["tif", "png", "jpg", "webp"])
def test_large_files_are_what_small_ones_are(
    picture: Image, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, large = tmp_path / f"small.{suffix}", tmp_path / f"large.{suffix}"
    picture.write(small)
    before = Image.read(small)
    monkeypatch.setattr(scratch, "MOST_BYTES", 256)
    monkeypatch.setattr(scratch, "AT_ONCE", 500)
    picture.write(large)
    after = Image.read(large)
    assert is_mapped(after.array)
    np.testing.assert_array_equal(after.array, before.array)
    assert (after.alpha is None) is (before.alpha is None)
    if after.alpha is not None and before.alpha is not None:
        np.testing.assert_array_equal(after.alpha, before.alpha)
    assert after.array.dtype == before.array.dtype


@pytest.mark.parametrize("orientation", [3, 6])
def test_a_large_picture_is_turned(orientation: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyvips

    image = pyvips.Image.new_from_array(PICTURES[0].array).copy(interpretation="srgb")
    image = image.copy()
    image.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    image.write_to_file(str(tmp_path / "turned.tif"))
    before = Image.read(tmp_path / "turned.tif")
    monkeypatch.setattr(scratch, "MOST_BYTES", 256)
    np.testing.assert_array_equal(Image.read(tmp_path / "turned.tif").array, before.array)


def test_the_exif_of_a_large_tiff_is_what_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import PIL.Image

    exif = PIL.Image.Exif()
    exif[0x10F], exif[0x110] = "Maker", "Model"
    PIL.Image.fromarray(PICTURES[0].array).save(tmp_path / "in.tif", exif=exif)
    Image.read(tmp_path / "in.tif").write(tmp_path / "small.tif")
    monkeypatch.setattr(scratch, "MOST_BYTES", 256)
    Image.read(tmp_path / "in.tif").write(tmp_path / "large.tif")
    tags = []
    for name in ("small", "large"):
        with PIL.Image.open(tmp_path / f"{name}.tif") as file:
            tags.append(dict(file.getexif()))
            file.load()
    assert tags[1][0x10F] == "Maker"
    assert tags[1] == tags[0]


def test_a_large_file_that_is_cut_off_is_named(large: None, tmp_path: Path) -> None:
    whole = tmp_path / "cut.tif"
    PICTURES[0].write(whole)
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(ImageError, match=r"cut\.tif: damaged or incomplete TIFF"):
        Image.read(whole)


def test_nothing_is_left_of_a_large_file_that_fails(
    large: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out.tif"
    target.write_bytes(b"before")

    def fails(image: object, codec: str, path: Path, options: object) -> None:
        path.write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(rows, "save", fails)
    with pytest.raises(ImageError, match=r"out\.tif: no space left"):
        PICTURES[0].write(target)
    assert os.listdir(tmp_path) == ["out.tif"]  # noqa: PTH208
    assert target.read_bytes() == b"before"
