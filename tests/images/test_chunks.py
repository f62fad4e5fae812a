"""darnet.images.chunks: what a PNG file says is in the next one, byte by byte."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from darnet.images import chunks
from darnet.images.image import Image
from darnet.notices import overheard

PICTURE = np.random.default_rng(1).integers(0, 256, (6, 8, 3), np.uint8)
TEXTS = [
    (b"tEXt", b"Author\0Zo\xeb"),
    (b"iTXt", b"Description\0\0\0de\0Beschreibung\0" + "Ünïcode ☃".encode()),
    (b"zTXt", b"Comment\0\0" + zlib.compress(b"c" * 99)),
    (b"tEXt", b"\x94\0a keyword that is no Latin-1"),
]


def made(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(path: Path, before: bytes = b"", after: bytes = b"") -> Path:
    file = io.BytesIO()
    PIL.Image.fromarray(PICTURE).save(file, "PNG")
    data = file.getvalue()
    start, end = data.index(b"IDAT") - 4, data.index(b"IEND") - 4
    path.write_bytes(data[:start] + before + data[start:end] + after + data[end:])
    return path


def named(path: Path) -> list[tuple[bytes, bytes]]:
    with path.open("rb") as file:
        return [(chunk.name, chunk.data) for chunk in chunks._chunks(file)]


@pytest.mark.parametrize("late", [False, True])
def test_texts_stay_as_they_were(tmp_path: Path, late: bool) -> None:
    texts = b"".join(made(*text) for text in TEXTS)
    source = png(tmp_path / "in.png", *((b"", texts) if late else (texts, b"")))
    out = Image.read(source).write(tmp_path / "out.png")
    assert [chunk for chunk in named(out) if chunk[0] in chunks.TEXTS] == TEXTS
    with PIL.Image.open(out) as picture:
        picture.load()
        assert picture.text["Description"] == "Ünïcode ☃"
    assert not [
        chunk for chunk in named(Image.read(source).write(tmp_path / "bare.png", metadata="strip")) if chunk in TEXTS
    ]


def block(orientation: int) -> bytes:
    exif = PIL.Image.Exif()
    exif[0x112], exif[0x10F] = orientation, "Acme"
    return exif.tobytes().removeprefix(b"Exif\0\0")


def digits(name: bytes, data: bytes) -> bytes:
    return b"\n%s\n%8d\n%s\n" % (name, len(data), data.hex().encode())


@pytest.mark.parametrize("kind", ["late", "digits", "packed"])
def test_exif_where_libvips_does_not_look(tmp_path: Path, kind: str) -> None:
    """Behind the pixels, or as a text: its orientation is applied, and it is written where everyone looks."""
    raw = digits(b"exif", b"Exif\0\0" + block(6))
    chunk = {
        "late": made(b"eXIf", block(6)),
        "digits": made(b"tEXt", b"Raw profile type exif\0" + raw),
        "packed": made(b"zTXt", b"Raw profile type APP1\0\0" + zlib.compress(raw)),
    }[kind]
    picture = Image.read(png(tmp_path / "in.png", *((b"", chunk) if kind == "late" else (chunk, b""))))
    np.testing.assert_array_equal(picture.array, np.rot90(PICTURE, -1))
    with PIL.Image.open(picture.write(tmp_path / "out.png")) as out:
        assert (out.getexif()[0x10F], out.getexif()[0x112]) == ("Acme", 1)
    assert sum(name == b"eXIf" for name, _ in named(tmp_path / "out.png")) == 1
    assert b"Raw profile" not in (tmp_path / "out.png").read_bytes()


def test_digits_that_are_none_lose_nothing_else(tmp_path: Path) -> None:
    for text in (b"\nexif\n 4\nzz\n", b"", b"\nexif"):
        source = png(tmp_path / "in.png", made(b"tEXt", b"Raw profile type exif\0" + text))
        np.testing.assert_array_equal(Image.read(source).array, PICTURE)


def test_iptc_travels(tmp_path: Path) -> None:
    iptc = b"8BIM\4\4\0\0\0\0\0\x08\x1c\x02\x50\0\3abc"
    source = png(
        tmp_path / "in.png", made(b"zTXt", b"Raw profile type iptc\0\0" + zlib.compress(digits(b"iptc", iptc)))
    )
    picture = Image.read(source)
    for suffix in ("png", "jpg", "tif", "png"):
        picture = Image.read(picture.write(tmp_path / f"out.{suffix}"))
        assert b"\x1c\x02\x50\0\3abc" in picture.metadata["iptc-data"]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("kind", ["plain", "packed", "latin", "digits"])
def test_xmp_is_written_as_its_specification_says_however_it_came(tmp_path: Path, kind: str, late: bool) -> None:
    xmp = '<x:xmpmeta tiff:Orientation="6">Żółć 写真 é</x:xmpmeta>'.encode()
    chunk = {
        "plain": made(b"iTXt", b"XML:com.adobe.xmp\0\0\0en\0XMP\0" + xmp),
        "packed": made(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp)),
        "latin": made(b"zTXt", b"XML:com.adobe.xmp\0\0" + zlib.compress(xmp)),  # as libvips writes it
        "digits": made(b"tEXt", b"Raw profile type xmp\0" + digits(b"xmp", xmp)),
    }[kind]
    before, after = (b"", chunk) if late else (chunk, b"")
    out = Image.read(png(tmp_path / "in.png", before, after)).write(tmp_path / "out.png")
    assert [chunk for chunk in named(out) if chunk[0] in chunks.TEXTS] == [(b"iTXt", chunks.XMP + bytes(5) + xmp)]
    with PIL.Image.open(out) as picture:
        assert picture.info["xmp"] == xmp
    turned = png(tmp_path / "in.png", before + made(b"eXIf", block(6)), after)
    assert Image.read(turned).metadata["xmp-data"] == xmp.replace(b"6", b"1")
    assert b"xmpmeta" not in Image.read(out).write(tmp_path / "bare.png", metadata="strip").read_bytes()


def test_what_colours_mean_is_kept_even_where_metadata_are_not(tmp_path: Path) -> None:
    meant = [(b"gAMA", struct.pack(">I", 100000)), (b"cICP", bytes([9, 16, 0, 1])), (b"cLLI", bytes(8))]
    source = png(tmp_path / "in.png", b"".join(made(*chunk) for chunk in meant))
    with overheard() as said:
        picture = Image.read(source)
    assert [one.reason for one in said] == ["its colours are HDR (PQ); they are repaired as if they were sRGB"]
    for metadata in ("keep", "strip"):
        out = picture.write(tmp_path / "out.png", metadata=metadata)
        assert [chunk for chunk in named(out) if chunk in meant] == meant
    with pytest.warns(UserWarning, match="JPEG files are written without HDR of a PNG file"):
        picture.write(tmp_path / "out.jpg")


def test_no_gamma_beside_a_profile(tmp_path: Path) -> None:
    profile = PIL.Image.fromarray(PICTURE)
    from PIL import ImageCms

    profile.save(tmp_path / "x.png", icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    data = (tmp_path / "x.png").read_bytes()
    at = data.index(b"iCCP") - 4
    (tmp_path / "x.png").write_bytes(data[:at] + made(b"gAMA", struct.pack(">I", 45455)) + data[at:])
    out = Image.read(tmp_path / "x.png").write(tmp_path / "out.png", icc="srgb")
    assert not {b"gAMA", b"iCCP"} & {name for name, _ in named(out)}


def test_chunks_that_nobody_keeps_are_named_but_not_those_that_hold_no_longer(tmp_path: Path) -> None:
    stale = made(b"bKGD", bytes(6)) + made(b"tIME", bytes(7)) + made(b"sBIT", bytes(3))
    with overheard() as said:
        Image.read(png(tmp_path / "in.png", stale + made(b"caBX", b"jumb"), made(b"prVt", b"") + made(b"caBX", b"")))
    assert [one.reason for one in said] == ["PNG files are read without caBX, prVt"]
    with overheard() as said:
        Image.read(Image.read(png(tmp_path / "in.png", stale)).write(tmp_path / "out.png"))
    assert not said


def test_cut_off_anywhere_nothing_is_raised() -> None:
    file = io.BytesIO()
    PIL.Image.fromarray(PICTURE).save(file, "PNG")
    for end in range(8, len(file.getvalue())):
        chunks.read(Path("x.png"), io.BytesIO(file.getvalue()[:end]))
