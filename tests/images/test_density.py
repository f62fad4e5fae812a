"""darnet.images.density: what a file says of its density is in the next one, and nothing else is."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from darnet.images import density, scratch
from darnet.images.image import Image
from darnet.notices import overheard

FORMATS = ("jpeg", "png", "tiff", "webp", "avif")
#: Across and down, and the unit: of nothing (the shape of a pixel), an inch, a centimetre.
Said = tuple[float, float, str]
PICTURE = PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8))


def exif(said: Said | None, orientation: int = 1) -> PIL.Image.Exif:
    tags = PIL.Image.Exif()
    tags[0x10F], tags[0x112] = "Acme", orientation
    if said:
        tags[0x11A], tags[0x11B], tags[0x128] = *said[:2], {"none": 1, "in": 2, "cm": 3}[said[2]]
    return tags


def photo(format: str, said: Said | None, orientation: int = 1) -> bytes:
    """A file that says so in the place of its format's own, and its orientation in EXIF."""
    file = io.BytesIO()
    if format == "tiff":
        PICTURE.save(file, format, tiffinfo=dict(exif(said, orientation)))
        return file.getvalue()
    inside = format in {"webp", "avif"}
    PICTURE.save(file, format, exif=exif(said if inside else None, orientation))
    data = file.getvalue()
    if said is None or inside:
        return data
    across, down, unit = (round(said[0]), round(said[1]), said[2])
    if format == "jpeg":
        at = data.index(b"JFIF\0") + 7
        return data[:at] + struct.pack(">BHH", ("none", "in", "cm").index(unit), across, down) + data[at + 5 :]
    metre = {"none": 1, "in": 100 / 2.54, "cm": 100}[unit]
    body = b"pHYs" + struct.pack(">IIB", round(across * metre), round(down * metre), unit != "none")
    return data[:33] + struct.pack(">I", 9) + body + struct.pack(">I", zlib.crc32(body)) + data[33:]


def told(data: bytes, format: str) -> Said | None:
    """What a file says, by Pillow's reading or none of ours; None where that is nothing."""
    if format == "jpeg":
        unit, *pair = struct.unpack_from(">BHH", data, data.index(b"JFIF\0") + 7)
        unit = ("none", "in", "cm")[unit]
    elif format == "png":
        at = data.find(b"pHYs")
        if at < 0:
            return None
        *pair, metres = struct.unpack_from(">IIB", data, at + 4)
        pair, unit = ([one / 100 for one in pair], "cm") if metres else (pair, "none")
    else:
        with PIL.Image.open(io.BytesIO(data)) as picture:
            tags = dict(picture.tag_v2) if format == "tiff" else dict(picture.getexif())
        if 0x11A not in tags:
            return None
        pair, unit = [float(tags[0x11A]), float(tags[0x11B])], {1: "none", 2: "in", 3: "cm"}[tags[0x128]]
    return None if unit == "none" and pair[0] == pair[1] else (*pair, unit)


def per_millimetre(said: Said) -> tuple[float, float]:
    millimetres = {"none": 1, "in": 25.4, "cm": 10}[said[2]]
    return said[0] / millimetres, said[1] / millimetres


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize("said", [None, (300, 150, "in"), (118, 59, "cm"), (2, 1, "none")])
@pytest.mark.parametrize("format", ["jpeg", "png", "tiff", "webp"])
def test_it_is_kept_turned_with_the_picture_and_none_is_made_up(
    format: str, said: Said | None, orientation: int, target: str
) -> None:
    picture = Image.decode(photo(format, said, orientation))
    after = told(picture.encode(target), target)
    if said is None:
        assert after is None
        assert picture.metadata.keys().isdisjoint(density.FIELDS)
        return
    wanted = (said[1], said[0], said[2]) if orientation == 6 else said
    assert after is not None
    assert (after[2] == "none") == (said[2] == "none")
    assert per_millimetre(after) == pytest.approx(per_millimetre(wanted), rel=2e-3)
    assert (picture.height, picture.width) == ((12, 8) if orientation == 6 else (8, 12))


@pytest.mark.parametrize("target", ["bmp", "jpeg", "png", "tiff", "webp"])
def test_what_had_no_file_gets_none(target: str) -> None:
    data = Image.of(np.asarray(PICTURE)).encode(target)
    with PIL.Image.open(io.BytesIO(data)) as picture:
        assert not any(picture.info.get("dpi", ()))


@pytest.mark.parametrize("target", FORMATS)
def test_stripped_metadata_leave_none(target: str) -> None:
    assert told(Image.decode(photo("jpeg", (300, 150, "in"))).encode(target, metadata="strip"), target) is None


def test_exif_says_it_where_the_file_does_not_and_is_turned_too() -> None:
    file = io.BytesIO()
    PICTURE.save(file, "JPEG", exif=exif((300, 150, "in"), 6))
    picture = Image.decode(file.getvalue())
    assert density.of(picture.metadata) == pytest.approx((150 / 25.4, 300 / 25.4))
    data = picture.encode("jpeg")
    with PIL.Image.open(io.BytesIO(data)) as again:
        assert (again.getexif()[0x11A], again.getexif()[0x11B]) == (150, 300)
    assert told(data, "jpeg") == (150, 300, "in")


def test_the_files_own_comes_before_that_of_its_exif_and_both_stay() -> None:
    file = io.BytesIO()
    PICTURE.save(file, "PNG", exif=exif((2, 1, "none")), dpi=(300, 150))
    picture = Image.decode(file.getvalue())
    assert density.of(picture.metadata) == pytest.approx((11.811, 5.906))
    with PIL.Image.open(io.BytesIO(picture.encode("png"))) as again:
        assert (again.getexif()[0x11A], again.getexif()[0x128]) == (2, 1)


def test_each_page_has_its_own(tmp_path: Path) -> None:
    first, second, third = (Image.decode(photo("tiff", said)) for said in ((300, 150, "in"), None, (2, 1, "none")))
    out = replace(first, frames=(second, third)).write(tmp_path / "x.tif")
    pages = Image.read(out, pages="all")
    found = [density.of(page.metadata) or density.shape(page.metadata) for page in (pages, *pages.frames)]
    assert found == [pytest.approx((300 / 25.4, 150 / 25.4)), (1, 1), (2, 1)]


def test_a_large_file_is_as_a_small_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "MOST_BYTES", 10)
    for format in FORMATS:
        out = Image.decode(photo("jpeg", (2, 1, "none"))).write(tmp_path / f"x.{format}")
        assert told(out.read_bytes(), format) == (2, 1, "none")


def test_formats_without_room_say_so() -> None:
    with overheard() as heard:
        Image.decode(photo("jpeg", (2, 1, "none"))).encode("gif")
        Image.decode(photo("webp", None)).encode("ppm")
    assert [one.reason for one in heard if "density" in one.reason] == ["GIF files are written without EXIF, density"]


@pytest.mark.parametrize(
    "block",
    [None, b"", b"Exif\0\0", b"Exif\0\0II*\0\x08\0\0\0", exif((0, 0, "in")).tobytes(), b"Exif\0\0MM\0+" + bytes(40)],
)
def test_exif_without_or_damaged_says_nothing(block: bytes | None) -> None:
    assert density.of_exif(block) == {}
    fields = {"xres": 2.0, "yres": 3.0} | ({} if block is None else {"exif-data": block})
    assert {**density.turned(density.turned(fields))} == fields


@pytest.mark.parametrize("pair", [(0, 1), (1, 0), (float("nan"), 1), (float("inf"), 1), (-1, -2), (8e7, 8e7)])
def test_impossible_ones_are_none(pair: tuple[float, float]) -> None:
    assert density.stated(*pair, "in", 25.4) == {}


def test_what_a_format_cannot_count_is_left_out() -> None:
    huge = {"xres": 1e9, "yres": 1e9}
    assert density.jfif(huge)[7:] == struct.pack(">BHHBB", 0, 1, 1, 0, 0)
    assert density.phys(huge) == b""
    assert density.of_jfif(b"JFIF\0\1\2") == density.of_jfif(b"JFXX\0" + bytes(9)) == density.of_phys(b"abc") == {}
