"""darnet.images.netpbm: every kind of file is read, and what is damaged is named."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from darnet.errors import ImageError
from darnet.images import netpbm
from darnet.images.image import Image

VALUES = np.random.default_rng(3).integers(0, 256, (5, 11, 3), np.uint8)


def read(data: bytes) -> np.ndarray:
    return netpbm.decode(Path("x.ppm"), data, lambda *_: None)[0]


def plain(kind: str, values: np.ndarray, most: int) -> bytes:
    height, width = values.shape[:2]
    head = f"P{kind} # a comment\n{width}\n# another\n{height}\n" + (f"{most}\n" if kind != "1" else "")
    return (head + "\n".join(" ".join(map(str, row)) for row in values.reshape(height, -1).tolist())).encode()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_written_is_read_by_everyone(dtype: type, channels: int) -> None:
    values = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (7, 9, channels), dtype)
    data = netpbm.encode(values)
    np.testing.assert_array_equal(read(data), values)
    if dtype is np.uint8:
        with PIL.Image.open(io.BytesIO(data)) as picture:
            np.testing.assert_array_equal(np.asarray(picture).reshape(values.shape), values)


def test_plain_files_and_those_of_other_ranges() -> None:
    np.testing.assert_array_equal(read(plain("3", VALUES, 255)), VALUES)
    np.testing.assert_array_equal(read(plain("2", VALUES[..., :1] // 64, 3)), VALUES[..., :1] // 64 * 85)
    twelve = VALUES.astype(np.uint16) * 16
    wanted = np.rint(twelve * (65535 / 4095)).astype(np.uint16)
    np.testing.assert_array_equal(read(plain("3", twelve, 4095)), wanted)
    raw = b"P6 11 5 4095\n" + twelve.astype(">u2").tobytes()
    np.testing.assert_array_equal(read(raw), wanted)


def test_bits() -> None:
    black = VALUES[..., :1] > 127
    wanted = np.where(black, 0, 255)
    np.testing.assert_array_equal(read(plain("1", black.astype(int), 1)), wanted)
    packed = "".join("01"[one] for one in black.ravel().astype(int)).encode()
    np.testing.assert_array_equal(read(b"P1 11 5\n" + packed), wanted)
    np.testing.assert_array_equal(read(b"P4 11 5\n" + np.packbits(black[..., 0], axis=1).tobytes()), wanted)


@pytest.mark.parametrize(
    "data",
    [
        b"P6",
        b"P6 3 3",
        b"P6 0 3 255\n",
        b"P6 3 3 0\n" + bytes(27),
        b"P6 3 3 70000\n" + bytes(54),
        b"P6 3 3 255\n" + bytes(26),
        b"P5 2 1 100\n\xff\0",
        b"P3 1 1 255 1 2",
        b"P4 9 2\n\0\0\0",
        b"P6 x 3 255\n",
    ],
)
def test_what_is_damaged_is_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.ppm").write_bytes(data)
    with pytest.raises(ImageError, match=r"x\.ppm: (damaged or incomplete PPM file|not a JPEG)"):
        Image.read(tmp_path / "x.ppm")


def test_large_ones_are_refused_before_they_are_read_and_several_too(tmp_path: Path) -> None:
    (tmp_path / "x.ppm").write_bytes(b"P6 100000 100000 255\n")
    with pytest.raises(ImageError, match="is more than"):
        Image.read(tmp_path / "x.ppm")
    (tmp_path / "x.ppm").write_bytes(2 * netpbm.encode(VALUES))
    with pytest.raises(ImageError, match="several pages"):
        Image.read(tmp_path / "x.ppm")
    first = Image.read(tmp_path / "x.ppm", pages="first")
    assert first.more
    np.testing.assert_array_equal(first.array, VALUES)
    with pytest.raises(ImageError, match=r"of which the first alone can be restored: `first=True`"):
        Image.read(tmp_path / "x.ppm", pages="all")
