"""darnet.images.image: files in and out, and every kind of picture a caller may hold."""

from __future__ import annotations

import io
import os
import resource
import socket
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import pyvips
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import ImageCms

from darnet.errors import ImageError, ResourceError, UsageError, explain
from darnet.images import image as image_module
from darnet.images.arrays import full_scale, rescale
from darnet.images.formats import FORMATS, read_size
from darnet.images.image import Image
from darnet.notices import overheard
from pictures import AVAILABLE

LOSSY = {".jpg": np.uint8, ".webp": np.uint8, ".avif": np.uint16}
EXIF_FORMATS = ("jpeg", "png", "webp", "avif")
DATE, GPS, SUBIFD, ORIENTATION, WIDTH = 0x0132, 0x8825, 0x8769, 0x0112, 0x0100
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6" dc:title="old town"/></x:xmpmeta>'
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def noise(height: int = 31, width: int = 37, channels: int = 3, dtype: object = np.uint8) -> np.ndarray:
    values = np.random.default_rng(7).random((height, width, channels))
    return rescale(values.astype(np.float32), dtype)


def smooth(channels: int = 3, dtype: object = np.uint8) -> np.ndarray:
    rows, columns = np.mgrid[0:1:31j, 0:1:37j]
    planes = [rows, columns, (rows + columns) / 2, 1 - rows / 2][:channels]
    return rescale(np.stack(planes, axis=2).astype(np.float32), dtype)


def light(values: np.ndarray) -> np.ndarray:
    return values / np.float64(full_scale(values.dtype))


def exif(orientation: int = 1) -> PIL.Image.Exif:
    tags = PIL.Image.Exif()
    tags[ORIENTATION], tags[DATE], tags[WIDTH] = orientation, "2024:05:06 07:08:09", 9999
    tags.get_ifd(SUBIFD)[0x9003] = "2024:05:06 07:08:09"
    tags.get_ifd(SUBIFD)[0xA002] = 4000  # PixelXDimension
    tags.get_ifd(GPS).update({1: "N", 2: (48.0, 51.0, 29.53)})
    return tags


def photo(path: Path, picture: np.ndarray, orientation: int = 1, **options: object) -> Path:
    PIL.Image.fromarray(picture).save(path, exif=exif(orientation), icc_profile=ICC, **options)
    return path


def tags_of(path: Path) -> tuple[PIL.Image.Exif, dict, dict]:
    with PIL.Image.open(path) as picture:
        tags = picture.getexif()
        return tags, tags.get_ifd(SUBIFD), tags.get_ifd(GPS)


# ------------------------------------------------------------------------------------------------------- round trips


@settings(max_examples=25, deadline=None)
@given(data=st.data(), dtype=st.sampled_from([np.uint8, np.uint16]), channels=st.integers(1, 4))
def test_lossless_formats_return_every_bit(tmp_path_factory, data, dtype, channels):
    height, width = data.draw(st.sampled_from([(1, 1), (1, 9), (31, 37)]))
    picture = Image.of(data.draw(arrays.arrays(dtype, (height, width, channels))))
    folder = tmp_path_factory.mktemp("lossless")
    for suffix in (".png", ".tiff"):
        again = Image.read(picture.write(folder / f"x{suffix}"))
        np.testing.assert_array_equal(again.array, picture.array)
        np.testing.assert_array_equal(again.alpha, picture.alpha)
        assert again.array.dtype == dtype
        assert (again.height, again.width, again.format) == (height, width, suffix[1:])


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_float_tiff_stays_float_and_float_png_becomes_16_bit(tmp_path, channels):
    picture = Image.of(noise(channels=channels, dtype=np.float32))
    np.testing.assert_array_equal(Image.read(picture.write(tmp_path / "x.tif")).array, picture.array)
    assert Image.read(picture.write(tmp_path / "x.png")).array.dtype == np.uint16


@pytest.mark.parametrize("suffix", LOSSY)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_lossy_formats_stay_close(tmp_path, suffix, dtype, channels):
    picture = Image.of(smooth(channels, dtype))
    again = Image.read(picture.write(tmp_path / f"x{suffix}"))
    assert again.array.dtype == (dtype if suffix == ".avif" else np.uint8)
    assert np.abs(light(again.array) - light(picture.array)).mean() < 0.01
    assert again.array.shape[2] == (channels if suffix == ".jpg" else 3)  # WebP and AVIF are read as RGB


@pytest.mark.parametrize("suffix", [".webp", ".avif"])
def test_lossy_formats_carry_alpha(tmp_path, suffix):
    picture = Image.of(smooth(4))
    again = Image.read(picture.write(tmp_path / f"x{suffix}"))
    assert np.abs(light(again.alpha) - light(picture.alpha)).max() < 0.02


def test_jpeg_drops_alpha_with_a_warning(tmp_path):
    with pytest.warns(UserWarning, match=r"x\.jpg: JPEG files are written without transparency"):
        Image.of(smooth(4)).write(tmp_path / "x.jpg")
    assert Image.read(tmp_path / "x.jpg").alpha is None


def test_twelve_bit_avif_reaches_white(tmp_path):
    white = Image.of(np.full((16, 16, 3), 65535, np.uint16))
    again = Image.read(white.write(tmp_path / "x.avif", quality=100))
    assert again.array.max() == 65535


def test_twelve_bit_avif_does_not_darken_shadows(tmp_path):
    shadows = np.linspace(1000, 6000, 64 * 64).astype(np.uint16).reshape(64, 64, 1)
    again = Image.read(Image.of(shadows).write(tmp_path / "x.avif", quality=100))
    assert abs((light(again.array) - light(shadows)).mean()) * 4095 < 0.1  # truncated samples lose half a step


def test_bit_depth_and_quality_do_something(tmp_path):
    deep = Image.of(noise(dtype=np.uint16))
    assert Image.read(deep.write(tmp_path / "8.png", bit_depth="8")).array.dtype == np.uint8
    assert Image.read(Image.of(noise()).write(tmp_path / "16.tif", bit_depth="16")).array.dtype == np.uint16
    for suffix in LOSSY:
        low, high = (
            deep.write(tmp_path / f"{quality}{suffix}", quality=quality).stat().st_size for quality in (20, 99)
        )
        assert low < high


def test_jpeg_keeps_full_colour_resolution(tmp_path):
    Image.of(noise()).write(tmp_path / "x.jpg")
    assert pyvips.Image.new_from_file(str(tmp_path / "x.jpg")).get("jpeg-chroma-subsample") == "4:4:4"


@pytest.mark.parametrize("option", [{"quality": 0}, {"bit_depth": "12"}, {"metadata": "drop"}, {"icc": "p3"}])
def test_impossible_options_are_refused(tmp_path, option):
    with pytest.raises(UsageError, match=str(next(iter(option.values())))):
        Image.of(noise()).write(tmp_path / "x.jpg", **option)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", AVAILABLE)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.filterwarnings("ignore:.*without transparency")
def test_bytes_are_those_of_a_file(tmp_path, suffix, channels, dtype):
    """To encode is to write, and to decode is to read, but for the path."""
    picture = Image.of(smooth(channels, dtype))
    path = picture.write(tmp_path / f"x{suffix}", quality=70)
    assert picture.encode(suffix[1:], quality=70) == path.read_bytes()
    same(Image.decode(path.read_bytes()), Image.read(path))


@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize("kind", ["jpeg", "png", "tiff", "webp", "avif"])
def test_bytes_keep_what_a_file_keeps(tmp_path, kind, orientation):
    path = photo(tmp_path / f"in.{kind}", noise(), orientation)
    picture = Image.decode(path.read_bytes())
    same(picture, Image.read(path))
    assert (picture.profile, picture.format, picture.path) == (ICC, kind, None)
    for options in ({}, {"metadata": "strip"}, {"icc": "srgb", "bit_depth": "16"}):
        out = picture.write(tmp_path / f"out.{kind}", **options)
        assert picture.encode(kind, **options) == out.read_bytes()


@pytest.mark.parametrize(("mode", "kind"), [("CMYK", "jpeg"), ("CMYK", "tiff"), ("1", "png"), ("P", "png")])
@pytest.mark.filterwarnings("ignore:.*CMYK")
def test_bytes_of_other_colour_modes(tmp_path, mode, kind):
    PIL.Image.new("RGB", (9, 7), (20, 40, 220)).convert(mode).save(tmp_path / f"x.{kind}")
    same(Image.decode((tmp_path / f"x.{kind}").read_bytes()), Image.read(tmp_path / f"x.{kind}"))


def same(one: Image, other: Image) -> None:
    np.testing.assert_array_equal(one.array, other.array)
    np.testing.assert_array_equal(one.alpha, other.alpha)
    assert one.array.dtype == other.array.dtype
    assert (one.profile, one.metadata, one.format) == (other.profile, other.metadata, other.format)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"hello world", "not a JPEG, PNG, TIFF, WebP, AVIF, GIF, BMP, PPM, JPEG 2000, JPEG XL or HEIC picture"),
        (b"II*\0" + bytes(4) + b"CR\x02\0", "camera raw file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "damaged or incomplete PNG file"),
    ],
)
def test_bytes_that_are_no_picture_are_refused_as_files_are(tmp_path, data, reason):
    with pytest.raises(ImageError, match=f"upload 7: .*{reason}"):
        Image.decode(data, name="upload 7")
    (tmp_path / "x.png").write_bytes(data)
    with pytest.raises(ImageError, match=rf"x\.png: .*{reason}"):
        Image.read(tmp_path / "x.png")


def test_a_limit_is_an_argument_and_holds_before_decoding(tmp_path):
    path = Image.of(noise()).write(tmp_path / "x.png")
    data = path.read_bytes()
    most = 31 * 37
    assert Image.read(path, max_pixels=most).width == Image.decode(data, max_pixels=most).width == 37
    for refuse in (
        lambda: Image.read(path, max_pixels=most - 1),
        lambda: Image.decode(data, max_pixels=most - 1),
        lambda: Image.decode(data[: len(data) // 2], max_pixels=most - 1),
    ):
        with pytest.raises(ImageError, match="37 x 31 is more than 1,146 pixels"):
            refuse()


def test_encoding_refuses_what_writing_does(tmp_path):
    picture = Image.of(noise(channels=4))
    with pytest.raises(UsageError, match=r"`format='psd'`: expected one of jpeg, png, tiff, webp, avif, gif"):
        picture.encode("psd")
    with pytest.raises(UsageError, match="quality=0"):
        picture.encode("jpeg", quality=0)
    with pytest.warns(UserWarning, match="picture: JPEG files are written without transparency"):
        picture.encode("jpg")
    with pytest.raises(ImageError, match="picture: cannot be written as WebP"):
        Image.of(np.zeros((1, 20_000), np.uint8)).encode("webp")


# ------------------------------------------------------------------------------------------- metadata and orientation


@pytest.mark.parametrize("source", EXIF_FORMATS)
@pytest.mark.parametrize("target", [*EXIF_FORMATS, "tiff"])  # from TIFF: test_exif.py
def test_metadata_travels_between_formats(tmp_path, source, target):
    picture = Image.read(photo(tmp_path / f"in.{source}", noise(), **({} if source == "png" else {"xmp": XMP})))
    out = picture.write(tmp_path / f"out.{target}")
    tags, details, gps = tags_of(out)
    assert tags[DATE] == details[0x9003] == "2024:05:06 07:08:09"
    assert gps[1] == "N"
    assert [float(part) for part in gps[2]] == [48.0, 51.0, 29.53]
    assert (details[0xA002], details.get(0xA003, 31)) == (37, 31)
    assert tags.get(WIDTH, 37) == 37
    again = Image.read(out)
    assert again.profile == picture.profile == ICC
    if source != "png":
        assert again.metadata["xmp-data"] == XMP.replace(b'"6"', b'"1"')


def test_tiff_keeps_icc_xmp_iptc_and_resolution(tmp_path):
    picture = Image.read(photo(tmp_path / "in.jpg", noise(), xmp=XMP, dpi=(300, 300)))
    again = Image.read(picture.write(tmp_path / "out.tif"))
    assert again.profile == ICC
    assert b"old town" in again.metadata["xmp-data"]
    assert again.metadata["xres"] == pytest.approx(300 / 25.4, rel=1e-3)


def test_strip_leaves_only_the_profile(tmp_path):
    picture = Image.read(photo(tmp_path / "in.jpg", noise(), xmp=XMP))
    for suffix in AVAILABLE:
        out = picture.write(tmp_path / f"out{suffix}", metadata="strip")
        assert b"2024:05:06" not in out.read_bytes()
        assert b"old town" not in out.read_bytes()
        assert Image.read(out).profile == (None if "profile" not in FORMATS[AVAILABLE[suffix]].keeps else ICC)


def test_a_file_without_exif_gets_none(tmp_path):
    for suffix in AVAILABLE:
        assert "exif-data" not in Image.read(Image.of(noise()).write(tmp_path / f"x{suffix}")).metadata


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff"])
def test_orientation_is_applied_once(tmp_path, orientation, kind):
    stored = smooth()
    path = tmp_path / f"in.{kind}"
    pyvips_image = pyvips.Image.new_from_array(stored).copy(interpretation="srgb")
    pyvips_image.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    pyvips_image.write_to_file(str(path))
    turns = {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.transpose(1, 0, 2),
        6: np.rot90(stored, -1),
        7: stored[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(stored, 1),
    }
    picture = Image.read(path)
    assert np.abs(light(picture.array) - light(turns[orientation])).mean() < 0.02
    out = picture.write(tmp_path / "out.png")
    assert tags_of(out)[0].get(ORIENTATION, 1) == 1
    np.testing.assert_array_equal(Image.read(out).array, picture.array)


def test_a_stale_thumbnail_is_dropped(tmp_path):
    thumbnail = io.BytesIO()
    PIL.Image.new("RGB", (16, 16), "red").save(thumbnail, "jpeg")
    ifd0 = struct.pack("<HHHIII", 1, ORIENTATION, 3, 1, 6, 26)
    entries = [(0x0103, 3, 1, 6), (0x0201, 4, 1, 68), (0x0202, 4, 1, len(thumbnail.getvalue()))]
    ifd1 = struct.pack("<H", 3) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    block = b"Exif\0\0II*\0\x08\0\0\0" + ifd0 + ifd1 + thumbnail.getvalue()
    PIL.Image.fromarray(noise()).save(tmp_path / "in.jpg", exif=block)
    assert thumbnail.getvalue() in (tmp_path / "in.jpg").read_bytes()
    picture = Image.read(tmp_path / "in.jpg")
    assert (picture.height, picture.width) == (37, 31)
    out = picture.write(tmp_path / "out.jpg").read_bytes()
    assert thumbnail.getvalue() not in out
    assert "jpeg-thumbnail-data" not in pyvips.Image.new_from_buffer(out, "").get_fields()


def test_icc_srgb_converts_colours_and_keep_does_not(tmp_path):
    patch = pyvips.Image.new_from_array(np.full((8, 8, 3), (200, 100, 50), np.uint8)).copy(interpretation="srgb")
    patch.icc_transform("p3", input_profile="srgb").write_to_file(str(tmp_path / "p3.png"))
    wide = Image.read(tmp_path / "p3.png")
    assert tuple(wide.array[0, 0]) != (200, 100, 50)
    kept = Image.read(wide.write(tmp_path / "kept.png"))
    assert kept.profile == wide.profile
    assert tuple(kept.array[0, 0]) == tuple(wide.array[0, 0])
    converted = Image.read(wide.write(tmp_path / "srgb.png", icc="srgb"))
    assert converted.profile is None
    np.testing.assert_allclose(converted.array[0, 0].astype(int), (200, 100, 50), atol=1)


@pytest.mark.parametrize(
    ("mode", "kind", "channels"),
    [
        ("1", "png", 1),
        ("1", "tiff", 1),
        ("P", "png", 3),
        ("CMYK", "jpeg", 3),
        ("CMYK", "tiff", 3),
        ("YCbCr", "jpeg", 3),
    ],
)
@pytest.mark.filterwarnings("ignore:.*CMYK")
def test_other_colour_modes_become_grey_or_rgb(tmp_path, mode, kind, channels):
    blue = PIL.Image.new("RGB", (9, 7), (20, 40, 220))
    blue.convert(mode).save(tmp_path / f"x.{kind}")
    picture = Image.read(tmp_path / f"x.{kind}")
    assert picture.array.shape == (7, 9, channels)
    assert picture.array.dtype == np.uint8
    if channels == 3:
        assert picture.array[0, 0].argmax() == 2
    assert Image.read(picture.write(tmp_path / "out.png")).array.shape == (7, 9, channels)


def test_a_file_that_changed_is_read_anew_and_may_be_deleted(tmp_path):
    path = tmp_path / "x.png"
    for shade in (10, 200):
        Image.of(np.full((8, 8, 3), shade, np.uint8)).write(path)
        picture = Image.read(path)
        path.unlink()
        assert (picture.array == shade).all()


# ----------------------------------------------------------------------------------------------------- bad files


def refused(path: Path, reason: str) -> None:
    with pytest.raises(ImageError) as caught:
        Image.read(path)
    assert str(path) in str(caught.value)
    assert reason in caught.value.reason
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_what_is_no_picture_is_refused_by_content(tmp_path):
    refused(tmp_path / "missing.png", "no such file")
    refused(tmp_path, "is a directory")
    (tmp_path / "empty.png").touch()
    refused(tmp_path / "empty.png", "empty")
    (tmp_path / "text.jpg").write_text("certainly no picture")
    refused(
        tmp_path / "text.jpg", "not a JPEG, PNG, TIFF, WebP, AVIF, GIF, BMP, PPM, JPEG 2000, JPEG XL or HEIC picture"
    )
    PIL.Image.new("L", (4, 4)).save(tmp_path / "gif.png", "gif")
    assert Image.read(tmp_path / "gif.png").format == "gif"
    Image.of(noise()).write(tmp_path / "x.png").rename(tmp_path / "x.jpg")
    assert Image.read(tmp_path / "x.jpg").format == "png"


@pytest.mark.parametrize("suffix", sorted(AVAILABLE))
def test_truncated_files_are_refused(tmp_path, suffix):
    path = Image.of(noise(200, 200)).write(tmp_path / f"x{suffix}")
    data = path.read_bytes()
    for size in (40, len(data) // 2, len(data) - 40):
        path.write_bytes(data[:size])
        refused(path, f"damaged or incomplete {FORMATS[AVAILABLE[suffix]].title} file")


@pytest.mark.parametrize("kind", ["tiff", "webp", "png", "avif"])
def test_several_pages_are_refused(tmp_path, kind):
    frames = [PIL.Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "x", kind, save_all=True, append_images=frames[1:])
    refused(tmp_path / "x", "pages; only single pictures are restored")
    if kind == "avif":  # whose first brand may be that of still pictures
        data = (tmp_path / "x").read_bytes()
        assert data[8:12] == b"avis" and data[16:20] == b"avif"
        (tmp_path / "x").write_bytes(data[:8] + b"avif" + data[12:16] + b"avis" + data[20:])
        refused(tmp_path / "x", "pages; only single pictures are restored")


def test_a_picture_inside_a_picture_is_refused(tmp_path):
    inner = pyvips.Image.new_from_array(noise(256, 256)).copy(interpretation="srgb")
    inner.tiffsave(str(tmp_path / "x.tif"), tile=True, tile_width=64, tile_height=64, pyramid=True, subifd=True)
    refused(tmp_path / "x.tif", "sub-images")


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def test_a_png_keyword_in_latin_1_is_kept(tmp_path):
    path = Image.of(noise()).write(tmp_path / "x.png")
    data = path.read_bytes()
    path.write_bytes(data[:33] + chunk(b"tEXt", "Título".encode("latin-1") + b"\0old town") + data[33:])
    again = Image.read(path).write(tmp_path / "y.png")
    with PIL.Image.open(again) as picture:
        assert picture.text == {"Título": "old town"}
    np.testing.assert_array_equal(Image.read(again).array, noise())


def test_libvips_out_of_memory_is_no_damaged_file(tmp_path, monkeypatch):
    def short(*_args: object, **_options: object) -> None:
        raise pyvips.Error("unable to call", "vips_tracked: out of memory --- size == 120MB\n")

    path = Image.of(noise()).write(tmp_path / "x.png")
    for operation in ("pngload_buffer", "pngsave_buffer"):
        picture = Image.of(noise()) if operation == "pngsave_buffer" else None
        monkeypatch.setattr(pyvips.Image, operation, short, raising=False)
        with pytest.raises(ResourceError, match=r"x\.png: out of memory"):
            Image.read(path) if picture is None else picture.write(path)


@pytest.mark.parametrize("field", ["directory", "strips"])
def test_a_damaged_tiff_is_not_short_of_memory(tmp_path, field):
    """libtiff says that it has no memory for tables whose sizes are damaged: none at all, or the impossible."""
    data = bytearray(Image.of(noise()).encode("tiff"))
    place = struct.unpack_from("<I", data, 4)[0]
    if field == "directory":
        data[place : place + 2] = b"\0\0"
    else:
        entries = struct.unpack_from("<H", data, place)[0]
        for entry in range(place + 2, place + 2 + 12 * entries, 12):
            if struct.unpack_from("<H", data, entry)[0] in {257, 278}:  # rows of the picture, and of a strip
                data[entry + 2 : entry + 12] = struct.pack("<HII", 4, 1, 2**31 - 1)
    (tmp_path / "x.tif").write_bytes(data)
    with pytest.raises(ImageError) as caught:
        Image.read(tmp_path / "x.tif")
    assert "memory" not in str(caught.value)


def test_a_picture_short_of_memory_is_named_once(monkeypatch):
    def short(*_args: object, **_options: object) -> None:
        raise pyvips.Error("unable to call", "vips_tracked: out of memory --- size == 120MB\n")

    data = Image.of(noise()).encode("png")
    monkeypatch.setattr(pyvips.Image, "pngload_buffer", short, raising=False)
    with pytest.raises(ResourceError) as caught:
        Image.decode(data, name="x.png")
    assert explain(caught.value, Path("x.png")) == ("out of memory", 5)
    assert explain(caught.value, Path("y.png")) == ("x.png: out of memory", 5)


def test_lab_of_8_bits_is_called_so(tmp_path):
    """libvips refuses such a file, its own as well; of 16 bits it reads it."""
    PIL.Image.fromarray(smooth()).convert("LAB").save(tmp_path / "pillow.tif")
    picture = pyvips.Image.new_from_array(smooth()).copy(interpretation="srgb")
    picture.colourspace("labq").tiffsave(str(tmp_path / "labq.tif"))
    for name in ("pillow.tif", "labq.tif"):
        refused(tmp_path / name, "TIFF files in Lab of 8 bits are not supported")
        with pytest.raises(ImageError, match="Lab of 8 bits"):
            read_size(tmp_path / name)
    picture.colourspace("labs").tiffsave(str(tmp_path / "labs.tif"))
    np.testing.assert_allclose(light(Image.read(tmp_path / "labs.tif").array), light(smooth()), atol=2 / 255)


@pytest.mark.parametrize("kind", ["pipe", "socket", "device"])
def test_what_is_no_regular_file_is_not_waited_for(tmp_path, kind):
    path = tmp_path / "x.png"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
    else:
        path.symlink_to("/dev/zero")
    refused(path, "not a regular file")
    with pytest.raises(ImageError, match="not a regular file"):
        read_size(path)


def test_gigapixels_are_refused_before_decoding(tmp_path):
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"")), chunk(b"IEND", b"")]
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    refused(tmp_path / "bomb.png", "100000 x 100000 is more than 1,000,000,000 pixels")


@pytest.mark.parametrize(("value", "reason"), [(1.5, "outside [0, 1]"), (np.nan, "outside [0, 1]")])
def test_float_files_out_of_range_are_refused(tmp_path, value, reason):
    PIL.Image.fromarray(np.full((4, 4), value, np.float32)).save(tmp_path / "x.tif")
    refused(tmp_path / "x.tif", reason)


def test_integer_tiffs_are_refused(tmp_path):
    PIL.Image.new("I", (4, 4)).save(tmp_path / "x.tif")
    refused(tmp_path / "x.tif", "type int")


# --------------------------------------------------------------------------------------------------- atomic writes


@pytest.mark.parametrize("target", ["x", "x.psd", "x.exr"])
def test_unknown_suffixes_name_the_known_ones(tmp_path, target):
    with pytest.raises(ImageError, match=r"x.*unknown suffix.*\.avif"):
        Image.of(noise()).write(tmp_path / target)


def test_unwritable_places_are_named(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder.png").mkdir()
    reasons = {"missing/x.png": "no such file or directory", "file/x.png": "not a directory", "folder.png": "directory"}
    for name, reason in reasons.items():
        with pytest.raises(ImageError, match=f"{name}.*{reason}"):
            Image.of(noise()).write(tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.png"]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path):
    path = Image.of(smooth()).write(tmp_path / "x.png")
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # the write stops after 1000 bytes
    try:
        with pytest.raises(ImageError, match=r"x\.png: file too large"):
            Image.of(noise(200, 200)).write(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupt_before_the_rename_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        Image.of(noise()).write(tmp_path / "x.png")
    assert not list(tmp_path.iterdir())


def test_what_an_encoder_refuses_is_one_line(tmp_path):
    with pytest.raises(ImageError, match="cannot be written as WebP") as caught:
        Image.of(np.zeros((1, 20_000), np.uint8)).write(tmp_path / "x.webp")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


# --------------------------------------------------------------------------------------------- what callers may hold

SHAPES = [(5, 7), (5, 7, 1), (5, 7, 2), (5, 7, 3), (5, 7, 4), (1, 1), (1, 1, 3)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", ">u2", "float16", "float32", "float64"])
def test_arrays_come_back_as_they_were(shape, dtype):
    values = np.random.default_rng(3).random(shape).astype(np.float32)
    source = rescale(values, np.dtype(dtype).newbyteorder("=")).astype(dtype)
    before = source.copy()
    picture = Image.of(source)
    again = picture.like(source)
    assert (type(again), again.shape, again.dtype) == (np.ndarray, shape, np.dtype(dtype))
    np.testing.assert_allclose(again, before, atol=1e-7 if again.dtype == np.float64 else 0)
    picture.array[...] = 0
    again[...] = 0
    np.testing.assert_array_equal(source, before)


@pytest.mark.parametrize("shape", [(3, 5, 7), (1, 5, 7), (5, 7), (3, 1, 1)])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_tensors_come_back_as_they_were(shape, dtype):
    values = torch.rand(shape, generator=torch.Generator().manual_seed(3))
    source = (values * 255).to(dtype) if dtype == torch.uint8 else values.to(dtype)
    before = source.clone()
    picture = Image.of(source)
    again = picture.like(source)
    assert (again.shape, again.dtype, again.device) == (source.shape, dtype, source.device)
    torch.testing.assert_close(again, before, rtol=0, atol=0)
    picture.array[...] = 0
    again.zero_()
    assert torch.equal(source, before)


def test_a_tensor_with_a_graph_is_taken_without_it():
    source = torch.rand(3, 4, 4, generator=torch.Generator().manual_seed(1)).requires_grad_()
    assert not Image.of(source).like(source).requires_grad


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16"])
def test_pil_images_come_back_as_they_were(mode):
    values = noise(dtype=np.uint16)[..., 0] if mode == "I;16" else noise(channels=len(mode))
    source = PIL.Image.fromarray(values.squeeze())
    source.info["icc_profile"] = ICC
    again = Image.of(source).like(source)
    assert (again.mode, again.size, again.info) == (mode, source.size, source.info)
    np.testing.assert_array_equal(np.asarray(again), np.asarray(source))
    assert Image.of(source).profile == ICC


@pytest.mark.parametrize(("mode", "plain"), [("1", "L"), ("P", "RGB")])
def test_pil_bits_and_palettes_come_back_plain(mode, plain):
    source = PIL.Image.fromarray(noise()).convert(mode)
    again = Image.of(source).like(source)
    assert again.mode == plain
    np.testing.assert_array_equal(np.asarray(again), np.asarray(source.convert(plain)))


def test_a_transparent_palette_keeps_its_transparency():
    source = PIL.Image.fromarray(noise()).convert("P")
    source.info["transparency"] = 0
    picture = Image.of(source)
    np.testing.assert_array_equal(picture.alpha == 0, np.asarray(source) == 0)
    assert picture.like(source).mode == "RGBA"


def test_paths_and_images_give_the_image_itself(tmp_path):
    path = Image.of(noise()).write(tmp_path / "x.png")
    for source in (path, str(path)):
        picture = Image.of(source)
        assert picture.path == path
        assert picture.like(source) is picture
    assert Image.of(picture) is picture
    assert picture.like(picture) is picture


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (np.zeros((5, 7, 5), np.uint8), "shape"),
        (np.zeros((2, 5, 7, 3), np.uint8), "shape"),
        (np.zeros((0, 7, 3), np.uint8), "at least one pixel"),
        (np.zeros((5, 7), np.int64), "int64"),
        (np.zeros((5, 7), bool), "bool"),
        (np.full((5, 7), 255.0), "255"),
        (np.full((5, 7), np.nan), "nan"),
        (torch.zeros(2, 3, 5, 7), "shape"),
        (torch.zeros(5, 7, 3), "shape"),
        (torch.zeros(3, 5, 7, dtype=torch.int64), "int64"),
        (PIL.Image.new("CMYK", (4, 4)), "CMYK"),
        ([[1, 2], [3, 4]], "list"),
        (b"bytes", "bytes"),
    ],
)
def test_what_is_no_picture_is_named(source, reason):
    with pytest.raises(UsageError, match=reason):
        Image.of(source)


# ----------------------------------------------------------------------------------------------------------- pixels


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_pixels_and_back_is_the_same_picture(channels, dtype):
    picture = Image.of(noise(channels=channels, dtype=dtype))
    pixels = picture.pixels()
    assert (pixels.shape, pixels.dtype, pixels.is_contiguous()) == ((3, 31, 37), torch.float32, True)
    expected = np.broadcast_to(light(picture.array), (31, 37, 3)).transpose(2, 0, 1)
    np.testing.assert_allclose(pixels.numpy(), expected, atol=1e-7)
    again = picture.with_pixels(pixels)
    np.testing.assert_allclose(again.array, picture.array, atol=1e-7 if dtype == np.float32 else 0)
    assert again.array.dtype == dtype
    assert again.alpha is picture.alpha
    before = picture.array.copy()
    pixels.zero_()
    np.testing.assert_array_equal(picture.array, before)


def test_with_pixels_rounds_and_clamps_and_leaves_its_argument():
    values = torch.tensor([-0.5, 100.4 / 255, 100.6 / 255, 1.5]).reshape(1, 1, 4).repeat(3, 1, 1)
    before = values.clone()
    changed = Image.of(np.zeros((1, 4, 3), np.uint8)).with_pixels(values)
    assert changed.array[0, :, 0].tolist() == [0, 100, 101, 255]
    floats = Image.of(np.zeros((1, 4, 3), np.float32)).with_pixels(values)
    assert (floats.array.min(), floats.array.max()) == (0, 1)
    assert torch.equal(values, before)


@pytest.mark.filterwarnings("ignore:.*ICC profile")  # of RGB
def test_with_pixels_keeps_grey_grey_and_everything_else(tmp_path):
    picture = Image.read(photo(tmp_path / "x.png", noise(channels=1)[..., 0]))
    colours = torch.tensor([0.1, 0.2, 0.6]).reshape(3, 1, 1).expand(3, 31, 37)
    changed = picture.with_pixels(colours)
    assert (changed.array == round(0.3 * 255)).all()
    assert changed.array.shape == picture.array.shape
    kept = ("profile", "metadata", "path", "format")
    assert all(getattr(changed, name) is getattr(picture, name) for name in kept)


def test_pixels_of_another_size_are_refused():
    with pytest.raises(UsageError, match=r"\(3, 4, 4\).*\(3, 31, 37\)"):
        Image.of(noise()).with_pixels(torch.zeros(3, 4, 4))


def test_importing_is_light():
    code = "import sys, darnet.images.image; sys.exit(bool({'torch', 'PIL', 'pyvips'} & set(sys.modules)))"
    source = Path(image_module.__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(source)}, check=False).returncode == 0


@pytest.mark.parametrize("name", ["a\0b.png", "\0", "a\ud800.png"])
def test_a_name_that_no_file_can_have(name: str) -> None:
    with pytest.raises(ImageError, match="no file can be called so"):
        Image.read(name)
    with pytest.raises(ImageError, match="no file can be called so"):
        Image.of(np.zeros((2, 2, 3), np.uint8)).write(name)


def test_bytes_may_lie_in_any_buffer_and_their_name_is_kept() -> None:
    picture = Image.of(np.zeros((2, 2, 4), np.uint8))
    data = picture.encode("png")
    for buffer in (bytearray(data), memoryview(data)):
        np.testing.assert_array_equal(Image.decode(buffer).array, picture.array)
    assert Image.decode(data).path is None
    with overheard() as said:
        Image.decode(data, name="upload 7").encode("jpeg")
    assert [str(warning) for warning in said] == ["upload 7: JPEG files are written without transparency"]


@pytest.mark.parametrize("tensor", [torch.zeros(3, 2, 2, device="meta"), torch.zeros(3, 2, 2).to_sparse()])
def test_a_tensor_without_pixels(tensor: torch.Tensor) -> None:
    with pytest.raises(UsageError, match=r"value for each pixel.*(meta|torch\.sparse_coo)"):
        Image.of(tensor)


def test_true_is_no_quality() -> None:
    with pytest.raises(UsageError, match="`quality=True`: expected 1 to 100"):
        Image.of(np.zeros((2, 2, 3), np.uint8)).encode("jpeg", quality=True)
