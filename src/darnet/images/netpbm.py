"""PBM, PGM and PPM files, plain and raw, of up to 16 bits: a text header, and samples as they are.

netpbm.sourceforge.net, ppm(5), pgm(5), pbm(5).

H, W: height and width; C: 1 (grey) or 3 (RGB).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from darnet.errors import ImageError
from darnet.images.arrays import GREY, RGB, full_scale
from darnet.images.coding import INCOMPLETE
from darnet.images.scratch import Array

BITS, GREYS, COLOURS = (b"P1", b"P4"), (b"P2", b"P5"), (b"P3", b"P6")
PLAIN = (b"P1", b"P2", b"P3")
#: White space, and comments that go to the end of their line.
BETWEEN = re.compile(rb"(?:\s|#[^\n\r]*[\n\r])+")
NUMBER = re.compile(rb"\d{1,9}")
MOST = 65535
DAMAGED = f"{INCOMPLETE} PPM file"


def decode(path: Path, data: bytes, check: Callable[[int, int], None]) -> tuple[Array, bool]:
    """Samples (H, W, C) of the first picture of a file, uint8 or uint16 of full range, and whether others follow.

    `check`: is told height and width before more is read. Raises ImageError, naming `path`, for a file that is damaged.
    """
    kind, at = data[:2], 2
    header = []
    for _ in range(2 if kind in BITS else 3):
        at, number = _number(path, data, at)
        header.append(number)
    width, height = header[:2]
    most = 1 if kind in BITS else header[2]
    if not width or not height or not 0 < most <= MOST:
        raise ImageError(path, DAMAGED)
    check(height, width)
    shape = (height, width, RGB if kind in COLOURS else GREY)
    values, end = _plain(kind, data, at, shape) if kind in PLAIN else _raw(kind, data, at + 1, shape, most)
    if values.size < height * width * shape[2] or int(values.max()) > most:
        raise ImageError(path, DAMAGED)
    if kind in BITS:
        values = 1 - values  # of bits 1 is black
    return _full(values.reshape(shape), most), re.match(rb"\s*P[1-6]\s", data[end:]) is not None


def encode(values: Array) -> bytes:
    r"""The bytes of a raw file of (H, W, C), uint8 or uint16.

    >>> encode(np.zeros((1, 2, 1), np.uint8))
    b'P5\n2 1\n255\n\x00\x00'
    """
    height, width, channels = values.shape
    head = b"%s\n%d %d\n%d\n" % (b"P6" if channels == RGB else b"P5", width, height, full_scale(values.dtype))
    return head + values.astype(values.dtype.newbyteorder(">")).tobytes()


def _number(path: Path, data: bytes, at: int) -> tuple[int, int]:
    """Where the next number of a header ends, and what it is."""
    gap = BETWEEN.match(data, at)
    found = NUMBER.match(data, gap.end()) if gap else None
    if found is None:
        raise ImageError(path, DAMAGED)
    return found.end(), int(found[0])


def _plain(kind: bytes, data: bytes, at: int, shape: tuple[int, ...]) -> tuple[Array, int]:
    """Samples that are written as text, and where the file's end is: it holds one picture."""
    count = int(np.prod(shape))
    text = re.sub(rb"#[^\n\r]*", b" ", data[at:])
    digits = re.findall(rb"[01]" if kind in BITS else rb"\d+", text)[:count]
    return np.array(digits, dtype=np.bytes_).astype(np.int64).clip(0, MOST + 1).astype(np.int32), len(data)


def _raw(kind: bytes, data: bytes, at: int, shape: tuple[int, ...], most: int) -> tuple[Array, int]:
    """Samples that are bytes, words with the high byte first, or bits in rows of whole bytes, and where they end."""
    height, width, channels = shape
    if kind in BITS:
        row = -(-width // 8)
        packed = np.frombuffer(data, np.uint8, min(height * row, max(0, len(data) - at)), at)
        if packed.size < height * row:
            return packed[:0].astype(np.uint8), len(data)
        return np.unpackbits(packed.reshape(height, row), axis=1)[:, :width].ravel(), at + height * row
    sample = np.dtype(">u2" if most > full_scale(np.uint8) else "u1")
    count = min(height * width * channels, max(0, len(data) - at) // sample.itemsize)
    return np.frombuffer(data, sample, count, at), at + count * sample.itemsize


def _full(values: Array, most: int) -> Array:
    """The same where white is what its type says."""
    dtype = np.dtype(np.uint8 if most <= full_scale(np.uint8) else np.uint16)
    if most == full_scale(dtype):
        return values.astype(dtype)
    return np.rint(values * np.float64(full_scale(dtype) / most)).astype(dtype)
