"""What repaired a picture stands in its EXIF, and nothing else of that changes."""

from __future__ import annotations

import io
import struct

import PIL.Image
import pytest
from PIL.ExifTags import IFD, Base

from darnet.images.signature import MOST_BYTES, PREFIX, PROCESSING, SOFTWARE, signed

NOTES = b"camera's own notes" * 3


def block(order: str = "II", **tags: str) -> bytes:
    """As cameras write it: with a maker's notes and GPS."""
    exif = PIL.Image.Exif()
    exif.endian = "<" if order == "II" else ">"
    for name, value in tags.items():
        exif[Base[name]] = value
    exif.get_ifd(IFD.Exif)[Base.MakerNote] = NOTES
    exif.get_ifd(IFD.GPSInfo)[1] = "N"
    return exif.tobytes()


def tags(data: bytes) -> dict[int, object]:
    exif = PIL.Image.Exif()
    exif.load(data)
    return dict(exif) | {"notes": exif.get_ifd(IFD.Exif)[Base.MakerNote], "gps": dict(exif.get_ifd(IFD.GPSInfo))}


@pytest.mark.parametrize("order", ["II", "MM"])
def test_it_is_added_and_the_rest_stays_where_it_is(order: str) -> None:
    before = block(order, Make="Canon", Artist="me")
    after = signed(before, "darnet 1: noise")
    assert tags(after) == tags(before) | {SOFTWARE: "darnet 1: noise"}
    assert before.index(NOTES) == after.index(NOTES)
    assert signed(before, "abc") != after and tags(signed(before, "abc"))[SOFTWARE] == "abc", (
        "short ones lie in the entry"
    )


def test_a_program_that_wrote_the_file_stays_and_darnet_comes_beside_it_once() -> None:
    before = block(Software="Lightroom")
    once = signed(before, "darnet 1: noise")
    twice = signed(once, "darnet 1: jpeg")
    assert tags(once) == tags(before) | {PROCESSING: "darnet 1: noise"}
    assert tags(twice) == tags(before) | {PROCESSING: "darnet 1: jpeg"}


def test_there_may_have_been_none() -> None:
    exif = PIL.Image.Exif()
    exif.load(signed(b"", "darnet"))
    assert dict(exif) == {SOFTWARE: "darnet"}


def test_what_is_damaged_or_too_large_stays() -> None:
    good = block()
    for odd in (
        good[:12],
        good[:16],
        PREFIX + b"II*\0" + struct.pack("<I", 10**6),
        PREFIX + b"II*\0" + bytes(20),
        b"x" * 30,
    ):
        assert signed(odd, "darnet") == odd
    large = block(Artist="a" * MOST_BYTES)
    assert signed(large, "darnet") == large


def test_pillow_reads_it_from_a_file() -> None:
    file = io.BytesIO()
    PIL.Image.new("RGB", (8, 8)).save(file, "JPEG", exif=signed(block(Make="Canon"), "darnet 1: noise"))
    assert PIL.Image.open(file).getexif()[SOFTWARE] == "darnet 1: noise"
