"""Formats × depth × channels × orientation × profile × metadata: what should be kept is, and others read it.

Sources are written by Pillow and libvips. What darnet writes is read by both, and by exiftool where it is installed.
The table of docs/picture-formats.md is what is found here.
"""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import pyvips
from PIL.PngImagePlugin import PngInfo

from darnet.images.arrays import full_scale
from darnet.images.formats import FORMATS
from darnet.images.image import Image
from darnet.notices import overheard
from pictures import AVAILABLE

DOCS = Path(__file__).parents[2] / "docs" / "picture-formats.md"
#: Always there; others are in the table as well, and checked where their extra is installed.
USUAL = ("jpeg", "png", "tiff", "webp", "avif", "gif", "bmp", "ppm", "jp2")
EXTRA = tuple(name for name in ("heic",) if name in AVAILABLE.values())
BY_VIPS = ("jpeg", "png", "tiff", "webp", "avif")
DTYPES = {"jpeg": (np.uint8,), "webp": (np.uint8,), "tiff": (np.uint8, np.uint16, np.float32)}
LOSSY = ("jpeg", "webp", "avif", "heic")
WIDE = bytes(pyvips.Image.profile_load("p3"))
BAND_FORMATS = {"uint8": "uchar", "uint16": "ushort", "float32": "float"}
IIM = b"\x1c\x02\x50\0\x0biptc author\x1c\x02\x5a\0\4Wien"
XMP = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    b'xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" photoshop:City="old town"/></rdf:RDF></x:xmpmeta>'
    b'<?xpacket end="w"?>'
)
COMMENT = b"a comment"
KINDS = ("EXIF", "XMP", "IPTC", "density", "comments")


def smooth(channels: int, dtype: type) -> np.ndarray:
    rows, columns = np.mgrid[0:1:30j, 0:1:44j]
    planes = np.stack([rows, columns, (rows + columns) / 2, 1 - rows / 2], axis=2)[..., :channels]
    if channels == 2:
        planes[..., 1] = 1 - rows / 2
    return (planes * full_scale(dtype)).astype(dtype)


def source(path: Path, values: np.ndarray, orientation: int, profile: bytes | None) -> Path:
    """A file that libvips wrote."""
    bands, deep = values.shape[2], values.dtype.name
    names = {"uint8": ("b-w", "srgb"), "uint16": ("grey16", "rgb16"), "float32": ("b-w", "scrgb")}[deep]
    image = pyvips.Image.new_from_array(values).copy(interpretation=names[bands > 2])
    if orientation > 1:
        image.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    if profile:
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    options = {"Q": 95} if path.suffix[1:] in {"jpeg", "webp", "avif"} else {}
    image.write_to_file(str(path), **options)
    return path


@pytest.mark.parametrize("format", BY_VIPS)
@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_pixels(tmp_path: Path, format: str, channels: int, orientation: int) -> None:
    """In their depth, upright, with alpha and profile: read by darnet, changed, written, and read by libvips."""
    for dtype in DTYPES.get(format, (np.uint8, np.uint16)):
        for profile in (None, WIDE) if channels > 2 else (None,):
            if channels in {2, 4} and format == "jpeg":
                continue
            values = smooth(channels, dtype)
            turned = orientation if format != "avif" else 1  # libheif turns a picture by what this field does not say
            picture = Image.read(source(tmp_path / f"in.{format}", values, turned, profile))
            out = replace(picture, array=picture.array[::-1].copy()).write(tmp_path / f"out.{format}")
            upright = np.rot90(values, -1) if turned == 6 else values
            colours = 1 if channels < 3 else 3
            wanted = np.concatenate([upright[::-1, :, :colours], upright[..., colours:]], axis=2)
            check(out, wanted, format, profile)


def check(out: Path, wanted: np.ndarray, format: str, profile: bytes | None) -> None:
    stored = pyvips.Image.new_from_file(str(out), revalidate=True)
    assert (stored.height, stored.width) == wanted.shape[:2]
    fields = stored.get_fields()
    assert "orientation" not in fields or stored.get("orientation") == 1
    assert (bytes(stored.get("icc-profile-data")) if "icc-profile-data" in fields else None) == profile
    assert stored.format == BAND_FORMATS[wanted.dtype.name]
    values = stored.numpy().reshape(stored.height, stored.width, -1)
    if values.shape[2] > wanted.shape[2]:  # grey, of a format that has none
        assert np.ptp(values[..., :3].astype(int), axis=2).max() <= 1
        values = np.concatenate([values[..., :1], values[..., 3:]], axis=2)
    assert values.shape == wanted.shape
    error = np.abs(values.astype(float) - wanted).mean() / full_scale(wanted.dtype)
    assert error <= (0.02 if format in LOSSY else 0)
    if wanted.dtype == np.uint8:
        with PIL.Image.open(out) as again:
            again.load()
            assert again.size == (stored.width, stored.height)


def exif() -> PIL.Image.Exif:
    tags = PIL.Image.Exif()
    tags[0x10F], tags[0x112] = "Acme", 1
    tags[0x11A] = tags[0x11B] = 300.0
    tags[0x128] = 2
    tags.get_ifd(0x8769)[0x9003] = "2024:05:06 07:08:09"
    return tags


def photo(path: Path) -> Path:
    """A file of Pillow's, with all that its format can say."""
    picture, format = PIL.Image.fromarray(smooth(3, np.uint8)), path.suffix[1:]
    resource = b"8BIM\4\4\0\0" + struct.pack(">I", len(IIM)) + IIM + bytes(len(IIM) % 2)
    if format == "jpeg":
        picture.save(path, exif=exif(), xmp=XMP, comment=COMMENT, dpi=(300, 300))
        data, block = path.read_bytes(), b"Photoshop 3.0\0" + resource
        path.write_bytes(data[:2] + struct.pack(">BBH", 0xFF, 0xED, len(block) + 2) + block + data[2:])
    elif format == "png":
        info = PngInfo()
        info.add_text("Comment", COMMENT.decode())
        info.add_itxt("XML:com.adobe.xmp", XMP.decode())
        digits = f"\niptc\n{len(resource):8d}\n{resource.hex()}\n"
        info.add_text("Raw profile type iptc", digits, zip=True)
        picture.save(path, exif=exif(), pnginfo=info, dpi=(300, 300))
    elif format == "tiff":
        tags = exif()
        tags[33723], tags[700] = IIM, XMP
        picture.save(path, exif=tags.tobytes(), dpi=(300, 300))
    elif format in {"webp", "avif", "heic"}:
        if format == "heic":
            Image.of(np.asarray(picture)).write(path)
        picture.save(path, **({"format": "HEIF"} if format == "heic" else {}), exif=exif(), xmp=XMP)
    else:
        names = {"jp2": "JPEG2000"}
        picture.save(path, names.get(format), **({"dpi": (300, 300)} if format == "bmp" else {}))
    return path


def said(path: Path) -> set[str]:
    """What a file says, as Pillow reads it."""
    data = path.read_bytes()
    with PIL.Image.open(path) as picture:
        picture.load()
        tags, info = picture.getexif(), picture.info
        dates = (tags.get(0x10F), tags.get_ifd(0x8769).get(0x9003))
        found = {"EXIF"} if dates == ("Acme", "2024:05:06 07:08:09") else set()
        density = info.get("dpi") or (float(tags.get(0x11A, 0)),)
        texts = " ".join(str(value) for value in getattr(picture, "text", {}).values())
        xmp = info.get("xmp", b"")
        blob = data + (xmp if isinstance(xmp, bytes) else xmp.encode())
    found |= {"density"} if round(float(density[0])) == 300 else set()
    found |= {"XMP"} if b"old town" in blob or "old town" in texts else set()
    found |= {"IPTC"} if IIM in data or IIM.hex() in texts.replace("\n", "") else set()
    return found | ({"comments"} if COMMENT in data else set())


WARNED = {"EXIF": "EXIF", "XMP": "XMP", "IPTC": "IPTC", "comments": "comments|texts", "density": "density"}


@pytest.fixture(scope="module", autouse=True)
def _plugin() -> None:
    if EXTRA:
        import pillow_heif

        pillow_heif.register_heif_opener()


@pytest.mark.parametrize("format", [*USUAL, *EXTRA])
def test_what_a_file_says_is_kept_or_missed_aloud(tmp_path: Path, format: str) -> None:
    """In the same format all of it; in another what that one holds, and a warning names the rest."""
    before = photo(tmp_path / f"in.{format}")
    known = said(before)
    assert {"EXIF", "XMP"} <= known or "exif-data" not in FORMATS[format].keeps
    assert {"IPTC", "density"} <= known or "iptc-data" not in FORMATS[format].keeps
    picture = Image.read(before)
    for target in (*USUAL, *EXTRA):
        with overheard() as heard:
            out = replace(picture, array=255 - picture.array).write(tmp_path / f"out.{target}")
        lost = known - said(out)
        if target == format:
            assert not lost
        if "xres" not in picture.metadata:
            lost -= {"density"}  # which HEIC files say in EXIF alone
        told = " ".join(one.reason for one in heard)
        silent = {kind for kind in lost if not any(name in told for name in WARNED[kind].split("|"))}
        assert not silent, f"{format} -> {target}"
        with PIL.Image.open(out) as again:
            assert again.getexif().get(0x112, 1) == 1


# ----------------------------------------------------------------------------------------------------------- the table


PLAIN = {"array": smooth(3, np.uint8), "alpha": None, "profile": None}


def row(folder: Path, format: str) -> list[str]:
    """What a format keeps of a picture that has everything."""
    title = FORMATS[format].title
    deep = Image(smooth(3, np.float32), smooth(1, np.float32)[..., 0], WIDE, metadata=full_metadata(folder))
    with overheard():
        out = Image.read(deep.write(folder / f"x.{format}"))
        grey = Image.read(Image.of(smooth(1, np.uint16)).write(folder / f"grey.{format}"))
        small = Image.read(replace(deep, **PLAIN).write(folder / f"small.{format}"))
    bits = {"uint8": "8", "uint16": "16", "float32": "16, float"}[out.array.dtype.name]
    bits = f"{out.coding.bits}" if out.coding.bits and out.array.dtype == np.uint16 else bits
    bits += ", 16 in grey" if grey.array.dtype == np.uint16 and bits == "8" else ""
    found = said(folder / f"small.{format}")
    own = said(photo(folder / f"own.{format}"))
    cells = [
        bits,
        grey.array.shape[2] == 1,
        out.alpha is not None,
        out.profile == WIDE,
        *(kind in found | (own if kind == "comments" else set()) for kind in KINDS),
        FORMATS[format].most == "many",
        np.array_equal(small.array, PLAIN["array"]),
    ]
    return [title, *(cell if isinstance(cell, str) else "yes" if cell else "" for cell in cells)]


def full_metadata(folder: Path) -> dict[str, object]:
    return dict(Image.read(photo(folder / "all.tiff")).metadata)


def test_the_table_of_the_documentation_is_what_is_found(tmp_path: Path) -> None:
    lines = [line.strip("| ") for line in DOCS.read_text().splitlines() if line.startswith("|")]
    cells = ([cell.strip() for cell in line.split("|")] for line in reversed(lines))
    table = {title: [title, *kept] for title, *kept in cells}  # of two tables the first
    for format in (*USUAL, *EXTRA):
        found = row(tmp_path, format)
        written = table.get(FORMATS[format].title, [])
        assert written + [""] * (len(found) - len(written)) == found, f"| {' | '.join(found)} |"


# ------------------------------------------------------------------------------------------------------------ exiftool


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool (libimage-exiftool-perl) is not installed")
@pytest.mark.parametrize("format", ["jpeg", "png", "tiff", "webp", "avif"])
def test_exiftool_reads_all_of_it(tmp_path: Path, format: str) -> None:
    out = Image.read(photo(tmp_path / f"in.{format}")).write(tmp_path / f"out.{format}")
    command = ["exiftool", "-json", "-a", str(out)]
    ran = subprocess.run(command, capture_output=True, check=True, text=True)
    (tags,) = json.loads(ran.stdout)
    assert tags.get("Warning", "[minor]").startswith("[minor]")  # libvips puts six bytes before the EXIF of WebP
    assert (tags["Make"], tags["DateTimeOriginal"]) == ("Acme", "2024:05:06 07:08:09")
    assert tags["City"] in {"old town", "Wien"}  # that of XMP, that of IPTC
    assert tags["XResolution"] == 300
    if "iptc-data" in FORMATS[format].keeps:
        assert tags["By-line"] == "iptc author"
    if format in {"jpeg", "png"}:
        assert tags["Comment"] == "a comment"
