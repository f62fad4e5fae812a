"""What a PIL image says beside its pixels, as the fields that a picture of a file has (`Image.metadata`).

A PIL image lies as its file does: its orientation is one of the fields, and is applied where it is written.
Importing this module does not import PIL.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from darnet.images import chunks, density, exif, segments
from darnet.images.arrays import Metadata
from darnet.images.signature import PREFIX, unprefixed

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage

#: What messages call a picture that has no file.
NAME = Path("picture")
#: The field, and its tag; and that of the width of a TIFF file, before Pillow turns it when it is loaded.
ORIENTATION, ORIENTATION_TAG, WIDTH_TAG = "orientation", 0x112, 0x100
#: IPTC as a tag of a TIFF file, and among the resources of Photoshop in a JPEG file.
IPTC_TAG, IPTC_RESOURCE = 0x83BB, 0x0404
#: What Pillow calls a JPEG file; and the density that it says one has of which EXIF says none.
JPEG, MADE_UP = ("JPEG", "MPO"), {(72, 72), (1, 1)}
#: What it raises for EXIF that is damaged.
DAMAGED = (ArithmeticError, LookupError, OSError, SyntaxError, TypeError, ValueError, struct.error)


def said(picture: PilImage) -> Metadata:
    """Its EXIF, XMP, IPTC, comments, texts, density and orientation; what is damaged is left out, with a warning."""
    info, block, lies = picture.info, *_exif(picture)
    xmp = info.get("xmp") or info.get("XML:com.adobe.xmp")
    found: dict[str, Any] = {
        "exif-data": block,
        "xmp-data": xmp.encode() if isinstance(xmp, str) else xmp,
        "iptc-data": _iptc(picture),
        "jpeg-segments": _comment(picture),
        "png-text": chunks.texts(getattr(picture, "text", {})),
        ORIENTATION: lies if lies in range(1, 9) else 0,
    }
    dense = _density(picture, block)
    if getattr(picture, "tag_v2", {}).get(WIDTH_TAG, picture.width) != picture.width:  # Pillow has turned pixels alone
        dense = density.turned(dense)
    return {name: value for name, value in found.items() if value} | {**dense}


def block(picture: PilImage) -> bytes:
    """Its EXIF, byte by byte as it was read, unless somebody has changed it since."""
    return _exif(picture)[0]


def _exif(picture: PilImage) -> tuple[bytes, int]:
    """The block, and how it lies; 0 where nothing says so."""
    from PIL import Image

    read = picture.info.get("exif", b"")
    try:
        now, before = picture.getexif(), Image.Exif()
        before.load(read)
        lies, written = now.get(ORIENTATION_TAG, 0), now.tobytes()
        if read and before.tobytes() == written:
            return _prefixed(read), lies
    except DAMAGED:
        return _prefixed(read), 0  # who writes it says so
    if read:
        return _prefixed(written), lies
    kept = exif.read(NAME, io.BytesIO(unprefixed(written))) if now else {}  # of a TIFF file, what is no EXIF
    return kept.get("exif-data", b""), lies


def _prefixed(block: bytes) -> bytes:
    return PREFIX + unprefixed(block) if block else b""


def _iptc(picture: PilImage) -> bytes:
    resources = picture.info.get("photoshop")
    found = resources.get(IPTC_RESOURCE) if isinstance(resources, Mapping) else None
    found = found or getattr(picture, "tag_v2", {}).get(IPTC_TAG)
    return found if isinstance(found, bytes) else b""


def _comment(picture: PilImage) -> bytes:
    comment = picture.info.get("comment")
    is_jpeg = picture.format in JPEG or "jfif" in picture.info
    return segments.comment(comment) if is_jpeg and isinstance(comment, bytes) else b""


def _density(picture: PilImage, block: bytes) -> Metadata:
    """As its file says it; what Pillow makes up where that says nothing is none."""
    info = picture.info
    if "jfif_unit" in info:
        across, down = info["jfif_density"]
        unit = density.JFIF_UNITS.get(info["jfif_unit"], density.SHAPE)
        return density.of_unit(unit, across, down) or density.of_exif(block)
    for shape in (info.get("aspect"), info.get("resolution")):
        if shape:
            return density.stated(*shape)
    dpi = info.get("dpi")
    if dpi and not (tuple(dpi) in MADE_UP and (picture.format in {*JPEG, "TIFF"})):
        return density.of_unit("in", *dpi)
    return density.of_exif(block)
