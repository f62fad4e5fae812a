"""darnet.images.pillow: what a PIL image says is kept as what its file says is, and it is turned once."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from PIL import ImageOps
from PIL.PngImagePlugin import PngInfo

from darnet.images import density, pillow
from darnet.images.arrays import upright
from darnet.images.image import Image
from darnet.restore.restorer import Restorer
from darnet.restore.routers import Always

FORMATS = ("jpeg", "png", "tiff", "webp", "avif")
PICTURE = PIL.Image.fromarray(np.random.default_rng(0).integers(100, 140, (32, 48, 3), np.uint8))
IIM = b"\x1c\x02\x50\0\x06author"
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/" tiff:Orientation="6">old town</x:xmpmeta>'


def exif(orientation: int) -> PIL.Image.Exif:
    tags = PIL.Image.Exif()
    tags[0x10F], tags[0x112] = "Acme", orientation
    tags.get_ifd(0x8769)[0x9003] = "2024:05:06 07:08:09"
    tags.get_ifd(0x8769)[0x927C] = b"camera's own notes" * 3
    return tags


def photo(path: Path, orientation: int = 6, dpi: tuple[int, int] | None = (300, 150)) -> Path:
    """A file with all that its format can say."""
    options: dict[str, object] = {"exif": exif(orientation)} | ({"dpi": dpi} if dpi else {})
    if path.suffix == ".png":
        options["pnginfo"] = info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", XMP.decode())
        info.add_text("Comment", "grün")
        info.add_itxt("Title", "日")
    elif path.suffix == ".tiff":
        tags = exif(orientation)
        tags[33723], tags[700] = IIM, XMP
        options["exif"] = tags.tobytes()
    else:
        options["xmp"] = XMP
    if path.suffix == ".jpeg":
        options |= {"comment": b"hello", "quality": 100, "subsampling": 0}
    PICTURE.save(path, **options)
    if path.suffix == ".jpeg":
        data, resource = path.read_bytes(), b"8BIM\4\4\0\0" + struct.pack(">I", len(IIM)) + IIM + bytes(len(IIM) % 2)
        block = b"Photoshop 3.0\0" + resource
        path.write_bytes(data[:2] + struct.pack(">BBH", 0xFF, 0xED, len(block) + 2) + block + data[2:])
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientations_are_those_of_exif(orientation: int) -> None:
    picture = PIL.Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3))
    picture.getexif()[0x112] = orientation
    turned = ImageOps.exif_transpose(picture)
    np.testing.assert_array_equal(upright(np.asarray(picture), orientation), np.asarray(turned))


@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize("format", ["jpeg", "png", "tiff", "webp"])
def test_it_says_what_its_file_says(tmp_path: Path, format: str, orientation: int) -> None:
    path = photo(tmp_path / f"in.{format}", orientation)
    with PIL.Image.open(path) as picture:
        image = Image.of(picture).upright()
    wanted = Image.read(path)
    for name, value in wanted.metadata.items():
        if name == "iptc-data":
            assert IIM in image.metadata[name]  # whatever it is wrapped in
        elif name in {"xres", "yres"}:
            assert float(image.metadata[name]) == pytest.approx(float(value), rel=1e-4)
        elif name == "exif-data":
            assert image.metadata[name].removeprefix(b"Exif\0\0") == value.removeprefix(b"Exif\0\0")
        elif name not in {"resolution-unit", "photoshop-data", "loop"} and (name, format) != ("xmp-data", "tiff"):
            assert image.metadata[name] == value, name
    assert np.abs(image.array.astype(int) - wanted.array).max() <= 2


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("format", FORMATS)
def test_a_result_is_saved_with_all_of_it_and_upright(tmp_path: Path, format: str, target: str) -> None:
    brighten = Restorer(Always("dark"), {"dark": lambda pixels: (pixels + 0.25).clamp(0, 1)})
    with PIL.Image.open(photo(tmp_path / f"in.{format}")) as picture:
        result = brighten(picture)
        given = picture.size
        shown = ImageOps.exif_transpose(picture)
    assert result.image.size == given, "the picture that comes back lies as the one that was given"
    assert result.image.getexif().get(0x112, 1) == picture.getexif().get(0x112, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("darnet.images.codecs.warn", lambda *_, **__: None)
        out = result.save(tmp_path / f"out.{target}")
    with PIL.Image.open(out) as again:
        again.load()
        tags = again.getexif()
        assert again.size == shown.size
        assert tags.get(0x112, 1) == 1
        assert (tags[0x10F], tags.get_ifd(0x8769)[0x9003]) == ("Acme", "2024:05:06 07:08:09")
        assert tags[0x131].startswith("darnet ")
        difference = np.asarray(again.convert("RGB")).astype(int) - np.asarray(shown.convert("RGB"))
    assert np.abs(difference - 64).mean() < 8
    data = out.read_bytes()
    xmp = Image.read(out).metadata["xmp-data"]
    assert b"old town" in xmp
    assert b'tiff:Orientation="6"' not in xmp or format == "tiff"  # which Pillow has turned by itself
    if format in {"jpeg", "tiff"} and target in {"jpeg", "tiff"}:
        assert IIM in data
    assert format != target or target not in {"jpeg", "png"} or any(text in data for text in (b"hello", b"gr\xfcn"))
    if format in {"jpeg", "png"}:
        across, down = density.of(Image.read(out).metadata) or (0, 0)
        assert (across * 25.4, down * 25.4) == pytest.approx((150, 300), rel=1e-3)


def test_notes_of_a_camera_stay_where_they_are(tmp_path: Path) -> None:
    path = photo(tmp_path / "in.jpeg", 1)
    with PIL.Image.open(path) as picture:
        assert Image.of(picture).metadata["exif-data"] == picture.info["exif"]
        picture.getexif()[0x10F] = "Other"
        changed = Image.of(picture)
        assert b"Other" in changed.metadata["exif-data"]
        assert changed.like(picture).getexif()[0x10F] == "Other"
        picture.getexif()[0x112] = 8
        assert Image.of(picture).upright().height == picture.width


def test_what_pillow_makes_up_is_not_said(tmp_path: Path) -> None:
    for format in ("jpeg", "tiff", "png", "webp"):
        with PIL.Image.open(photo(tmp_path / f"in.{format}", dpi=None)) as picture:
            assert Image.of(picture).metadata.keys().isdisjoint(density.FIELDS), format
    assert Image.of(PICTURE).metadata == {}
    stated = PICTURE.copy()
    stated.info["dpi"] = (72, 72)
    assert density.of(Image.of(stated).metadata) == pytest.approx((72 / 25.4, 72 / 25.4))


@pytest.mark.parametrize("shape", [(2, 1), (1, 2)])
def test_the_shape_of_a_pixel(shape: tuple[int, int]) -> None:
    for info in ({"aspect": shape}, {"resolution": shape}, {"jfif_unit": 0, "jfif_density": shape, "dpi": (72, 72)}):
        picture = PICTURE.copy()
        picture.info |= info
        assert density.shape(Image.of(picture).metadata) == shape


def test_damaged_exif_loses_nothing_else(tmp_path: Path) -> None:
    picture = PICTURE.copy()
    picture.info |= {"exif": b"Exif\0\0II*\0\xff\xff", "xmp": XMP}
    with pytest.warns(UserWarning, match="the EXIF is damaged and not written"):
        data = Image.of(picture).encode("jpeg")
    assert b"old town" in data


def test_transparency_is_turned_too() -> None:
    values = np.random.default_rng(1).integers(0, 256, (5, 9, 4), np.uint8)
    picture = PIL.Image.fromarray(values)
    picture.getexif()[0x112] = 6
    with PIL.Image.open(io.BytesIO(Image.of(picture).encode("png"))) as again:
        np.testing.assert_array_equal(np.asarray(again), np.rot90(values, -1))


def test_block_of_nothing() -> None:
    assert pillow.block(PICTURE) == b""
