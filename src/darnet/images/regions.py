"""Pictures by region: read and written part by part, so that memory depends on the part and not on the picture.

Shape letters: C channels, nearly always 3; H rows, W columns of a picture; h, w of a part of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from darnet.images import geometry, scratch
from darnet.images.scratch import Array


@dataclass(frozen=True)
class Region:
    """A rectangle of a picture, in pixels."""

    top: int
    left: int
    height: int
    width: int

    @property
    def bottom(self) -> int:
        """The first row below it."""
        return self.top + self.height

    @property
    def right(self) -> int:
        """The first column beside it."""
        return self.left + self.width

    def cut(self, pixels: Float[Tensor, "*B C H W"]) -> Float[Tensor, "*B C h w"]:
        """Its pixels, in the same memory."""
        return pixels[..., self.top : self.bottom, self.left : self.right]

    def of(self, values: Array) -> Array:
        """Its samples of (H, W, ...), not copied."""
        return values[self.top : self.bottom, self.left : self.right]

    def box(self, height: int, width: int) -> Float[Tensor, "1 4"]:
        """Top, left, bottom and right as shares of a picture of that size; above 1 where it was padded."""
        return torch.tensor([[self.top / height, self.left / width, self.bottom / height, self.right / width]])


#: Pixels that are read at once where it matters little how many.
AT_ONCE = 2**20
#: A part of a picture and where it lies, "C h w".
Piece: TypeAlias = tuple[Region, Tensor]


@runtime_checkable
class RegionSource(Protocol):
    """A picture that is read part by part."""

    @property
    def height(self) -> int:
        """Rows."""
        ...

    @property
    def width(self) -> int:
        """Columns."""
        ...

    def read(self, region: Region) -> Float[Tensor, "C h w"]:
        """What lies in a region inside the picture, sRGB in [0, 1]. It is not to be written to."""
        ...


@runtime_checkable
class RegionSink(Protocol):
    """A picture that is written part by part, in any order."""

    def write(self, region: Region, pixels: Float[Tensor, "C h w"]) -> None:
        """Put pixels, sRGB in [0, 1], where they belong."""
        ...


@dataclass(frozen=True)
class Planes:
    """A picture in memory, (C, H, W), as a source and a sink.

    >>> import torch
    >>> picture = Planes(torch.zeros(3, 4, 6))
    >>> picture.write(Region(1, 2, 2, 2), torch.ones(3, 2, 2))
    >>> int(picture.read(Region(0, 0, 2, 6)).sum())
    6
    """

    pixels: Float[Tensor, "C H W"]

    @property
    def height(self) -> int:
        """Rows."""
        return self.pixels.shape[-2]

    @property
    def width(self) -> int:
        """Columns."""
        return self.pixels.shape[-1]

    def read(self, region: Region) -> Float[Tensor, "C h w"]:
        """A part of it, in the same memory."""
        return region.cut(self.pixels)

    def write(self, region: Region, pixels: Float[Tensor, "C h w"]) -> None:
        """Replace a part of it."""
        region.cut(self.pixels).copy_(pixels)


@dataclass(frozen=True)
class Kept:
    """A picture between two steps, (C, H, W), in memory or where it is large in a file: parts of it are copied.

    Of a mapped file the system maps far more than what is looked at: whole rows around a tile.
    """

    planes: Planes

    @classmethod
    def empty(cls, channels: int, height: int, width: int) -> Kept:
        """One that nothing was written to yet. Raises ResourceError without room for a large one."""
        return cls(Planes(torch.from_numpy(scratch.empty((channels, height, width), "f4"))))

    @property
    def height(self) -> int:
        """Rows."""
        return self.planes.height

    @property
    def width(self) -> int:
        """Columns."""
        return self.planes.width

    def read(self, region: Region) -> Float[Tensor, "C h w"]:
        """A part of it, in memory of its own."""
        pixels = self.planes.read(region).clone()
        scratch.release()
        return pixels

    def write(self, region: Region, pixels: Float[Tensor, "C h w"]) -> None:
        """Replace a part of it."""
        self.planes.write(region, pixels)
        scratch.release()


@dataclass(frozen=True)
class Grown:
    """A source that goes on at the bottom and right until both sides are multiples: mirrored, see `read_beyond`."""

    source: RegionSource
    multiple_of: int

    @property
    def height(self) -> int:
        """Rows."""
        return self.source.height + -self.source.height % self.multiple_of

    @property
    def width(self) -> int:
        """Columns."""
        return self.source.width + -self.source.width % self.multiple_of

    def read(self, region: Region) -> Float[Tensor, "C h w"]:
        """A part of it."""
        return read_beyond(self.source, region)


@dataclass(frozen=True)
class Viewed:
    """A source flipped or turned: one of the eight views (`geometry.view`)."""

    source: RegionSource
    way: int

    @property
    def height(self) -> int:
        """Rows."""
        return self.source.width if self.way % 2 else self.source.height

    @property
    def width(self) -> int:
        """Columns."""
        return self.source.height if self.way % 2 else self.source.width

    def read(self, region: Region) -> Float[Tensor, "C h w"]:
        """A part of it."""
        there = turned_back(region, self.height, self.width, self.way)
        return geometry.view(self.source.read(there), self.way).contiguous()


def turned_back(region: Region, height: int, width: int, way: int) -> Region:
    """Where a region of a view, which has `height` × `width` pixels, lies in the picture itself."""
    top, left, rows, columns = region.top, region.left, region.height, region.width
    for _ in range(way % (geometry.COUNT // 2)):  # each undoes a quarter turn counterclockwise
        top, left, rows, columns = left, height - top - rows, columns, rows
        height, width = width, height
    return Region(top, width - left - columns if way >= geometry.COUNT // 2 else left, rows, columns)


def turned(region: Region, height: int, width: int, way: int) -> Region:
    """Where a region of a picture of `height` × `width` pixels lies in one of its views."""
    top, left, rows, columns = region.top, region.left, region.height, region.width
    left = width - left - columns if way >= geometry.COUNT // 2 else left
    for _ in range(way % (geometry.COUNT // 2)):
        top, left, rows, columns = width - left - columns, top, columns, rows
        height, width = width, height
    return Region(top, left, rows, columns)


def everything(source: RegionSource) -> Region:
    """The whole picture as a region."""
    return Region(0, 0, source.height, source.width)


def as_source(picture: RegionSource | Float[Tensor, "C H W"]) -> RegionSource:
    """Pixels in memory as a source; a source as it is. Raises ValueError for a tensor that is no picture."""
    if not isinstance(picture, Tensor):
        return picture
    if picture.ndim != 3 or 0 in picture.shape:
        raise ValueError(f"expected a picture of shape (C, H, W), none of them 0, got {tuple(picture.shape)}")
    return Planes(picture)


def read_all(source: RegionSource) -> Float[Tensor, "C H W"]:
    """The whole picture, for whoever works on nothing less."""
    return source.read(everything(source))


def parts(source: RegionSource) -> Iterator[Piece]:
    """The whole picture, some rows after the other."""
    height = max(1, AT_ONCE // source.width)
    for top in range(0, source.height, height):
        region = Region(top, 0, min(height, source.height - top), source.width)
        yield region, source.read(region)


def read_beyond(source: RegionSource, region: Region) -> Float[Tensor, "C h w"]:
    """A region that begins inside the picture and may end outside: there the picture is mirrored, as by `pad_to`."""
    (top, height, below), (left, width, right) = (
        _reaching(start, extent, length)
        for start, extent, length in (
            (region.top, region.height, source.height),
            (region.left, region.width, source.width),
        )
    )
    pixels = source.read(Region(top, left, height, width))
    if not below and not right:
        return pixels
    grown = padded(pixels, height + below, width + right)
    return grown[:, region.top - top :, region.left - left :]


def _reaching(start: int, extent: int, length: int) -> tuple[int, int, int]:
    """(first pixel, how many are read, how many are missing behind them): enough before the end to be mirrored."""
    missing = max(0, start + extent - length)
    first = max(0, min(start, length - 1 - missing)) if missing else start
    return first, start + extent - missing - first, missing


def padded(pixels: Float[Tensor, "*B C H W"], height: int, width: int) -> Float[Tensor, "*B C H2 W2"]:
    """Grow a picture at the bottom and right to the given height and width.

    The new pixels mirror the picture, or repeat its last row or column where it is too small to be mirrored.
    """
    below, right = height - pixels.shape[-2], width - pixels.shape[-1]
    if below:
        # A mirror does not repeat the edge, so it has only H - 1 pixels to give.
        pixels = functional.pad(pixels, (0, 0, 0, below), "reflect" if below < pixels.shape[-2] else "replicate")
    if right:
        pixels = functional.pad(pixels, (0, right, 0, 0), "reflect" if right < pixels.shape[-1] else "replicate")
    return pixels


def gather(pieces: Iterable[Piece], like: Float[Tensor, "C H W"]) -> Float[Tensor, "C H W"]:
    """All pieces of a picture, put together; of the shape, dtype and device of `like`."""
    answer = Planes(torch.empty_like(like))
    for region, pixels in pieces:
        answer.write(region, pixels)
    return answer.pixels
