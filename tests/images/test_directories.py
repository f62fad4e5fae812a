"""darnet.images.directories: entries of TIFF files, in both orders of bytes and of any page."""

from __future__ import annotations

import io
import struct

import PIL.Image
import pytest

from darnet.images.directories import endian_of, entries, layout, places, pointer, some


def pages() -> io.BytesIO:
    file = io.BytesIO()
    first, second = PIL.Image.new("L", (12, 8)), PIL.Image.new("RGB", (5, 4))
    first.save(file, "TIFF", save_all=True, append_images=[second])
    return file


def test_each_page_has_its_own() -> None:
    file = pages()
    assert [(layout(file, page)[256], layout(file, page)[257]) for page in (0, 1)] == [((12,), (8,)), ((5,), (4,))]
    at = struct.unpack("<I", some(file, pointer(file, 1, "<"), 4))[0]
    starts, endian = places(file, 1)
    assert list(starts) == list(entries(file, at, b"II")[0])
    assert struct.unpack(f"{endian}H", some(file, starts[256], 2)) == (256,)


def test_the_other_order_of_bytes() -> None:
    block = PIL.Image.Exif()
    block.endian = ">"
    block[0x112] = 6
    file = io.BytesIO(block.tobytes().removeprefix(b"Exif\0\0"))
    assert endian_of(some(file, 0, 2)) == places(file)[1] == ">"
    assert layout(file)[0x112] == (6,)


@pytest.mark.parametrize("data", [b"", b"II", b"abcdefgh", b"II+\0" + bytes(40), b"II*\0\xff\xff\0\0"])
def test_what_is_no_directory(data: bytes) -> None:
    with pytest.raises((LookupError, ValueError, struct.error)):
        places(io.BytesIO(data))
