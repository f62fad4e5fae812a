"""darnet.images.decoding: what libvips shows wrongly is shown rightly, or refused in words."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import pyvips

from darnet.errors import ImageError
from darnet.images.image import Image

ROWS, COLUMNS = np.mgrid[0:1:40j, 0:1:48j]
SMOOTH = (255 * np.stack([ROWS, COLUMNS, (ROWS + COLUMNS) / 2], axis=2)).astype(np.uint8)


def patched(path: Path, tag: int, value: int) -> Path:
    """A TIFF file with another number in an entry of its first directory."""
    data = bytearray(path.read_bytes())
    (at,) = struct.unpack_from("<I", data, 4)
    for entry in range(at + 2, at + 2 + 12 * struct.unpack_from("<H", data, at)[0], 12):
        if struct.unpack_from("<H", data, entry)[0] == tag:
            struct.pack_into("<H", data, entry + 8, value)
    path.write_bytes(data)
    return path


def test_ycbcr_is_no_rgb(tmp_path: Path) -> None:
    """Its chroma was once shown as green and blue."""
    picture = PIL.Image.fromarray(SMOOTH)
    picture.convert("YCbCr").save(tmp_path / "x.tif")
    np.testing.assert_allclose(Image.read(tmp_path / "x.tif").array.astype(int), SMOOTH, atol=3)


@pytest.mark.parametrize("options", [{"compression": "jpeg", "Q": 95}, {"compression": "lzw", "tile": True}])
def test_other_tiff_files_are_right(tmp_path: Path, options: dict) -> None:
    pyvips.Image.new_from_array(SMOOTH).copy(interpretation="srgb").tiffsave(str(tmp_path / "x.tif"), **options)
    np.testing.assert_allclose(Image.read(tmp_path / "x.tif").array.astype(int), SMOOTH, atol=8)


def test_planes_that_lie_apart(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "x.tif", np.moveaxis(SMOOTH, 2, 0), planarconfig="separate", photometric="rgb")
    np.testing.assert_array_equal(Image.read(tmp_path / "x.tif").array, SMOOTH)


@pytest.mark.parametrize(
    ("tag", "value", "reason"),
    [
        (259, 6, "JPEG in TIFF as of 1992 is not supported"),
        (262, 6, "YCbCr with subsampled chroma are not supported"),
    ],
)
def test_what_would_be_shown_wrongly_is_refused(tmp_path: Path, tag: int, value: int, reason: str) -> None:
    PIL.Image.fromarray(SMOOTH).save(tmp_path / "x.tif")
    with pytest.raises(ImageError, match=rf"x\.tif: .*{reason}"):
        Image.read(patched(tmp_path / "x.tif", tag, value))


def test_a_depth_that_is_not_read_is_no_damage(tmp_path: Path) -> None:
    PIL.Image.fromarray(SMOOTH[..., 0]).save(tmp_path / "x.tif")
    for pages in ("one", "all"):
        with pytest.raises(ImageError, match="TIFF files of 12 bits per sample are not supported"):
            Image.read(patched(tmp_path / "x.tif", 258, 12), pages=pages)


def test_a_smaller_copy_is_no_page(tmp_path: Path) -> None:
    first, second = PIL.Image.fromarray(SMOOTH), PIL.Image.fromarray(SMOOTH[::2, ::2])
    second.encoderinfo = {"tiffinfo": {254: 1}}
    first.save(tmp_path / "x.tif", save_all=True, append_images=[second])
    with pytest.raises(ImageError, match="sub-images"):
        Image.read(tmp_path / "x.tif", pages="all")
    np.testing.assert_array_equal(Image.read(tmp_path / "x.tif", pages="first").array, SMOOTH)


def test_lossless_webp_stays_lossless(tmp_path: Path) -> None:
    PIL.Image.fromarray(SMOOTH).save(tmp_path / "in.webp", lossless=True)
    picture = Image.read(tmp_path / "in.webp")
    np.testing.assert_array_equal(Image.read(picture.write(tmp_path / "out.webp")).array, SMOOTH)
    assert not Image.read(picture.write(tmp_path / "lossy.webp", quality=50)).coding.lossless


def test_webp_keeps_the_density_that_its_exif_says(tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[282] = exif[283] = 300.0
    exif[296] = 2
    PIL.Image.fromarray(SMOOTH).save(tmp_path / "in.webp", exif=exif)
    with PIL.Image.open(Image.read(tmp_path / "in.webp").write(tmp_path / "out.webp")) as again:
        assert float(again.getexif()[282]) == 300


def test_more_pixels_than_allowed_on_all_pages_together(tmp_path: Path) -> None:
    page = PIL.Image.fromarray(SMOOTH)
    for name in ("x.tif", "x.gif"):
        other = PIL.Image.fromarray(SMOOTH[::-1].copy())
        page.save(tmp_path / name, save_all=True, append_images=[other])
        assert len(Image.read(tmp_path / name, pages="all", max_pixels=2 * page.width * page.height).frames) == 1
        with pytest.raises(ImageError, match="is more than"):
            Image.read(tmp_path / name, pages="all", max_pixels=2 * page.width * page.height - 1)
