"""What is refused before it is decoded: what takes more memory than is allowed, and what cannot hold what it claims.

Most formats are decoded and encoded some rows at a time. What is not has its cost in `Format.held`, measured.
Importing this module does not import pyvips.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from darnet.images.arrays import RGB
from darnet.images.budget import current
from darnet.images.formats import FORMATS, RAW, check_size
from darnet.images.others import Check
from darnet.images.vips import header_fields

#: Bytes a pixel of 8 bits where rows come several times, each time sharper: coefficients of a JPEG file in 4:4:4, and
#: all samples of a PNG file.
INTERLACED = 8
#: What LibRaw takes.
RAW_HELD = 24
#: Tags of a TIFF file: how it is compressed, rows of a strip, and of a tile. A strip is held twice.
COMPRESSION, STRIP_ROWS, TILE_ROWS, TWICE = 259, 278, 323, 2
PLAIN = (1,)


def checked(path: Path, format: str, max_pixels: int) -> Check:
    """What tells of height and width, for formats that libvips does not read, may be told to: it raises as `admit`."""
    return partial(_check, path, format, max_pixels)


def _check(path: Path, format: str, max_pixels: int, height: int, width: int) -> None:
    check_size(path, max_pixels, height, width)
    _decoding(path, height, width, height * width * (RAW_HELD if format == RAW else FORMATS[format].held[0]))


def admit(path: Path, format: str, image: Any, layout: Mapping[int, tuple[int, ...]]) -> None:
    """Raise ResourceError, naming `path`, where decoding a libvips image takes more memory than is allowed.

    `layout`: numbers of a TIFF file's directory (`directories.layout`).
    """
    fields = header_fields(image)
    height, width = image.get("page-height") if "page-height" in fields else image.height, image.width
    deep = {"uchar": 1, "ushort": 2, "double": 8}.get(image.format, 4)
    held = height * width * deep * max(FORMATS[format].held[0], INTERLACED * ("interlaced" in fields))
    if layout and layout.get(COMPRESSION, PLAIN) != PLAIN:
        rows = min(height, *layout.get(TILE_ROWS, layout.get(STRIP_ROWS, (height,))))
        held = TWICE * rows * width * image.bands * deep
    _decoding(path, height, width, held)


def _decoding(path: Path, height: int, width: int, held: int) -> None:
    current().admit(path, held, f"decoding {width} x {height} pixels")


def admit_encoding(path: Path, format: str, shape: tuple[int, ...], bytes_a_sample: int) -> None:
    """Raise ResourceError, naming `path`, where encoding samples (H, W, C) takes more memory than is allowed."""
    height, width, channels = shape
    held = FORMATS[format].held[1] * height * width * min(bytes_a_sample, 2) * max(1, channels / RGB)
    current().admit(path, round(held), f"encoding {width} x {height} pixels as {FORMATS[format].title}")
