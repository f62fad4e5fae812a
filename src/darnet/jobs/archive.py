"""Files of residuals: what each step changed of a picture, beside its output, to be blended anew without a network.

Such a file is a zip archive of `.npy` arrays and a JSON header. Both are what numpy's own `.npz` is made of, and can
hold no code; a zip is written and read member by member, so that only a strip of the picture is in memory, each
member has a checksum, and the table of contents comes last: a file that was cut off is known as such.

A step is stored as integers: what it changed, in quanta that are a small part of a level of the picture. They are
rounded so that errors of steps do not add up: after each step all that was changed so far is within half a quantum.

Shapes: H × W pixels of a picture; h × w of a strip of its subject; C channels, 1 where it is grey; K steps; B bytes.
"""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from tokenize import TokenError
from typing import Any
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile, ZipInfo

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import Tensor

from darnet.errors import ImageError, UsageError, fault, one_line, refusal
from darnet.images import scratch
from darnet.images.arrays import GREY, RGB, full_scale
from darnet.images.formats import regular
from darnet.images.image import Image
from darnet.images.regions import Region, RegionSource
from darnet.images.scratch import Array
from darnet.jobs.outputs import Task
from darnet.jobs.paths import remove
from darnet.jobs.residuals import Header
from darnet.restore.residuals import Residuals
from darnet.restore.subject import Subject

HEADER = "header.json"
#: What a zip archive with anything in it begins with.
SIGNATURE = b"PK\3\4"
UNKNOWN = "no file of residuals, as `keep=True` writes them"
#: The longest header, and what the header of an array takes at most, in bytes; the most bytes of an integer.
MOST_BYTES, MARGIN_BYTES, MOST_PLANES = 2**20, 2**12, 4
#: Residuals of noise are noise, in which nothing is found twice: looking for it takes time, and saves 3 %.
EFFORT = 1
#: Integers are stored as bytes.
BYTES = np.dtype("u1")
#: How far weights of a mask are rounded.
WEIGHTS = np.dtype("<u2")
#: What reading a damaged archive, or an array of it, raises. Of zipfile: RuntimeError for one that is encrypted.
DAMAGE = (
    BadZipFile,
    zlib.error,
    KeyError,
    ValueError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    MemoryError,
    TokenError,
)


def write(path: Path, residuals: Residuals, header: Header) -> None:
    """Write a new file, strip by strip. Raises OSError."""
    subject = residuals.subject
    with ZipFile(path, "x", ZIP_DEFLATED, compresslevel=EFFORT) as archive:
        _put(archive, HEADER, header.model_dump_json(indent=2).encode())
        for strip in header.strips():
            seen = None if subject.seen is None else strip.of(subject.seen)
            if seen is not None:
                _put(archive, _name("seen", strip), _saved(seen))
            if subject.weights is not None:
                weights = strip.of(subject.region.of(subject.weights))
                scaled = np.rint(weights * np.float32(full_scale(WEIGHTS))).astype(WEIGHTS)
                _put(archive, _name("weights", strip), _saved(scaled))
            for number, change in enumerate(_changes(residuals, header, strip)):
                shown = change if seen is None else change * seen
                _put(archive, _name(number, strip), _saved(_as_bytes(shown)))
            if strip.height < subject.region.height:  # of a large picture, what each took would stay, in pieces
                scratch.trim()


def _changes(residuals: Residuals, header: Header, strip: Region) -> Iterator[NDArray[np.int32]]:
    """What each step changed there in quanta, (C, h, w), of what the one before it comes to when it is read."""
    before = residuals.subject.source.read(strip)
    so_far: Array = np.zeros((1, 1, 1), np.int32)
    channels = GREY if header.grey else RGB
    for _, step in residuals.steps:
        quanta = (step.read(strip) - before)[:channels].div_(header.quantum).round_()
        change = quanta.numpy().astype(np.int32) - so_far
        so_far = so_far + change
        yield change


def _as_bytes(values: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Integers (C, h, w) as (B, C, h, w): all of their low bytes first, and no more bytes than the largest needs.

    Small ones of both signs are made small ones without a sign, 0, −1, 1, −2, ... as 0, 1, 2, 3, ...; of those the high
    bytes are nearly all 0, and take no room when they are compressed apart.

    >>> _as_bytes(np.array([[[0, -1, 1, 300]]], np.int32)).tolist()
    [[[[0, 1, 2, 88]]], [[[0, 0, 0, 2]]]]
    """
    unsigned = ((values << 1) ^ (values >> 31)).astype("<u4")
    needed = max(1, -(-int(unsigned.max()).bit_length() // 8))
    planes = np.moveaxis(unsigned[..., None].view(np.uint8), -1, 0)[:needed]
    return np.ascontiguousarray(planes)


def _from_bytes(planes: NDArray[np.uint8]) -> NDArray[np.int32]:
    """The opposite.

    >>> _from_bytes(_as_bytes(np.array([[[0, -1, 1, 300]]], np.int32))).tolist()
    [[[0, -1, 1, 300]]]
    """
    unsigned = np.zeros(planes.shape[1:], np.uint32)
    for number, plane in enumerate(planes):
        unsigned |= plane.astype(np.uint32) << np.uint32(8 * number)
    return (unsigned >> 1).astype(np.int32) ^ -(unsigned & 1).astype(np.int32)


@dataclass
class Archive:
    """An open file of residuals: its `path`, what messages name, and its `header`."""

    path: Path
    header: Header
    members: ZipFile
    #: The strip that was read last, and what each step made of it.
    last: tuple[Region, Float[Tensor, "K 3 h w"]] | None = field(default=None, repr=False)

    def residuals(self, image: Image) -> Residuals:
        """What each step made of the picture that was restored. Raises ImageError where this is another, or damaged."""
        header, region = self.header, Region(*self.header.region)
        if (image.height, image.width) != (header.height, header.width):
            raise ImageError(self.path, "belongs to a picture of another size")
        if region.bottom > image.height or region.right > image.width:
            raise self._damaged("it reaches beyond the picture")
        seen = self._whole("seen", np.dtype(np.bool_)) if header.hidden else None
        weights = None
        if header.masked:
            weights = np.zeros((image.height, image.width), np.float32)
            region.of(weights)[:] = self._whole("weights", WEIGHTS) / np.float32(full_scale(WEIGHTS))
        subject = Subject(image, region, seen, None, weights)
        if subject.grey != header.grey:
            raise self._damaged("it is grey, or the picture is, and the other is not")
        return Residuals(subject, [(kind, StoredStep(self, subject, k)) for k, kind in enumerate(header.kinds)])

    def answers(self, strip: Region, before: RegionSource) -> Float[Tensor, "K 3 h w"]:
        """What each step made of a strip of what was `before`."""
        if self.last is None or self.last[0] != strip:
            shape = (GREY if self.header.grey else RGB, strip.height, strip.width)
            so_far: Array = np.zeros((), np.int32)
            found, source = torch.empty(len(self.header.steps), RGB, strip.height, strip.width), before.read(strip)
            for k, answer in enumerate(found):
                so_far = so_far + _from_bytes(self._get(_name(k, strip), BYTES, shape))
                answer.copy_(torch.from_numpy(so_far)).mul_(self.header.quantum).add_(source)
            self.last = strip, found
        return self.last[1]

    def _whole(self, name: str, dtype: np.dtype[Any]) -> Array:
        """What is known of each pixel of the subject, (h, w)."""
        _, _, height, width = self.header.region
        whole = scratch.empty((height, width), dtype)
        for strip in self.header.strips():
            strip.of(whole)[:] = self._get(_name(name, strip), dtype, (strip.height, strip.width))
        return whole

    def _get(self, name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
        """A stored array; of bytes of integers, (B, *shape)."""
        try:
            info = self.members.getinfo(name)
            if info.file_size > MARGIN_BYTES + prod(shape) * MOST_PLANES:
                raise self._damaged(f"{name} is too large")
            found: Array = np.lib.format.read_array(io.BytesIO(self.members.read(info)), allow_pickle=False)
        except (*DAMAGE, OSError) as error:
            raise self._damaged(one_line(error)) from None
        planes = [(count,) for count in range(1, MOST_PLANES + 1)] if dtype == BYTES else [()]
        if found.dtype != dtype or found.shape not in [(*more, *shape) for more in planes]:
            raise self._damaged(f"{name} is of another type or size")
        return found

    def _damaged(self, reason: str) -> ImageError:
        return ImageError(self.path, f"damaged file of residuals: {reason}")


@dataclass(frozen=True, eq=False)
class StoredStep:
    """What a step made of a subject, read from an archive strip by strip."""

    archive: Archive
    subject: Subject
    number: int

    @property
    def height(self) -> int:
        """Rows."""
        return self.subject.region.height

    @property
    def width(self) -> int:
        """Columns."""
        return self.subject.region.width

    def read(self, region: Region) -> Float[Tensor, "3 h w"]:
        """A part of it."""
        strips = [
            strip for strip in self.archive.header.strips() if strip.top < region.bottom and region.top < strip.bottom
        ]
        rows = torch.cat([self.archive.answers(strip, self.subject.source)[self.number] for strip in strips], dim=1)
        return Region(region.top - strips[0].top, region.left, region.height, region.width).cut(rows)


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """A file of residuals. Raises ImageError for one that is missing, damaged, incomplete, or something else."""
    try:
        file = regular(path)
    except OSError as error:
        raise ImageError(path, refusal(error)) from None
    with file:
        try:
            members = ZipFile(file)
            header = _header(path, members)
        except (*DAMAGE, OSError):
            file.seek(0)
            ours = file.read(len(SIGNATURE)) == SIGNATURE
            raise ImageError(path, "damaged or incomplete file of residuals" if ours else UNKNOWN) from None
        yield Archive(path, header, members)


def remove_beside(task: Task) -> None:
    """Remove what is kept of an earlier output in the place of this one; a file that is none of residuals stays.

    Raises ImageError.
    """
    if task.streamed or not os.path.lexists(task.beside):
        return
    try:
        with opened(task.beside):
            pass
    except ImageError:
        return
    remove(task.beside)


def _header(path: Path, members: ZipFile) -> Header:
    """Raises ImageError for one of another format, and for a damaged one; whatever is in DAMAGE."""
    if HEADER not in members.namelist():
        raise ImageError(path, UNKNOWN)
    if members.getinfo(HEADER).file_size > MOST_BYTES:
        raise ImageError(path, "damaged file of residuals: its header is too long")
    try:
        return Header.model_validate_json(members.read(HEADER))
    except (ValidationError, UsageError) as error:
        place, reason = fault(error) if isinstance(error, ValidationError) else ("encoding", str(error))
        if place == "format":
            raise ImageError(
                path, "written by another version of darnet, in a format that this one does not know"
            ) from None
        raise ImageError(path, f"damaged file of residuals: {place}: {reason}") from None


def _name(what: str | int, strip: Region) -> str:
    """Of the member that holds a strip: of a step, by its number, or what is known of all."""
    return f"{what}/{strip.top}.npy"


def _put(archive: ZipFile, name: str, data: bytes) -> None:
    """Add a member; the same data make the same file whenever they are written."""
    member = ZipInfo(name)
    member.compress_type = ZIP_DEFLATED
    archive.writestr(member, data, compresslevel=EFFORT)


def _saved(values: Array) -> bytes:
    """A `.npy` file."""
    file = io.BytesIO()
    np.lib.format.write_array(file, np.ascontiguousarray(values), allow_pickle=False)
    return file.getvalue()
