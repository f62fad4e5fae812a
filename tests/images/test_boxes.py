"""darnet.images.boxes: an AVIF file is coded as it came, and says what its colours mean."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import pyvips

from darnet.images import boxes, sidedata
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


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_hdr_stays_and_is_said(tmp_path: Path, transfer: int, name: str, lossless: bool) -> None:
    """Where libvips writes no such box one more is put in, and all that lies behind is found as before."""
    source = meant(avif(tmp_path / "in.avif", SMALL.astype(np.uint16) * 257, bitdepth=10, lossless=True), 9, transfer)
    with overheard() as said:
        picture = Image.read(source)
    assert [one.reason for one in said] == [f"its colours are HDR ({name}); they are repaired as if they were sRGB"]
    fields = {**picture.metadata, "exif-data": b"Exif\0\0" + PIL.Image.Exif().tobytes()[6:], "xmp-data": b"<x>town</x>"}
    alpha = picture.array[..., 0].copy()
    rich = replace(picture, metadata=fields, alpha=alpha, profile=bytes(pyvips.Image.profile_load("p3")))
    quality = None if lossless else 90
    plain = replace(rich, metadata={name: value for name, value in fields.items() if name != "nclx"})
    with overheard() as said:
        again = Image.read(rich.write(tmp_path / "out.avif", quality=quality))
        without = Image.read(plain.write(tmp_path / "plain.avif", quality=quality))
    assert len(said) == 1
    assert again.metadata["nclx"] == picture.metadata["nclx"] == struct.pack(">2H", 9, transfer)
    np.testing.assert_array_equal(again.array, without.array)
    np.testing.assert_array_equal(again.alpha, without.alpha)
    assert (again.profile, again.metadata["xmp-data"]) == (rich.profile, b"<x>town</x>")
    with PIL.Image.open(tmp_path / "out.avif") as opened:
        opened.load()
    with overheard():
        bare = Image.read(picture.write(tmp_path / "bare.avif", metadata="strip"))
    assert bare.metadata["nclx"] == picture.metadata["nclx"]
    with pytest.warns(UserWarning, match="PNG files are written without HDR of an AVIF file"):
        picture.write(tmp_path / "out.png")


def test_boxes_that_lie_otherwise_lose_the_picture_nothing(tmp_path: Path) -> None:
    data = bytearray(avif(tmp_path / "in.avif", Q=80).read_bytes())
    data[data.index(b"iloc") + 4] = 2
    field = {"nclx": struct.pack(">2H", 9, 16)}
    with pytest.warns(UserWarning, match="what its colours mean is not written"):
        assert sidedata.add(Path("x.avif"), "avif", bytes(data), field, (24, 32)) == data


def test_a_gain_map_is_missed(tmp_path: Path) -> None:
    data = avif(tmp_path / "in.avif").read_bytes()
    with overheard() as said:
        boxes.read(Path("x.avif"), io.BytesIO(data[:16] + b"tmap" + data[20:]))
    assert ["gain map" in one.reason for one in said] == [True]
