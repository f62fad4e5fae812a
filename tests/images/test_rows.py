"""darnet.images.rows: large files are read and written row by row, and are what small ones are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import pyvips

from darnet.errors import ImageError
from darnet.images import rows, scratch
from darnet.images.image import Image

RANDOM = np.random.default_rng(0)


def limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on everything is large, and only few rows are looked at at once."""
    monkeypatch.setattr(scratch, "MOST_BYTES", 256)
    monkeypatch.setattr(scratch, "AT_ONCE", 500)


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
    limit(monkeypatch)
    picture.write(large)
    after = Image.read(large)
    np.testing.assert_array_equal(after.array, before.array)
    assert (after.alpha is None) is (before.alpha is None)
    if after.alpha is not None and before.alpha is not None:
        np.testing.assert_array_equal(after.alpha, before.alpha)
    assert after.array.dtype == before.array.dtype


@pytest.mark.parametrize("orientation", [3, 6])
def test_a_large_picture_is_turned(orientation: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = pyvips.Image.new_from_array(PICTURES[0].array).copy(interpretation="srgb")
    image = image.copy()
    image.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    image.write_to_file(str(tmp_path / "turned.tif"))
    before = Image.read(tmp_path / "turned.tif")
    limit(monkeypatch)
    np.testing.assert_array_equal(Image.read(tmp_path / "turned.tif").array, before.array)


def test_the_exif_of_a_large_tiff_is_what_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exif = PIL.Image.Exif()
    exif[0x10F], exif[0x110] = "Maker", "Model"
    PIL.Image.fromarray(PICTURES[0].array).save(tmp_path / "in.tif", exif=exif)
    Image.read(tmp_path / "in.tif").write(tmp_path / "small.tif")
    limit(monkeypatch)
    Image.read(tmp_path / "in.tif").write(tmp_path / "large.tif")
    tags = []
    for name in ("small", "large"):
        with PIL.Image.open(tmp_path / f"{name}.tif") as file:
            tags.append(dict(file.getexif()))
            file.load()
    assert tags[1][0x10F] == "Maker"
    assert tags[1] == tags[0]


def test_a_large_file_that_is_cut_off_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit(monkeypatch)
    whole = tmp_path / "cut.tif"
    PICTURES[0].write(whole)
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(ImageError, match=r"cut\.tif: damaged or incomplete TIFF"):
        Image.read(whole)


def test_nothing_is_left_of_a_large_file_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit(monkeypatch)
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


#: Reads a large file that somebody shortens once it is opened; prints what is said of it.
SHORTENED = """
import sys
from pathlib import Path
from darnet.errors import ImageError
from darnet.images import rows, scratch
from darnet.images.image import Image

scratch.MOST_BYTES, scratch.AT_ONCE = 2**16, 2**16
path, before = Path(sys.argv[1]), rows.upright

def shortened(image):
    with path.open("r+b") as file:
        file.truncate(2**15)
    return before(image)

rows.upright = shortened
try:
    Image.read(path)
except ImageError as error:
    print(error)
"""


@pytest.mark.parametrize("suffix", ["tif", "png", "jpg", "avif"])
def test_a_file_that_is_shortened_while_it_is_read_is_named(suffix: str, tmp_path: Path) -> None:
    """Were it mapped, the process would be ended by a signal (SIGBUS)."""
    path = tmp_path / f"photo.{suffix}"
    noise = Image((RANDOM.random((400, 500, 3)) * 255).astype(np.uint8)).write(path)
    assert noise.stat().st_size > 2**17
    ran = subprocess.run([sys.executable, "-c", SHORTENED, path], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, (ran.returncode, ran.stderr)
    assert f"photo.{suffix}: damaged or incomplete" in ran.stdout


@pytest.mark.parametrize("suffix", ["tif", "png", "jpg", "webp", "avif"])
def test_no_large_file_is_mapped(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("what is mapped is read from /proc")
    path = PICTURES[0].write(tmp_path / f"unmapped.{suffix}")
    limit(monkeypatch)
    seen, before = list[str](), rows.decoded

    def decoded(image: object) -> object:
        array = before(image)
        seen.append(maps.read_text())
        return array

    monkeypatch.setattr(rows, "decoded", decoded)
    Image.read(path)
    assert len(seen) == 1
    assert "unmapped" not in seen[0]
