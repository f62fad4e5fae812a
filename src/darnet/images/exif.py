"""EXIF and further tags of TIFF files, which libvips neither reads nor writes: they lie in its directories (IFDs).

A block is what the other formats carry and libvips calls `exif-data`: `Exif`, two zeros and a small TIFF file.
Importing this module does not import PIL.
"""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, get_ident
from typing import Any, BinaryIO, TypeAlias

from darnet.errors import one_line
from darnet.images.arrays import Metadata
from darnet.images.directories import HEADER_BYTES, LONG, SHORT, endian_of, entries, pointer, some
from darnet.images.iptc import bare
from darnet.images.signature import PREFIX, unprefixed
from darnet.notices import warn

Tags: TypeAlias = dict[int, tuple[int, Any]]  # tag: its TIFF type and value; the value of a pointer is Tags again
Pointers: TypeAlias = Mapping[int, Any]  # tag: the Pointers inside the directory it points to

UNDEFINED = 7
BIG_HEADER_BYTES = 16
EXIF, GPS, INTEROPERABILITY = 0x8769, 0x8825, 0xA005
IPTC = 0x83BB  # of which libvips writes a quarter
POINTERS: Pointers = {EXIF: {INTEROPERABILITY: {}}, GPS: {}}
# What the first directory says about the picture, not about how its pixels are stored: what changed it, document,
# description, make, model, software, date, artist, computer, rating, copyright, and Windows' title, comment, author,
# keywords, subject.
ABOUT = (0x00B, 0x10D, 0x10E, 0x10F, 0x110, 0x131, 0x132, 0x13B, 0x13C, 0x4746, 0x4749, 0x8298, *range(0x9C9B, 0x9CA0))
# What it says about how pixels are stored, or libvips keeps itself: XMP, IPTC, Photoshop's resources, the ICC profile.
STORED = frozenset(
    {*range(254, 267), *range(273, 285), *range(288, 294), 296, 297, 317, *range(320, 329), *range(332, 337)}
    | {*range(338, 343), 347, *range(512, 522), *range(529, 533), 559, 700, IPTC, 34377, 34675, *range(32995, 32999)}
)
# What would contradict the picture, or points to what nobody copies: other directories, Photoshop's layers, raw (DNG).
LOST = frozenset({330, 400, INTEROPERABILITY, 37724, *range(50706, 50838), *range(50840, 51201)})
PLACES = frozenset({33550, 33922, 34264})  # where on Earth pixels are, as they are stored
PLAIN_KINDS = range(1, 13)  # types that a plain TIFF file knows and that are no pointers
FURTHER = "tiff-tags"  # field of the tags of neither kind: a block
SIZES = {0xA002: 0x100, 0xA003: 0x101}  # width and height: tag of the EXIF directory, tag of the first directory


def read(path: Path, file: BinaryIO, page: int = 0) -> dict[str, bytes]:
    """The EXIF of a page of a TIFF file as {"exif-data": block}, without orientation; {} where there is none.

    Warns (ImageWarning), naming `path`, where the EXIF is damaged, and returns the rest.
    """
    block, problem = _attempt(_block, file, page)
    if problem:
        warn(path, f"the EXIF is damaged and not read whole ({problem})", stacklevel=4)
    return {"exif-data": block} if block else {}


def read_further(path: Path, file: BinaryIO, page: int, turned: bool) -> dict[str, bytes]:
    """The tags of a page of a TIFF file that are no EXIF, such as GeoTIFF's, as {"tiff-tags": block}, or {}.

    `turned`: the picture lies otherwise in the file. Warns (ImageWarning), naming `path`, of tags that are not kept, as
    what would be wrong, or are damaged.
    """
    found, problem = _attempt(_further, file, page, LOST | PLACES if turned else LOST)
    block, lost = found or (b"", [])
    if problem:
        warn(path, f"the EXIF is damaged and not read whole ({problem})", stacklevel=4)
    if lost:
        tags = "tag" if len(lost) == 1 else "tags"
        warn(path, f"without TIFF {tags} {', '.join(map(str, lost))}, which cannot be kept", stacklevel=4)
    return {FURTHER: block} if block else {}


def add(path: Path, data: bytes, fields: Metadata) -> bytes:
    """The bytes of a TIFF file that libvips wrote, with what fields say: nothing in it moves, its end grows.

    Warns (ImageWarning), naming `path`, where the EXIF is damaged or the file is a BigTIFF, which stays as it was.
    """
    file = io.BytesIO(data)
    extend(path, file, fields)
    return file.getvalue()


def extend(path: Path, file: BinaryIO, fields: Metadata, page: int = 0) -> None:
    """The same in a `file`, which is changed where it lies, of one of its pages; messages call it `path`."""
    names = {"exif-data": "EXIF", "iptc-data": "IPTC", FURTHER: "further tags"}
    given = {name: value for name in names if isinstance(value := fields.get(name), bytes)}
    if not any(given.values()):
        return
    grown, problem = _attempt(_grow, file, given, page)
    if problem:
        extent = "all of the" if grown else "the"
        what = ", ".join(names[name] for name in given)
        warn(path, f"TIFF file written without {extent} {what} ({problem})", stacklevel=4)


def renewed(path: Path, block: bytes, height: int, width: int) -> bytes:
    """A block for an upright picture of that size: without thumbnail, and else with every byte where it was.

    A camera's own notes (MakerNote) point into the block, and are lost where anything in it moves. Warns
    (ImageWarning), naming `path`, where it is damaged, and returns nothing.
    """
    body = bytearray(unprefixed(block))
    try:
        _renew(body, {0x112: 1, 0x100: width, 0x101: height, 0xA002: width, 0xA003: height})
    except (LookupError, struct.error, ValueError) as error:
        warn(path, f"the EXIF is damaged and not written ({one_line(error)})", stacklevel=4)
        return b""
    return PREFIX + bytes(body)


def _renew(body: bytearray, values: Mapping[int, int]) -> None:
    """Give tags of the first directory, and of EXIF's, other values where they stand, and drop the thumbnail."""
    endian = endian_of(bytes(body[:2]))
    places = [struct.unpack_from(f"{endian}I", body, 4)[0]]
    for at in places:  # which grows by EXIF's
        (count,) = struct.unpack_from(f"{endian}H", body, at)
        for entry in range(at + 2, at + 2 + 12 * count, 12):
            tag, kind = struct.unpack_from(f"{endian}HH", body, entry)
            if tag in values:
                short = kind == SHORT and values[tag] < 2**16
                struct.pack_into(f"{endian}HHI", body, entry, tag, SHORT if short else LONG, 1)
                struct.pack_into(
                    f"{endian}HH" if short else f"{endian}I", body, entry + 8, *(values[tag], 0)[: 1 + short]
                )
            elif tag == EXIF and len(places) == 1:
                places += struct.unpack_from(f"{endian}I", body, entry + 8)
    following = places[0] + 2 + 12 * struct.unpack_from(f"{endian}H", body, places[0])[0]
    if len(body) < following + 4:
        return
    (second,) = struct.unpack_from(f"{endian}I", body, following)
    struct.pack_into(f"{endian}I", body, following, 0)
    _drop_thumbnail(body, second, endian)


def _drop_thumbnail(body: bytearray, at: int, endian: str) -> None:
    """Cut it off where it is the last, and else blank it."""
    if not 0 < at <= len(body) - 2:
        return
    (count,) = struct.unpack_from(f"{endian}H", body, at)
    entries = (struct.unpack_from(f"{endian}HHII", body, at + 2 + 12 * index) for index in range(count))
    found = {tag: value for tag, _, _, value in entries}
    start, length = found.get(0x201, len(body)), found.get(0x202, 0)
    if start + length >= len(body):
        del body[start:]
    else:
        body[start : start + length] = bytes(length)


def _attempt(function: Callable[..., Any], *arguments: Any) -> tuple[Any, str]:
    """The result, and what Pillow said of it: it warns of a tag it skips, and raises for what is no directory."""
    with _said_by_pillow() as said:
        try:
            result = function(*arguments)
        except (ArithmeticError, LookupError, OSError, SyntaxError, TypeError, ValueError, struct.error) as error:
            return b"", one_line(error)
    return result, " ".join(said[0].split()) if said else ""


_pillow = Lock()


@contextmanager
def _said_by_pillow() -> Iterator[list[str]]:
    """What Pillow warns of in this thread.

    It does so by Python's warnings, which are everybody's. So one thread at a time exchanges how they are shown, for no
    longer than Pillow takes over some directories, and what others say is shown as before.
    """
    said: list[str] = []
    with _pillow, warnings.catch_warnings():
        warnings.filterwarnings("always", module="PIL[.]")
        shown, here = warnings.showwarning, get_ident()

        def hear(message: Warning | str, *where: Any, **more: Any) -> None:
            if get_ident() == here:
                said.append(str(message))
            else:
                shown(message, *where, **more)

        warnings.showwarning = hear
        yield said


def _block(file: BinaryIO, page: int) -> bytes:
    return _alone(_load(file, page), some(file, 0, 2))


def _further(file: BinaryIO, page: int, unwanted: frozenset[int]) -> tuple[bytes, list[int]]:
    """The block of a page's further tags, and those that are not kept."""
    found = _load(file, page, _is_further, {})
    lost = sorted(tag for tag, (kind, _) in found.items() if tag in unwanted or kind not in PLAIN_KINDS)
    return _alone({tag: found[tag] for tag in found.keys() - {*lost}}, some(file, 0, 2)), lost


def _is_further(tag: int) -> bool:
    return tag not in STORED and tag not in ABOUT and tag not in POINTERS


def _alone(tags: Tags, order: bytes) -> bytes:
    """A block of tags; nothing where there are none."""
    if not tags:
        return b""
    body, at = _dump(tags, order, 8)
    return PREFIX + order + struct.pack(f"{endian_of(order)}HI", 42, at) + body


def _grow(file: BinaryIO, given: Mapping[str, bytes], page: int) -> bytes:
    """Put a directory with what is given in the place of a page's own; what the end of the file has grown by."""
    header = some(file, 0, HEADER_BYTES)
    order, endian = header[:2], endian_of(header[:2])
    if struct.unpack_from(f"{endian}H", header, 2) != (42,):
        raise ValueError("the file is a BigTIFF")
    tags = _load(io.BytesIO(unprefixed(given[FURTHER])), 0, _is_further, {}) if given.get(FURTHER) else {}
    tags |= _load(io.BytesIO(unprefixed(given["exif-data"]))) if given.get("exif-data") else {}
    if iptc := bare(given.get("iptc-data", b"")):
        tags[IPTC] = (UNDEFINED, iptc)
    if not tags:
        return b""
    beginning = pointer(file, page, endian)
    old, after = entries(file, struct.unpack(f"{endian}I", some(file, beginning, 4))[0], order)
    if EXIF in tags:
        _resize(tags[EXIF][1], old, endian)
    length = file.seek(0, io.SEEK_END)
    padding = bytes(length % 2)
    start = length + len(padding)
    body, at = _dump(tags, order, start)
    merged = entries(io.BytesIO(body), at - start, order)[0] | old  # what libvips wrote itself is right
    directory = struct.pack(f"{endian}H", len(merged)) + b"".join(merged[tag] for tag in sorted(merged)) + after
    place = struct.pack(f"{endian}I", start + len(body))
    file.write(padding + body + directory)
    file.seek(beginning)
    file.write(place)
    return body + directory


def _resize(tags: Tags, stored: Mapping[int, bytes], endian: str) -> None:
    """Make EXIF's idea of the size agree with the picture's."""
    for tag, actual in SIZES.items():
        long = struct.unpack_from(f"{endian}H", stored[actual], 2) == (LONG,)
        tags[tag] = (LONG, *struct.unpack_from(endian + ("I" if long else "H"), stored[actual], 8))


def _load(
    file: BinaryIO,
    page: int = 0,
    wanted: Callable[[int], bool] = ABOUT.__contains__,
    pointers: Pointers = POINTERS,
) -> Tags:
    """What a page's directory of a TIFF file, or the first of a block, says about the picture, or else is wanted."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    header = some(file, 0, BIG_HEADER_BYTES)
    if header[:4] == b"MM\0+":
        raise ValueError("big-endian BigTIFF is not supported")  # Pillow takes it for a plain TIFF
    if header[2:3] != b"+":
        header = header[:HEADER_BYTES]

    def load(at: int, wanted: Callable[[int], bool], pointers: Pointers) -> Tags:
        file.seek(at)
        found = ImageFileDirectory_v2(header)
        found.load(file)
        chosen = set(filter(wanted, found)) - pointers.keys()
        tags = {tag: (found.tagtype[tag], found[tag]) for tag in chosen}
        inner = {tag: load(found[tag], lambda _: True, pointers[tag]) for tag in set(found) & pointers.keys()}
        return tags | {tag: (LONG, value) for tag, value in inner.items() if value}

    at = ImageFileDirectory_v2(header).next
    for _ in range(page):
        file.seek(at)
        passed = ImageFileDirectory_v2(header)
        passed.load(file)
        at = passed.next
    return load(at, wanted, pointers)


def _dump(tags: Tags, order: bytes, start: int) -> tuple[bytes, int]:
    """A directory and those it points to as they stand in a file from `start` on, and where the directory is."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    directory, inner = ImageFileDirectory_v2(prefix=order), b""
    for tag, (kind, given) in tags.items():
        value = given
        if isinstance(given, dict):
            body, value = _dump(given, order, start + len(inner))
            inner += body
        directory.tagtype[tag] = kind  # or Pillow guesses it from the value
        directory[tag] = value.encode("latin-1") if isinstance(value, str) else value  # the very bytes it was read from
    return inner + directory.tobytes(start + len(inner)), start + len(inner)
