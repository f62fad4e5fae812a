"""Small files that claim, or unpack to, far more than they are."""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Callable
from typing import Any

import PIL.Image
import pyvips

SIDE = 30000
MANY = 2000


def picture(side: int = 64) -> Any:
    return pyvips.Image.black(side, side, bands=3).copy(interpretation="srgb")


def jpeg(*, progressive: bool) -> bytes:
    """A frame header that claims far more than follows."""
    data = picture().jpegsave_buffer(interlace=progressive)
    at = re.search(rb"\xff[\xc0\xc2]\0\x11\x08", data).end()  # type: ignore[union-attr]
    return data[:at] + struct.pack(">HH", SIDE, SIDE) + data[at + 4 :]


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(side: int, *chunks: bytes, interlaced: bool = False, rows: int = 0) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, interlaced))
    pixels = chunk(b"IDAT", zlib.compress(bytes((3 * side + 1) * rows)))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + pixels + chunk(b"IEND", b"")


def zeros(mega: int) -> bytes:
    """So many millions of zeros, packed: a thousandth."""
    packer = zlib.compressobj()
    return b"".join([*(packer.compress(bytes(10**6)) for _ in range(mega)), packer.flush()])


def tiff(entries: dict[int, int], *, after: int = 0, data: bytes = b"") -> bytes:
    """One directory of 32-bit integers, whose end leads to byte `after`; strips begin with `data`."""
    usual = {256: SIDE, 257: SIDE, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: SIDE, 279: len(data)}
    every = sorted({**usual, **entries}.items())
    start = 8 + len(data) + len(data) % 2
    lines = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in every)
    return (
        b"II*\0"
        + struct.pack("<I", start)
        + data.ljust(start - 8, b"\0")
        + struct.pack("<H", len(every))
        + lines
        + (struct.pack("<I", after))
    )


def gif(side: int, frames: int) -> bytes:
    """Frames as large as the canvas, each with the codes of one pixel."""
    size = struct.pack("<HH", side, side)
    frame = b"!\xf9\x04\0\1\0\0\0" + b",\0\0\0\0" + size + b"\0" + b"\2\2D\1\0"
    return b"GIF89a" + size + b"\x80\0\0" + bytes(6) + frame * frames + b";"


def webp(side: int, frames: int) -> bytes:
    inner = picture(2).webpsave_buffer(lossless=True)[12:]
    inner = inner[inner.find(b"VP8L") :]
    place = bytes(6) + (1).to_bytes(3, "little") * 2 + (10).to_bytes(3, "little") + b"\0"

    def riff(name: bytes, data: bytes) -> bytes:
        return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)

    canvas = b"\2\0\0\0" + (side - 1).to_bytes(3, "little") * 2
    body = b"WEBP" + riff(b"VP8X", canvas) + riff(b"ANIM", bytes(6)) + riff(b"ANMF", place + inner) * frames
    return riff(b"RIFF", body)


def jp2() -> bytes:
    file = io.BytesIO()
    PIL.Image.new("RGB", (64, 64)).save(file, "JPEG2000")
    data = file.getvalue()
    for marker, skip in ((b"ihdr", 4), (b"\xff\x4f\xff\x51", 8)):
        at = data.find(marker) + skip
        data = data[:at] + struct.pack(">II", SIDE, SIDE) + data[at + 8 :]
    return data


def bmp() -> bytes:
    return struct.pack("<2sIIIIiiHHIIiiII", b"BM", 1000, 0, 54, 40, SIDE, SIDE, 1, 24, 0, 0, 0, 0, 0, 0) + bytes(900)


#: Name of the file -> what it holds, and what is said of it.
BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "claims.jpg": (lambda: jpeg(progressive=False), "bytes cannot hold 30000 x 30000 pixels"),
    "progressive.jpg": (lambda: jpeg(progressive=True), "bytes cannot hold 30000 x 30000 pixels"),
    "huge.png": (lambda: png(100_000), "100000 x 100000 is more than 1,000,000,000 pixels"),
    "empty.png": (lambda: png(SIDE, rows=9), "damaged or incomplete PNG file"),
    "interlaced.png": (lambda: png(SIDE, interlaced=True, rows=9), "decoding 30000 x 30000 pixels takes 7.5.GB"),
    "profile.png": (lambda: png(8, chunk(b"iCCP", b"p\0\0" + zeros(50)), rows=8), "unpack to more than 32 MiB"),
    "text.png": (lambda: png(8, chunk(b"zTXt", b"t\0\0" + zeros(300)), rows=8), "unpack to more than 32 MiB"),
    "texts.png": (lambda: png(8, *[chunk(b"zTXt", b"t\0\0" + zeros(20))] * 2, rows=8), "unpack to more than 32 MiB"),
    "international.png": (
        lambda: png(8, chunk(b"iTXt", b"t\0\1\0en\0t\0" + zeros(300)), rows=8),
        "unpack to more than 32 MiB",
    ),
    "strips.tif": (lambda: tiff({}, data=bytes(100)), "damaged or incomplete TIFF file"),
    "beyond.tif": (lambda: tiff({273: 2**31, 279: 2**32 - 1}), "damaged or incomplete TIFF file"),
    "packed.tif": (lambda: tiff({259: 8, 279: 90}, data=zeros(1)[:90]), "decoding 30000 x 30000 pixels takes 2.1.GB"),
    "endless.tif": (lambda: tiff({256: 8, 257: 8, 278: 8}, after=8 + 64, data=bytes(64)), "damaged|restored"),
    "canvas.gif": (lambda: gif(65535, 1), "65535 x 65535 is more than 1,000,000,000 pixels"),
    "frames.gif": (lambda: gif(5000, MANY), "is more than 1,000,000,000 pixels|damaged or incomplete GIF file"),
    "large.gif": (lambda: gif(SIDE, 1), "decoding 30000 x 30000 pixels takes 7.5.GB"),
    "frames.webp": (lambda: webp(10_000, MANY), "is more than 1,000,000,000 pixels|damaged or incomplete WebP file"),
    "canvas.webp": (lambda: webp(16_383, 2), "decoding 16383 x 16383 pixels takes 3.*GB"),
    "claims.bmp": (bmp, "decoding 30000 x 30000 pixels takes 9.3.GB"),
    "claims.jp2": (jp2, "decoding 30000 x 30000 pixels takes 18.*GB"),
    "claims.ppm": (lambda: b"P6 30000 30000 255\n" + bytes(99), "decoding 30000 x 30000 pixels takes 11.*GB"),
    "large.avif": (
        lambda: picture(4000).heifsave_buffer(compression="av1", effort=0),
        "decoding 4000 x 4000 pixels takes 5.*MB of memory, and 500MB are allowed; --max-memory 5.*MB allows it",
    ),
}
