"""Density: how many pixels there are to a length, where a file says so, as each format says it; no other is made up.

It lies in the fields `xres` and `yres` of `Image.metadata`: pixels per millimetre, across and down. Where the field
`resolution-unit` is "none", they are the shape of a pixel alone, and only how they are to each other means something.
Where a file says nothing, or that pixels are square and no more, there is none of them.

ISO/IEC 10918-5 (JFIF); W3C, Portable Network Graphics, 11.3.4.3 (pHYs); TIFF 6.0 and EXIF, XResolution.
"""

from __future__ import annotations

import io
import math
import struct
from fractions import Fraction
from typing import Any, BinaryIO

from darnet.images.arrays import Metadata
from darnet.images.directories import ENTRY_BYTES, places, some
from darnet.images.signature import unprefixed

ACROSS, DOWN, UNIT = FIELDS = ("xres", "yres", "resolution-unit")
#: What UNIT is where the shape of a pixel alone is known.
SHAPE = "none"
MILLIMETRES_PER_INCH, MILLIMETRES_PER_CENTIMETRE, MILLIMETRES_PER_METRE = 25.4, 10, 1000
#: JFIF's units, and TIFF's and EXIF's, in millimetres; what libvips calls both. Others are the shape of a pixel.
UNITS = {"in": MILLIMETRES_PER_INCH, "cm": MILLIMETRES_PER_CENTIMETRE}
JFIF_UNITS, TIFF_UNITS = {1: "in", 2: "cm"}, {2: "in", 3: "cm"}
#: What a JPEG file holds, and how its shape of pixels is rounded where it is a ratio of no small numbers.
MOST_IN_JFIF, FINEST_SHAPE = 65535, 1000
SQUARE = (1, 1)
#: What libvips takes at most; where a file says more, which no scanner does, nothing is known.
MOST_PER_MM = 1_000_000
#: Tags of a directory.
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 0x11A, 0x11B, 0x128
NO_UNIT = 1


def stated(across: float, down: float, unit: str = SHAPE, millimetres: float = 1) -> Metadata:
    """The fields for so many pixels in a unit of so many millimetres, or for a shape; {} where that says nothing.

    >>> stated(300, 150, "in", 25.4)["yres"], stated(2, 1), stated(1, 1)
    (5.905511811023622, {'xres': 2.0, 'yres': 1.0, 'resolution-unit': 'none'}, {})
    """
    usable = all(0 < one / millimetres <= MOST_PER_MM for one in (across, down))
    if not usable or (unit == SHAPE and across == down):
        return {}
    return {ACROSS: across / millimetres, DOWN: down / millimetres, **({UNIT: unit} if unit else {})}


def of_unit(unit: str, across: float, down: float) -> Metadata:
    """The same of a unit by its name, "in", "cm" or "none"."""
    return stated(across, down, unit, UNITS.get(unit, 1))


def of(fields: Metadata) -> tuple[float, float] | None:
    """Pixels per millimetre, across and down; None where it is not known."""
    if ACROSS not in fields or fields.get(UNIT) == SHAPE:
        return None
    return float(fields[ACROSS]), float(fields[DOWN])


def shape(fields: Metadata) -> tuple[int, int]:
    """How a pixel's two densities are to each other, in small numbers: (1, 1) where nobody says that it is no square.

    >>> shape({"xres": 2.0, "yres": 1.0, "resolution-unit": "none"}), shape({})
    ((2, 1), (1, 1))
    """
    ratio = float(fields[ACROSS]) / float(fields[DOWN]) if ACROSS in fields else 1.0
    across, down = Fraction(ratio).limit_denominator(FINEST_SHAPE).as_integer_ratio()
    return (across, down) if 0 < across <= MOST_IN_JFIF else SQUARE


def turned(fields: Metadata) -> Metadata:
    """Fields of a picture after a quarter turn: what was across is down, in its EXIF, too."""
    new = dict(fields)
    if ACROSS in fields:
        new |= {ACROSS: fields[DOWN], DOWN: fields[ACROSS]}
    if isinstance(block := fields.get("exif-data"), bytes):
        new["exif-data"] = _turned_exif(block)
    return new


def of_vips(image: Any, fields: set[str]) -> Metadata:
    """What libvips, which takes one pixel per millimetre where a file says nothing, found in a TIFF file."""
    if UNIT in fields:
        return stated(image.xres, image.yres, image.get(UNIT))
    return stated(image.xres, image.yres)


def of_exif(block: object) -> Metadata:
    """What EXIF says; {} where it says nothing or is damaged."""
    if not isinstance(block, bytes):
        return {}
    file = io.BytesIO(unprefixed(block))
    try:
        starts, endian = places(file)
        across, down = (_rational(file, starts[tag], endian) for tag in (X_RESOLUTION, Y_RESOLUTION))
        told = (
            struct.unpack(f"{endian}H", some(file, starts[RESOLUTION_UNIT] + 8, 2))[0]
            if RESOLUTION_UNIT in starts
            else 2
        )
    except (LookupError, ValueError, struct.error):
        return {}
    return of_unit(TIFF_UNITS.get(told, SHAPE), across, down)


def of_jfif(data: bytes) -> Metadata:
    """What JFIF's segment says."""
    if not data.startswith(b"JFIF\0") or len(data) < 12:
        return {}
    unit, across, down = struct.unpack_from(">BHH", data, 7)
    return of_unit(JFIF_UNITS.get(unit, SHAPE), across, down)


def jfif(fields: Metadata) -> bytes:
    """JFIF's segment, with the density of a picture that has one, in the unit that says it best."""
    unit, pixels = 0, shape(fields)
    if known := of(fields):
        unit, pixels = min(_whole(number, *known) for number in JFIF_UNITS)[1:]
    return b"JFIF\0\1\2" + struct.pack(">BHHBB", unit, *pixels, 0, 0)


def _whole(unit: int, *known: float) -> tuple[float, int, tuple[int, int]]:
    """Whole pixels in one of JFIF's units, behind how far off they are; as a square where they are too many."""
    exact = [one * UNITS[JFIF_UNITS[unit]] for one in known]
    across, down = map(round, exact)
    if not (0 < across <= MOST_IN_JFIF and 0 < down <= MOST_IN_JFIF):
        return math.inf, 0, SQUARE
    return sum(abs(one / round(one) - 1) for one in exact), unit, (across, down)


def of_phys(data: bytes) -> Metadata:
    """What the data of PNG's chunk pHYs say."""
    if len(data) < 9:
        return {}
    across, down, unit = struct.unpack_from(">IIB", data)
    return stated(across, down, "", MILLIMETRES_PER_METRE) if unit == 1 else stated(across, down)


def phys(fields: Metadata) -> bytes:
    """The data of PNG's chunk pHYs; nothing where there is nothing to say."""
    if known := of(fields):
        pixels = [round(one * MILLIMETRES_PER_METRE) for one in known]
        return struct.pack(">IIB", *pixels, 1) if all(0 < one < 2**31 for one in pixels) else b""
    return struct.pack(">IIB", *shape(fields), 0) if ACROSS in fields else b""


def to_tiff(file: BinaryIO, fields: Metadata, page: int = 0) -> None:
    """Take back what libvips made up in a TIFF file that it wrote, in the directory of a page, where it lies."""
    if of(fields):
        return
    starts, endian = places(file, page)
    for tag, value in zip((X_RESOLUTION, Y_RESOLUTION), shape(fields), strict=True):
        (at,) = struct.unpack(f"{endian}I", some(file, starts[tag] + 8, 4))
        file.seek(at)
        file.write(struct.pack(f"{endian}II", value, 1))
    file.seek(starts[RESOLUTION_UNIT] + 8)
    file.write(struct.pack(f"{endian}H", NO_UNIT))


def _rational(file: BinaryIO, entry: int, endian: str) -> float:
    """The value of an entry. Raises ValueError or struct.error for what is none."""
    (at,) = struct.unpack(f"{endian}I", some(file, entry + 8, 4))
    above, below = struct.unpack(f"{endian}II", some(file, at, 8))
    if not below:
        raise ValueError("divided by nothing")
    return float(above / below)


def _turned_exif(block: bytes) -> bytes:
    """The same bytes, but for two entries that take each other's value."""
    prefix, file = block[: len(block) - len(unprefixed(block))], io.BytesIO(unprefixed(block))
    try:
        starts, _ = places(file)
        first, second = starts[X_RESOLUTION], starts[Y_RESOLUTION]
    except (LookupError, ValueError, struct.error):
        return block
    across, down = (some(file, start + 2, ENTRY_BYTES - 2) for start in (first, second))
    for start, value in ((first, down), (second, across)):
        file.seek(start + 2)
        file.write(value)
    return prefix + file.getvalue()
