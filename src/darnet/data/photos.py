"""Clean pictures for training: any folder of photos, or a data set in its published layout.

Layouts: DIV2K (`DIV2K_train_HR/*.png`; its validation folder is left out) and STL-10 (`train_X.bin`, `test_X.bin`,
`unlabeled_X.bin`: uint8, 96×96, planes stored column by column).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, product
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.nn import functional as F

from darnet.data.cache import Cache, Lazy, Stored
from darnet.errors import ImageError, NoInputError
from darnet.images.arrays import rescale
from darnet.images.formats import read_size
from darnet.images.image import SUFFIXES, Image

STL10_SIDE = 96
STL10_FILES = ("train_X.bin", "test_X.bin", "unlabeled_X.bin")

Photo = UInt8[Tensor, "3 _H _W"]  # photos differ in size
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class File(Stored):
    """A picture file, whose header is read when it is first asked how large it is."""

    path: Path

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """(3, rows, columns), by the header. Raises ImageError naming a file that is none."""
        return (3, *read_size(self.path))

    def load(self, find: Callable[[Stored], Tensor]) -> Photo:
        """Decode it."""
        photo = read_photo(self.path)
        if tuple(photo.shape) != self.shape:
            raise ImageError(self.path, f"was {self.shape[1:]} pixels and is {tuple(photo.shape[1:])} now")
        return photo


@dataclass(frozen=True)
class Stl10(Stored):
    """A picture of a file of STL-10."""

    path: Path
    number: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Always the same."""
        return (3, STL10_SIDE, STL10_SIDE)

    def load(self, find: Callable[[Stored], Tensor]) -> Photo:
        """Read it."""
        raw = np.fromfile(self.path, np.uint8, self.size, offset=self.number * self.size)
        return torch.from_numpy(np.ascontiguousarray(raw.reshape(self.shape).transpose(0, 2, 1)))


@dataclass(frozen=True)
class Resized(Stored):
    """Another one in fewer pixels: area means, antialiased."""

    of: Stored
    sides: tuple[int, int]  # rows and columns

    @property
    def shape(self) -> tuple[int, ...]:
        """As many channels as the other has."""
        return (self.of.shape[0], *self.sides)

    @property
    def dtype(self) -> torch.dtype:
        """That of the other."""
        return self.of.dtype

    def load(self, find: Callable[[Stored], Tensor]) -> Tensor:
        """Make it."""
        picture = find(self.of)
        smaller = F.interpolate(picture[None].float(), self.sides, mode="bilinear", antialias=True)[0]
        return smaller if picture.is_floating_point() else smaller.round().to(picture.dtype)


@dataclass(frozen=True)
class Halved(Stored):
    """Half the size of another one: means of four pixels."""

    of: Stored

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """An odd row or column is left out."""
        return (3, *(side // 2 for side in self.of.shape[1:]))

    def load(self, find: Callable[[Stored], Tensor]) -> Photo:
        """Make it."""
        return F.avg_pool2d(find(self.of)[None].float(), 2)[0].round().to(torch.uint8)


def load_photos(root: Path, *, smallest_px: int = 1, cache: Cache | None = None) -> Lazy[Photo]:
    """Every picture under `root`, as uint8, in the order of their paths; headers are read, and no pixels yet.

    Pictures with a side under `smallest_px` are left out. `cache`: where they are kept once they are decoded.
    Raises NoInputError if nothing is left, ImageError (naming the file) if a header is damaged. What is damaged behind
    its header raises ImageError when it is asked for.
    """
    if not root.is_dir():
        raise NoInputError(f"{root}: no such folder of training pictures")
    cache = Cache() if cache is None else cache
    paths = find_files(root)
    stl10 = [path for name in STL10_FILES for path in paths if path.name == name]
    found = [*_stl10(stl10)] if stl10 else files(photos_among(paths, root), cache)
    if not found:
        raise NoInputError(f"{root}: no picture in it or below ({', '.join(SUFFIXES)})")
    photos: Lazy[Photo] = Lazy((photo for photo in found if min(photo.shape[1:]) >= smallest_px), cache)
    if not photos:
        raise NoInputError(f"{root}: none of its {len(found)} pictures has both sides of at least {smallest_px} px")
    return photos


def files(paths: Iterable[Path], cache: Cache) -> list[File]:
    """Picture files, whose headers are read, once each. Raises ImageError naming the first that has none."""
    found = [cache.known(File(path)) for path in paths]
    with ThreadPoolExecutor() as pool:  # reading releases the interpreter
        list(pool.map(lambda file: file.shape, found))
    return found


def with_scales(photos: Sequence[Photo], scales: Sequence[float], smallest_px: int) -> Lazy[Photo]:
    """Each photo, and copies of it at each scale below 1 whose sides are not under `smallest_px`.

    A copy is sharp at pixel level and shows more of the scene in a crop; area means, antialiased.
    """
    lazy = Lazy.of(photos)
    sizes = (
        (row, (round(row.shape[1] * scale), round(row.shape[2] * scale))) for row, scale in product(lazy.rows, scales)
    )
    smaller = (Resized(row, sides) for row, sides in sizes if min(sides) >= smallest_px)
    return Lazy((*lazy.rows, *smaller), lazy.cache)


def with_halves(photos: Sequence[Photo], above_px: int | None) -> Lazy[Photo]:
    """The photos, and half-size copies (area mean) of those whose short side is over `above_px`.

    Large photos are soft at pixel level, their halves are sharp. Call it after `split`: a half shows what its original
    shows.
    """
    lazy = Lazy.of(photos)
    if above_px is None:
        return lazy
    return Lazy((*lazy.rows, *(Halved(row) for row in lazy.rows if min(row.shape[1:]) > above_px)), lazy.cache)


def photos_among(paths: Iterable[Path], root: Path) -> list[Path]:
    """The pictures of the files under `root`; only DIV2K's high-resolution training folder where `root` holds DIV2K."""
    div2k = root / "DIV2K_train_HR"
    inside = div2k if div2k.is_dir() else root
    return [path for path in paths if path.suffix.lower() in SUFFIXES and path.is_relative_to(inside)]


def find_folders(root: Path) -> dict[Path, list[str]]:
    """`root` and every folder below, by path, with the names in it that are no folders.

    Links to folders are followed. A folder that several ways lead to counts once, so that no link can loop.
    """
    found: dict[Path, list[str]] = {}
    known: set[str] = set()
    for directory, folders, files in os.walk(root, followlinks=True):
        place = os.path.realpath(directory)
        if place in known:
            folders.clear()
            continue
        known.add(place)
        folders.sort()
        found[Path(directory)] = files
    return dict(sorted(found.items()))


def find_files(root: Path) -> list[Path]:
    """Every file under `root`, by path (see `find_folders`)."""
    paths = (folder / name for folder, names in find_folders(root).items() for name in names)
    return sorted(path for path in paths if path.is_file())


def split(photos: Sequence[_Item], shares: Sequence[float], seed: int) -> list[Sequence[_Item]]:
    """Shuffle once and cut into parts of the given shares (their sum is at most 1); the same seed, the same parts."""
    order = np.random.default_rng(seed).permutation(len(photos))
    edges = np.rint(np.cumsum([0.0, *shares]) * len(photos)).astype(int)
    parts = [order[a:b].tolist() for a, b in pairwise(edges)]
    if isinstance(photos, Lazy):
        return [photos.picked(part) for part in parts]
    return [[photos[i] for i in part] for part in parts]


def read_photo(path: Path) -> Photo:
    """One picture file as uint8 RGB. Raises ImageError naming it."""
    array = rescale(Image.read(path).array, np.uint8)
    return torch.from_numpy(np.ascontiguousarray(np.broadcast_to(array, (*array.shape[:2], 3)).transpose(2, 0, 1)))


def _stl10(paths: Sequence[Path]) -> Iterator[Stl10]:
    for path in paths:
        size, rest = divmod(path.stat().st_size, 3 * STL10_SIDE**2)
        if not size or rest:
            raise ImageError(path, f"not STL-10: {path.stat().st_size} bytes are no whole number of 3×96×96 pictures")
        yield from (Stl10(path, number) for number in range(size))
