"""darnet.images.others: formats that Pillow and its plug-ins read and write."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from PIL import ImageCms

from darnet.errors import ImageError
from darnet.images.image import Image
from pictures import AVAILABLE

SMALL = np.random.default_rng(1).integers(0, 256, (9, 14, 4), np.uint8)


@pytest.mark.parametrize("mode", ["1", "P", "L", "RGB"])
def test_bmp_of_all_kinds(tmp_path: Path, mode: str) -> None:
    picture = PIL.Image.fromarray(SMALL[..., :3]).convert(mode)
    picture.save(tmp_path / "x.bmp", dpi=(300, 300))
    found = Image.read(tmp_path / "x.bmp")
    wanted = np.asarray(picture.convert("L" if mode in {"1", "L"} else "RGB"))
    np.testing.assert_array_equal(found.array.squeeze(), wanted)
    assert found.metadata["xres"] * 25.4 == pytest.approx(300, abs=0.1)
    np.testing.assert_array_equal(Image.read(found.write(tmp_path / "out.bmp")).array, found.array)


@pytest.mark.parametrize("channels", [2, 4])
def test_bmp_with_alpha(tmp_path: Path, channels: int) -> None:
    values = SMALL[..., -channels:]
    out = Image.of(values).write(tmp_path / "x.bmp")
    with PIL.Image.open(out) as picture:
        assert picture.mode == "RGBA"
        np.testing.assert_array_equal(np.asarray(picture)[..., -channels:], values)
    np.testing.assert_array_equal(Image.read(out).alpha, values[..., -1])


@pytest.mark.parametrize("options", [{}, {"irreversible": True, "quality_layers": [20]}])
def test_jpeg_2000_is_written_without_loss(tmp_path: Path, options: dict) -> None:
    PIL.Image.fromarray(SMALL[..., :3]).save(tmp_path / "in.jp2", **options)
    picture = Image.read(tmp_path / "in.jp2")
    np.testing.assert_array_equal(Image.read(picture.write(tmp_path / "out.jp2")).array, picture.array)


def test_jpeg_2000_of_16_bits(tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 65536, (9, 14, 1), np.uint16)
    again = Image.read(Image.of(grey).write(tmp_path / "x.jp2"))
    np.testing.assert_array_equal(again.array, grey)
    data = bytearray(Image.of(SMALL[..., :3]).encode("jp2"))
    data[data.index(b"\xff\x4f\xff\x51") + 42] = 11
    (tmp_path / "deep.jp2").write_bytes(data)
    with pytest.raises(ImageError, match="JPEG 2000 files in colour of 12 bits are not supported"):
        Image.read(tmp_path / "deep.jp2")


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, name) + content


ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
UNREAD = {
    "EXIF": box(b"uuid", b"JpgTiffExif->JP2" + b"II*\0\x08\0\0\0" + bytes(6)),
    "XMP": box(b"uuid", bytes.fromhex("be7acfcb97a942e89c71999491e3afac") + b"<x/>"),
    "data of another program": box(b"uuid", bytes(16)),
    "XML": box(b"xml ", b"<a/>"),
}


@pytest.mark.parametrize("late", [True, False])
@pytest.mark.parametrize("what", UNREAD)
def test_what_is_not_read_of_jpeg_2000_is_named(tmp_path: Path, what: str, late: bool) -> None:
    """Before and behind the picture, and of boxes whose length is 64 bits or goes to the end."""
    path, extra = tmp_path / "x.jp2", UNREAD[what]
    plain = Image.of(SMALL[..., :3]).encode("jp2")
    at = len(plain) if late else plain.index(b"jp2c") - 4
    for more in (extra, struct.pack(">I4sQ", 1, extra[4:8], len(extra) + 8) + extra[8:], bytes(4) + extra[4:]):
        if more[:4] != bytes(4) or late:
            path.write_bytes(plain[:at] + more + plain[at:])
            with pytest.warns(UserWarning, match=f"JPEG 2000 files are read without {what}"):
                np.testing.assert_array_equal(Image.read(path).array, SMALL[..., :3])


@pytest.mark.parametrize("method", [2, 3])
def test_a_profile_of_jpeg_2000_and_later_pictures_are_named(tmp_path: Path, method: int) -> None:
    plain = Image.of(SMALL[..., :3]).encode("jp2")
    head, coded = plain.index(b"jp2h") - 4, plain.index(b"jp2c") - 4
    size = plain[head + 8 : plain.index(b"colr") - 4]
    colours = box(b"jp2h", size + box(b"colr", bytes([method, 0, 0]) + ICC))
    (tmp_path / "x.jp2").write_bytes(plain[:head] + colours + plain[coded:] + box(b"jp2c", plain[coded + 8 :]))
    with pytest.warns(UserWarning, match=r"without ICC profile \(colours are .*\), the pictures after the first$"):
        Image.read(tmp_path / "x.jp2")


def test_comments_of_jpeg_2000_are_named_and_programs_are_none(tmp_path: Path) -> None:
    picture = PIL.Image.fromarray(SMALL[..., :3])
    picture.save(tmp_path / "x.j2k", comment="a comment", no_jp2=True)
    with pytest.warns(UserWarning, match="JPEG 2000 files are read without comments"):
        Image.read(tmp_path / "x.j2k")
    picture.save(tmp_path / "x.jp2")
    Image.read(tmp_path / "x.jp2")


def test_density_of_jpeg_2000_goes_where_there_is_room_for_it(tmp_path: Path) -> None:
    plain = Image.of(SMALL[..., :3]).encode("jp2")
    density = box(b"res ", box(b"resc", struct.pack(">HHHHBB", 11811, 1, 11811, 1, 0, 0)))
    end = plain.index(b"jp2c") - 4
    start = plain.index(b"jp2h") - 4
    (tmp_path / "x.jp2").write_bytes(plain[:start] + box(b"jp2h", plain[start + 8 : end] + density) + plain[end:])
    picture = Image.read(tmp_path / "x.jp2")
    kept = Image.read(picture.write(tmp_path / "x.png"))
    assert kept.metadata["xres"] == pytest.approx(11.811, abs=0.001)
    with pytest.warns(UserWarning, match="JPEG 2000 files are written without density"):
        picture.write(tmp_path / "out.jp2")


def test_what_is_too_large_is_not_decoded(tmp_path: Path) -> None:
    for suffix in (".bmp", ".jp2"):
        path = Image.of(SMALL[..., :3]).write(tmp_path / f"x{suffix}")
        with pytest.raises(ImageError, match="14 x 9 is more than 100 pixels"):
            Image.read(path, max_pixels=100)


def test_colours_of_a_profile_are_converted_where_there_is_no_room_for_it(tmp_path: Path) -> None:
    import pyvips

    wide = bytes(pyvips.Image.profile_load("p3"))
    picture = Image(np.full((8, 8, 3), (200, 60, 40), np.uint8), profile=wide)
    with pytest.warns(UserWarning, match="BMP files hold no profile"):
        out = Image.read(picture.write(tmp_path / "x.bmp"))
    assert out.array[0, 0, 0] > 205


def test_without_its_extra_heic_says_how_to_get_it(tmp_path: Path) -> None:
    (tmp_path / "x.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99))
    hint = "damaged or incomplete HEIC" if ".heic" in AVAILABLE else r"pip install 'darnet\[heic\]'"
    with pytest.raises(ImageError, match=hint):
        Image.read(tmp_path / "x.heic")


@pytest.mark.skipif(".heic" not in AVAILABLE, reason="pillow-heif (the extra heic) is not installed")
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_heic_keeps_depth_profile_and_metadata(tmp_path: Path, dtype: type) -> None:
    import pyvips

    wide = bytes(pyvips.Image.profile_load("p3"))
    exif = PIL.Image.Exif()
    exif[0x112], exif[0x10F] = 6, "Acme"
    rows, columns = np.mgrid[0:1:64j, 0:1:80j]
    values = (np.stack([rows, columns, rows * columns], axis=2) * np.iinfo(dtype).max).astype(dtype)
    fields = {"exif-data": b"Exif\0\0" + exif.tobytes().removeprefix(b"Exif\0\0"), "xmp-data": b"<x>town</x>"}
    out = Image.read(Image(values, profile=wide, metadata=fields).write(tmp_path / "x.heic", quality=100))
    assert out.array.dtype == dtype and out.profile == wide
    assert np.abs(out.array.astype(float) - values).mean() / np.iinfo(dtype).max < 0.01
    assert b"town" in out.metadata["xmp-data"]
    tags = PIL.Image.Exif()
    tags.load(out.metadata["exif-data"])
    assert (tags[0x10F], tags[0x112]) == ("Acme", 1)
    again = Image.read(out.write(tmp_path / "again.heic"))
    assert again.coding.bits == out.coding.bits == (8 if dtype is np.uint8 else 10)


def test_the_rest_of_pillow_is_as_it_was() -> None:
    """Its own limit is everybody's, and a large picture must not touch it."""
    before = PIL.Image.MAX_IMAGE_PIXELS
    Image.decode(Image.of(SMALL[..., :3]).encode("bmp"))
    assert before == PIL.Image.MAX_IMAGE_PIXELS
    with PIL.Image.open(io.BytesIO(Image.of(SMALL[..., :3]).encode("jp2"))) as picture:
        np.testing.assert_array_equal(np.asarray(picture), SMALL[..., :3])
