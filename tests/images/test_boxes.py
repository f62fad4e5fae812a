"""darnet.images.boxes: an AVIF file is coded as it came, and says what its colours mean."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import pyvips

from darnet.images import boxes
from darnet.images.image import Image
from darnet.notices import overheard

SMALL = np.random.default_rng(1).integers(0, 256, (24, 32, 3), np.uint8)


def avif(path: Path, values: np.ndarray = SMALL, **options: object) -> Path:
    image = pyvips.Image.new_from_array(values).copy(interpretation="srgb" if values.dtype == np.uint8 else "rgb16")
    image.heifsave(str(path), compression="av1", **options)
    return path


def meant(path: Path, primaries: int, transfer: int) -> Path:
    data = path.read_bytes()
    at = data.index(boxes.NUMBERS) + len(boxes.NUMBERS)
    path.write_bytes(data[:at] + struct.pack(">2H", primaries, transfer) + data[at + 4 :])
    return path


def test_lossless_stays_lossless(tmp_path: Path) -> None:
    picture = Image.read(avif(tmp_path / "in.avif", lossless=True))
    assert picture.coding.lossless
    np.testing.assert_array_equal(picture.array, SMALL)
    again = Image.read(picture.write(tmp_path / "out.avif"))
    np.testing.assert_array_equal(again.array, SMALL)
    assert again.coding.lossless
    assert not Image.read(picture.write(tmp_path / "lossy.avif", quality=50)).coding.lossless
    assert not Image.read(avif(tmp_path / "lossy.avif", Q=80)).coding.lossless


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_the_depth_stays(tmp_path: Path, bits: int) -> None:
    values = SMALL if bits == 8 else SMALL.astype(np.uint16) * 257
    picture = Image.read(avif(tmp_path / "in.avif", values, bitdepth=bits, Q=95, subsample_mode="off"))
    stored = pyvips.Image.new_from_file(str(picture.write(tmp_path / "out.avif")))
    assert stored.get("bits-per-sample") == bits
    bare = pyvips.Image.new_from_file(str(picture.write(tmp_path / "out.avif", metadata="strip")))
    assert bare.get("bits-per-sample") == bits


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_hdr_stays_and_is_said(tmp_path: Path, transfer: int, name: str) -> None:
    source = meant(avif(tmp_path / "in.avif", SMALL.astype(np.uint16) * 257, bitdepth=10, lossless=True), 9, transfer)
    with overheard() as said:
        picture = Image.read(source)
    assert [one.reason for one in said] == [f"its colours are HDR ({name}); they are repaired as if they were sRGB"]
    with overheard():
        again = Image.read(picture.write(tmp_path / "out.avif", metadata="strip"))
    assert again.metadata["nclx"] == picture.metadata["nclx"] == struct.pack(">2H", 9, transfer)
    np.testing.assert_array_equal(again.array, picture.array)
    with pytest.warns(UserWarning, match="its HDR colours are not named in the new file"):
        picture.write(tmp_path / "out.avif", quality=90)
    with pytest.warns(UserWarning, match="PNG files are written without HDR of an AVIF file"):
        picture.write(tmp_path / "out.png")


def test_a_gain_map_is_missed(tmp_path: Path) -> None:
    data = avif(tmp_path / "in.avif").read_bytes()
    with overheard() as said:
        boxes.read(Path("x.avif"), io.BytesIO(data[:16] + b"tmap" + data[20:]))
    assert ["gain map" in one.reason for one in said] == [True]
