"""darnet.images.exif: what a camera wrote survives TIFF, and the picture in the file does not move."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import pyvips
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from darnet.images import exif, scratch
from darnet.images.arrays import rescale
from darnet.images.image import Image
from darnet.notices import overheard

ASCII, SHORT, LONG, RATIONAL, UNDEFINED = 2, 3, 4, 5, 7
WIDTH, HEIGHT, DESCRIPTION, MAKE, STRIPS, ORIENTATION, ARTIST = 0x100, 0x101, 0x10E, 0x10F, 0x111, 0x112, 0x13B
TAKEN, NOTE, LENS, PIXELS_X, PIXELS_Y, SENSITIVITY = 0x9003, 0x927C, 0xA434, 0xA002, 0xA003, 0x8827
MAKER_NOTE = bytes(range(251))
NAME = "Zoë Łuk".encode()
LATITUDE = (48, 1, 51, 1, 2953, 100)
ORDERS = pytest.mark.parametrize("order", [b"II", b"MM"])


def noise(dtype: object = np.uint8, channels: int = 3) -> np.ndarray:
    values = np.random.default_rng(7).random((150, 37, channels))
    return rescale(values.astype(np.float32), dtype)


def directory(order: bytes, tags: dict[int, tuple[int, int, bytes]], start: int) -> bytes:
    """Written by hand, since a test that uses the tested library proves little."""
    endian = "<" if order == b"II" else ">"
    table, values = struct.pack(f"{endian}H", len(tags)), b""
    for tag, (kind, count, value) in sorted(tags.items()):
        far = struct.pack(f"{endian}I", start + 2 + 12 * len(tags) + 4 + len(values))
        table += struct.pack(f"{endian}HHI", tag, kind, count) + (value.ljust(4, b"\0") if len(value) <= 4 else far)
        values += (value + bytes(len(value) % 2)) if len(value) > 4 else b""
    return table + bytes(4) + values


def camera(order: bytes = b"II", orientation: int = 1) -> bytes:
    """What a camera puts in a JPEG file."""
    endian = "<" if order == b"II" else ">"

    def integers(kind: int, *values: int) -> tuple[int, int, bytes]:
        layout = {SHORT: "H", LONG: "I", RATIONAL: "I"}[kind]
        packed = struct.pack(f"{endian}{len(values)}{layout}", *values)
        return kind, len(values) // (2 if kind == RATIONAL else 1), packed

    def text(value: bytes) -> tuple[int, int, bytes]:
        return ASCII, len(value) + 1, value + b"\0"

    details = {
        TAKEN: text(b"2024:05:06 07:08:09"),
        NOTE: (UNDEFINED, len(MAKER_NOTE), MAKER_NOTE),
        LENS: text(b"Acme 35mm f/2"),
        SENSITIVITY: integers(SHORT, 400),
        PIXELS_X: integers(LONG, 4000),
        0x829A: integers(RATIONAL, 1, 250),
    }
    position = {0: (1, 4, b"\2\3\0\0"), 1: text(b"N"), 2: integers(RATIONAL, *LATITUDE)}
    about = {MAKE: text(b"Acme"), ARTIST: text(NAME), ORIENTATION: integers(SHORT, orientation)}
    body = b""
    for tag, inner in ((exif.EXIF, details), (exif.GPS, position)):
        about[tag] = integers(LONG, 8 + len(body))
        body += directory(order, inner, 8 + len(body))
    header = order + struct.pack(f"{endian}HI", 42, 8 + len(body))
    return b"Exif\0\0" + header + body + directory(order, about, 8 + len(body))


def check(path: Path, size: tuple[int, int] = (37, 150)) -> None:
    with PIL.Image.open(path) as picture:
        tags = picture.getexif()
        details, position = tags.get_ifd(exif.EXIF), tags.get_ifd(exif.GPS)
    assert tags[MAKE] == "Acme"
    assert tags[ARTIST].encode("latin-1") == NAME  # the bytes; Pillow does not know that they are UTF-8
    assert tags.get(ORIENTATION, 1) == 1
    assert (details[TAKEN], details[LENS]) == ("2024:05:06 07:08:09", "Acme 35mm f/2")
    assert (details[NOTE], details[SENSITIVITY], float(details[0x829A])) == (MAKER_NOTE, 400, 1 / 250)
    assert (details[PIXELS_X], details.get(PIXELS_Y, size[1])) == size  # what was not there need not come
    assert (position[0], position[1]) == (b"\2\3\0\0", "N")
    assert tuple(part for value in position[2] for part in (value.numerator, value.denominator)) == LATITUDE


def photo(path: Path, block: bytes, **options: object) -> Path:
    PIL.Image.fromarray(noise()).save(path, exif=block, **options)
    return path


def layout(data: bytes) -> dict[int, object]:
    """Where the pixels of a TIFF file are and how they are stored."""
    tags = ImageFileDirectory_v2(data[:8])
    stream = io.BytesIO(data)
    stream.seek(tags.next)
    tags.load(stream)
    return {tag: tags[tag] for tag in tags if tag not in {*exif.ABOUT, exif.EXIF, exif.GPS}}


# ------------------------------------------------------------------------------------------------------- round trips


@ORDERS
@pytest.mark.parametrize("others", [(".jpg", ".png"), (".png", ".webp"), (".webp", ".jpg"), (".tiff", ".tiff")])
def test_exif_travels_to_tiff_and_back(tmp_path, order, others):
    picture = Image.read(photo(tmp_path / "in.jpg", camera(order)))
    for number, suffix in enumerate((others[0], ".tif", others[1], ".tif", others[0])):
        path = picture.write(tmp_path / f"{number}{suffix}")
        check(path)
        picture = Image.read(path)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_the_picture_stays_as_it_is_whoever_reads_it(tmp_path, dtype, channels):
    values = noise(dtype, channels)
    picture = Image.of(values)
    path = picture.write(tmp_path / "x.tif")
    plain = path.read_bytes()
    data = exif.add(path, plain, {"exif-data": camera()})
    path.write_bytes(data)
    assert data[8 : len(plain)] == plain[8:]
    assert layout(data) == layout(plain)
    again = Image.read(path)
    np.testing.assert_array_equal(again.array, picture.array)
    np.testing.assert_array_equal(again.alpha, picture.alpha)
    stored = pyvips.Image.new_from_file(str(path), fail_on="warning")
    np.testing.assert_array_equal(stored.numpy().reshape(values.shape), values)
    if dtype == np.uint8:
        with PIL.Image.open(path) as opened:
            np.testing.assert_array_equal(np.asarray(opened).reshape(values.shape), values)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tifffile_reads_it_too(tmp_path, dtype):
    tifffile = pytest.importorskip("tifffile")
    values = noise(dtype)
    path = Image(values, metadata={"exif-data": camera()}).write(tmp_path / "x.tif")
    with tifffile.TiffFile(path) as file:
        (page,) = file.pages
        assert page.tags["ExifTag"].value["DateTimeOriginal"] == "2024:05:06 07:08:09"
        assert page.tags["GPSTag"].value["GPSLatitude"] == LATITUDE
        assert page.tags["Artist"].value == NAME.decode()
        codes = [tag.code for tag in page.tags]
        assert codes == sorted(codes)


def test_several_strips_and_an_odd_length(tmp_path):
    tall = Image(np.tile(noise(), (10, 10, 1)), metadata={"exif-data": camera()})
    path = tall.write(tmp_path / "x.tif")
    assert len(layout(path.read_bytes())[STRIPS]) > 1
    np.testing.assert_array_equal(Image.read(path).array, tall.array)
    check(path, (370, 1500))
    odd = Image.of(noise()).write(tmp_path / "odd.tif").read_bytes()
    odd += bytes(1 + len(odd) % 2)
    path.write_bytes(exif.add(path, odd, {"exif-data": camera()}))
    check(path)


def test_both_byte_orders_of_the_file(tmp_path):
    for mode in ("I;16", "I;16B"):
        values = noise(np.uint16, 1)[..., 0]
        path = tmp_path / "x.tif"
        picture = PIL.Image.frombytes(mode, (37, 150), values.astype("<u2" if mode == "I;16" else ">u2").tobytes())
        picture.save(path)
        data = path.read_bytes()
        assert data[:2] == (b"II" if mode == "I;16" else b"MM")
        for order in (b"II", b"MM"):
            path.write_bytes(exif.add(path, data, {"exif-data": camera(order)}))
            check(path)
            again = Image.read(path)
            np.testing.assert_array_equal(again.array[..., 0], values)
            check(again.write(tmp_path / "x.jpg", bit_depth="8"))


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_turned_pictures_are_upright_in_tiff_and_know_their_size(tmp_path, orientation):
    out = Image.read(photo(tmp_path / "in.jpg", camera(orientation=orientation))).write(tmp_path / "out.tif")
    size = (150, 37) if orientation == 6 else (37, 150)
    check(out, size)
    check(Image.read(out).write(tmp_path / "out.jpg"), size)


@pytest.mark.parametrize("big", [False, True])
def test_what_other_programs_wrote_is_read(tmp_path, big):
    path = photo(tmp_path / "in.tif", camera(), big_tiff=big)
    assert path.read_bytes()[2] == (43 if big else 42)
    with PIL.Image.open(Image.read(path).write(tmp_path / "out.jpg")) as picture:
        tags = picture.getexif()
    assert tags[MAKE] == "Acme"
    assert tags.get_ifd(exif.EXIF)[TAKEN] == "2024:05:06 07:08:09"
    assert tags.get_ifd(exif.GPS)[1] == "N"


def test_how_pixels_are_stored_is_no_exif_and_libvips_describes_the_picture(tmp_path):
    path = photo(tmp_path / "in.tif", b"", description="old town")
    block = Image.read(path).metadata["exif-data"]
    tags = PIL.Image.Exif()
    tags.load(block)
    assert dict(tags) == {DESCRIPTION: "old town"}
    assert b"old town" in Image.read(path).write(tmp_path / "out.tif").read_bytes()
    assert not exif.read(path, io.BytesIO(Image.of(noise()).write(path).read_bytes()))


def test_strip_leaves_no_exif(tmp_path):
    path = Image(noise(), metadata={"exif-data": camera()}).write(tmp_path / "x.tif", metadata="strip")
    assert b"Acme" not in path.read_bytes()
    assert "exif-data" not in Image.read(path).metadata


# ------------------------------------------------------------------------------------------------------ further tags

DOUBLE, BYTE = 12, 1
GEO = {
    0x11D: (ASCII, 5, b"page\0"),
    33550: (DOUBLE, 3, struct.pack("<3d", 0.5, 0.5, 0)),
    33922: (DOUBLE, 6, struct.pack("<6d", 0, 0, 0, 4e5, 5e6, 0)),
    34735: (SHORT, 8, struct.pack("<8H", 1, 1, 0, 1, 1024, 0, 1, 1)),
    42113: (ASCII, 6, b"-9999\0"),
    65000: (BYTE, 3, b"\1\2\3"),
}


def tagged(path: Path, tags: dict[int, tuple[int, int, bytes]]) -> Path:
    """A TIFF file of Pillow's with more tags in its directory, which is written anew at the end."""
    PIL.Image.fromarray(noise()).save(path)
    data = path.read_bytes()
    data += bytes(len(data) % 2)
    (at,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    own, stored = b"", [data[start : start + 12] for start in range(at + 2, at + 2 + 12 * count, 12)]
    for tag, (kind, number, value) in tags.items():
        place = value.ljust(4, b"\0") if len(value) <= 4 else struct.pack("<I", len(data) + len(own))
        own += value + bytes(len(value) % 2) if len(value) > 4 else b""
        stored.append(struct.pack("<HHI", tag, kind, number) + place)
    stored.sort(key=lambda entry: struct.unpack_from("<H", entry))
    directory = struct.pack("<H", len(stored)) + b"".join(stored) + bytes(4)
    path.write_bytes(data[:4] + struct.pack("<I", len(data) + len(own)) + data[8:] + own + directory)
    return path


@pytest.mark.parametrize("large", [False, True])
def test_further_tags_stay_in_tiff_and_are_missed_aloud_elsewhere(tmp_path, monkeypatch, large):
    picture = Image.read(tagged(tmp_path / "in.tif", GEO))
    if large:
        monkeypatch.setattr(scratch, "MOST_BYTES", 1000)
    found = layout(picture.write(tmp_path / "out.tif").read_bytes())
    assert {tag: found.get(tag) for tag in GEO} == {
        0x11D: "page",
        33550: (0.5, 0.5, 0.0),
        33922: (0.0, 0.0, 0.0, 4e5, 5e6, 0.0),
        34735: (1, 1, 0, 1, 1024, 0, 1, 1),
        42113: "-9999",
        65000: b"\1\2\3",
    }
    np.testing.assert_array_equal(Image.read(tmp_path / "out.tif").array, noise())
    with pytest.warns(UserWarning, match="JPEG files are written without further tags of a TIFF file"):
        picture.write(tmp_path / "out.jpg")
    assert not GEO.keys() & layout(picture.write(tmp_path / "bare.tif", metadata="strip").read_bytes()).keys()


def test_tags_that_would_contradict_the_picture_are_named(tmp_path):
    layers, version = (UNDEFINED, 8, b"8BIMLayr"), (BYTE, 4, b"\1\4\0\0")
    pointer, kept = (13, 1, struct.pack("<I", 8)), (ASCII, 3, b"ab\0")
    path = tagged(tmp_path / "in.tif", {37724: layers, 50706: version, 65000: pointer, 65001: kept})
    with overheard() as said:
        out = Image.read(path).write(tmp_path / "out.tif")
    assert [one.reason for one in said] == ["without TIFF tags 37724, 50706, 65000, which cannot be kept"]
    assert {37724, 50706, 65000, 65001} & layout(out.read_bytes()).keys() == {65001}


def test_where_pixels_are_on_earth_is_not_kept_of_a_turned_picture(tmp_path):
    path = tagged(tmp_path / "in.tif", GEO | {ORIENTATION: (SHORT, 1, b"\3\0")})
    with overheard() as said:
        out = Image.read(path).write(tmp_path / "out.tif")
    assert [one.reason for one in said] == ["without TIFF tags 33550, 33922, which cannot be kept"]
    assert GEO.keys() & layout(out.read_bytes()).keys() == GEO.keys() - exif.PLACES


def test_no_damage_to_further_tags_is_raised(tmp_path):
    data = tagged(tmp_path / "in.tif", GEO).read_bytes()
    plain, draw = Image.of(noise()).write(tmp_path / "x.tif").read_bytes(), np.random.default_rng(5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(500):
            hurt = bytearray(data)
            for place in draw.integers(len(data) - 400, len(data), 4):
                hurt[place] = draw.integers(256)
            found = exif.read_further(tmp_path / "x.tif", io.BytesIO(hurt), 0, turned=False)
            grown = exif.add(tmp_path / "x.tif", plain, found)
            assert grown[8 : len(plain)] == plain[8:]
            assert layout(plain).items() <= layout(grown).items()


def test_a_plain_file_has_no_further_tags(tmp_path):
    for path in (tagged(tmp_path / "in.tif", {}), Image.of(noise()).write(tmp_path / "out.tif")):
        with overheard() as said:
            assert "tiff-tags" not in Image.read(path).metadata
        assert not said


# ------------------------------------------------------------------------------------------------------ damaged EXIF


@pytest.mark.parametrize("pointer", [exif.EXIF, exif.GPS])
def test_a_lost_directory_is_a_warning_and_the_rest_is_kept(tmp_path, pointer):
    path = Image(noise(), metadata={"exif-data": camera()}).write(tmp_path / "x.tif")
    data = bytearray(path.read_bytes())
    place = data.rindex(struct.pack("<HHI", pointer, LONG, 1))
    data[place + 8 : place + 12] = struct.pack("<I", len(data) + 1000)
    path.write_bytes(data)
    with pytest.warns(UserWarning, match=r"x\.tif: the EXIF is damaged and not read whole"):
        picture = Image.read(path)
    np.testing.assert_array_equal(picture.array, noise())
    assert b"Acme" in picture.metadata["exif-data"]


def test_threads_hear_their_own_damage_and_leave_warnings_as_they_were(tmp_path):
    """Training reads its photos by many threads; each exchanged how all of Python's warnings are shown."""
    path = Image(noise(), metadata={"exif-data": camera()}).write(tmp_path / "x.tif")
    data = bytearray(path.read_bytes())
    place = data.rindex(struct.pack("<HHI", exif.GPS, LONG, 1))
    data[place + 8 : place + 12] = struct.pack("<I", len(data) + 1000)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with warnings.catch_warnings(record=True) as caught, ThreadPoolExecutor(8) as pool:
            warnings.simplefilter("always")
            before = warnings.filters.copy(), warnings.showwarning
            list(pool.map(lambda number: exif.read(Path(f"{number}.tif"), io.BytesIO(data)), range(100)))
            assert (warnings.filters, warnings.showwarning) == before
    finally:
        sys.setswitchinterval(interval)
    named = sorted(str(warning.message).partition(":")[0] for warning in caught)
    assert named == sorted(f"{number}.tif" for number in range(100))


@pytest.mark.parametrize("block", [b"Exif\0\0", b"Exif\0\0II*\0", b"Exif\0\0nonsense", b"Exif\0\0II*\0\xff\xff\xff\0"])
def test_a_block_that_is_none_is_a_warning_and_the_picture_is_written(tmp_path, block):
    plain = Image.of(noise()).write(tmp_path / "x.tif").read_bytes()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert exif.add(tmp_path / "x.tif", plain, {"exif-data": block}) == plain
    (warning,) = caught
    assert issubclass(warning.category, UserWarning)
    assert str(warning.message).startswith(f"{tmp_path / 'x.tif'}: TIFF file written without the EXIF")


def test_bigtiff_is_left_alone(tmp_path):
    path = tmp_path / "x.tif"
    pyvips.Image.new_from_array(noise()).tiffsave(str(path), bigtiff=True)
    with pytest.warns(UserWarning, match="without the EXIF .*BigTIFF"):
        assert exif.add(path, path.read_bytes(), {"exif-data": camera()}) == path.read_bytes()


@ORDERS
def test_no_damage_to_the_exif_loses_the_picture(tmp_path, order):
    plain = Image.of(noise()).write(tmp_path / "x.tif").read_bytes()
    whole, draw = camera(order), np.random.default_rng(5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(500):
            damaged = bytearray(whole)
            for place in draw.integers(6, len(whole), 4):
                damaged[place] = draw.integers(256)
            grown = exif.add(
                tmp_path / "x.tif", plain, {"exif-data": bytes(damaged[: draw.integers(6, 2 * len(whole))])}
            )
            assert grown[8 : len(plain)] == plain[8:]
            assert layout(grown) == layout(plain)
            hurt = bytearray(grown)
            for place in draw.integers(len(plain) - 200, len(hurt), 4):
                hurt[place] = draw.integers(256)
            exif.read(tmp_path / "x.tif", io.BytesIO(hurt))


def test_importing_is_light():
    code = "import sys, darnet.images.exif; sys.exit(bool({'torch', 'PIL', 'pyvips'} & set(sys.modules)))"
    source = Path(exif.__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(source)}, check=False).returncode == 0
