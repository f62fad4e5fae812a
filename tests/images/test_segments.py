"""darnet.images.segments: what a JPEG file says is in the next one, and it is coded no worse."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageCms
import pytest

from darnet.images import segments
from darnet.images.coding import Coding
from darnet.images.image import Image
from darnet.notices import overheard

PICTURE = np.random.default_rng(1).integers(0, 256, (32, 48, 3), np.uint8)
EXTENDED = b"http://ns.adobe.com/xmp/extension/\0" + b"A" * 32 + struct.pack(">II", 4, 0) + b"<b/>"
SRGB = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes()
NOTE = b"Acme\0\0II" + bytes(range(64))


def jpeg(path: Path, extra: list[tuple[int, bytes]] | None = None, **options: object) -> Path:
    file = io.BytesIO()
    PIL.Image.fromarray(PICTURE).save(file, "JPEG", **options)
    data = file.getvalue()
    path.write_bytes(data[:2] + b"".join(segments._made(*one) for one in extra or []) + data[2:])
    return path


def found(path: Path) -> list[tuple[int, bytes]]:
    with path.open("rb") as file:
        return [(one.marker, one.data) for one in segments._segments(file)]


def test_comments_and_extended_xmp_stay(tmp_path: Path) -> None:
    extra = [(segments.APP1, EXTENDED), (segments.COMMENT, b"hello"), (segments.COMMENT, b"\xff\xd8 again")]
    out = Image.read(jpeg(tmp_path / "in.jpg", extra)).write(tmp_path / "out.jpg")
    assert [one for one in found(out) if one in extra] == extra
    with PIL.Image.open(out) as picture:
        picture.load()
        assert picture.info["comment"] == b"\xff\xd8 again"  # Pillow's own idea: the last
    bare = Image.read(out).write(tmp_path / "bare.jpg", metadata="strip")
    assert not [one for one in found(bare) if one in extra]
    with pytest.warns(UserWarning, match="PNG files are written without comments of a JPEG file"):
        Image.read(out).write(tmp_path / "out.png")


def test_segments_that_nobody_keeps_are_named(tmp_path: Path) -> None:
    coded = [(0xEC, b"Ducky\0\1\0\4"), (segments.APP0, b"JFXX\0\x10"), (0xED, b"Photoshop 3.0\0")]
    lost = [(0xEB, b"JP\0\1\0\0\0\1\0\0\0\x20jumb"), (0xE4, b"Acme"), (0xE4, b"more"), (0xEC, b"PictureInfo")]
    with overheard() as said:
        Image.read(jpeg(tmp_path / "in.jpg", coded + lost, xmp=b"<x/>", exif=PIL.Image.Exif(), icc_profile=SRGB))
    named = "APP11 (such as content credentials, C2PA), APP4, APP12"
    assert [one.reason for one in said] == [f"JPEG files are read without {named}"]
    with overheard() as said:
        Image.read(jpeg(tmp_path / "in.jpg", coded, xmp=b"<x/>", exif=PIL.Image.Exif(), icc_profile=SRGB))
    assert not said


@pytest.mark.parametrize("dpi", [(300, 300), (72, 144)])
@pytest.mark.parametrize("exif", [False, True])
def test_density_stays(tmp_path: Path, dpi: tuple[int, int], exif: bool) -> None:
    options = {"exif": PIL.Image.Exif()} if exif else {}
    out = Image.read(jpeg(tmp_path / "in.jpg", dpi=dpi, **options)).write(tmp_path / "out.jpg")
    with PIL.Image.open(out) as picture:
        assert picture.info["dpi"] == dpi
    with PIL.Image.open(Image.of(PICTURE).write(tmp_path / "none.jpg")) as picture:
        assert picture.info["jfif_density"] == (1, 1)


@pytest.mark.parametrize(
    ("options", "coded"),
    [
        ({"quality": 75}, Coding(quality=75, halved=True)),
        ({"quality": 98, "subsampling": 0}, Coding(quality=98)),
        ({"quality": 100, "subsampling": 2}, Coding(quality=100, halved=True)),
        ({"quality": 80, "subsampling": 1}, Coding(quality=80)),
    ],
)
def test_a_file_is_coded_as_it_came_and_no_worse_than_is_usual(tmp_path: Path, options: dict, coded: Coding) -> None:
    picture = Image.read(jpeg(tmp_path / "in.jpg", **options))
    assert picture.coding.halved == coded.halved and abs(picture.coding.quality - coded.quality) <= 1
    again = Image.read(picture.write(tmp_path / "out.jpg"))
    assert again.coding.halved == coded.halved
    assert abs(again.coding.quality - max(95, coded.quality)) <= 1
    assert abs(Image.read(picture.write(tmp_path / "out.jpg", quality=60)).coding.quality - 60) <= 1
    assert not Image.read(picture.write(tmp_path / "x.png")).coding.halved


def block(thumbnail: bytes) -> bytes:
    """EXIF with a camera's note at the end of EXIF's directory, and a thumbnail behind it."""
    note_at, second = 8 + 30 + 30, 8 + 30 + 30 + len(NOTE)
    first = struct.pack("<HHHIIHHII", 2, 0x112, 3, 1, 6, 0x8769, 4, 1, 38) + struct.pack("<I", second)
    details = struct.pack("<HHHIIHHIII", 2, 0x927C, 7, len(NOTE), note_at, 0xA002, 4, 1, 9999, 0)
    inner = struct.pack("<HHHIIHHIII", 2, 0x201, 4, 1, second + 30, 0x202, 4, 1, len(thumbnail), 0)
    return b"Exif\0\0II*\0\x08\0\0\0" + first + details + NOTE + inner + thumbnail


def test_exif_stays_where_it_is_without_thumbnail_and_orientation(tmp_path: Path) -> None:
    """A camera's own note points into the block: it is of no use anywhere else."""
    before = block(b"\xff\xd8 an old thumbnail")
    picture = Image.read(jpeg(tmp_path / "in.jpg", exif=before))
    assert picture.array.shape == (48, 32, 3)
    for suffix in ("jpg", "png"):
        out = picture.write(tmp_path / f"out.{suffix}")
        data = out.read_bytes()
        at = data.index(b"II*\0")
        assert data[at : at + len(before)].index(NOTE) == before.index(NOTE) - 6
        assert b"an old thumbnail" not in data
        with PIL.Image.open(out) as again:
            tags = again.getexif()
            assert tags[0x112] == 1 and tags.get_ifd(0x8769)[0xA002] == 32
            assert tags.get_ifd(0x8769)[0x927C] == NOTE
            assert not tags.get_ifd(1)


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ((segments.APP1, b'http://ns.adobe.com/xap/1.0/\0<x hdrgm:Version="1.0"/>'), "gain map"),
        ((segments.APP2, b"urn:iso:std:iso:ts:21496:-1\0abc"), "gain map"),
        ((segments.APP2, b"MPF\0abc"), "other pictures in the file"),
    ],
)
def test_what_is_lost_is_said(tmp_path: Path, extra: tuple[int, bytes], reason: str) -> None:
    with overheard() as said:
        Image.read(jpeg(tmp_path / "in.jpg", [extra]))
    assert [reason in one.reason for one in said] == [True]


def test_orientation_in_xmp_alone_is_neither_applied_nor_reset(tmp_path: Path) -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    picture = Image.read(jpeg(tmp_path / "in.jpg", xmp=xmp))
    assert picture.array.shape == PICTURE.shape
    assert picture.metadata["xmp-data"] == xmp


def test_exif_that_is_too_long_is_left_out_with_a_warning(tmp_path: Path) -> None:
    long = block(b"")[6:] + bytes(70_000)
    picture = Image(PICTURE, metadata={"exif-data": b"Exif\0\0" + long})
    with pytest.warns(UserWarning, match="longer than a JPEG file can hold"):
        Image.read(picture.write(tmp_path / "out.jpg"))


def test_cut_off_anywhere_nothing_is_raised(tmp_path: Path) -> None:
    data = jpeg(tmp_path / "in.jpg", [(segments.COMMENT, b"hello")], exif=block(b"abc")).read_bytes()
    for end in range(2, data.index(b"\xff\xda") + 9, 3):
        segments.read(Path("x.jpg"), io.BytesIO(data[:end]))
