"""Clean pictures for training: any folder of photos, or a data set in its published layout.

Layouts: DIV2K (`DIV2K_train_HR/*.png`; its validation folder is left out) and STL-10 (`train_X.bin`, `test_X.bin`,
`unlabeled_X.bin`: uint8, 96×96, planes stored column by column).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise, product
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.nn import functional as F

from darnet.errors import ImageError, NoInputError
from darnet.image import SUFFIXES, Image
from darnet.pixels import rescale

STL10_SIDE = 96
STL10_FILES = ("train_X.bin", "test_X.bin", "unlabeled_X.bin")

Photo = UInt8[Tensor, "3 _H _W"]  # photos differ in size
_Item = TypeVar("_Item")


def load_photos(root: Path, *, smallest_px: int = 1) -> list[Photo]:
    """Every picture under `root`, decoded to uint8 in memory, in the order of their paths.

    Pictures with a side under `smallest_px` are left out.
    Raises NoInputError if nothing is left, ImageError (naming the file) if a picture is damaged.
    """
    if not root.is_dir():
        raise NoInputError(f"{root}: no such folder of training pictures")
    files = find_files(root)
    stl10 = [path for name in STL10_FILES for path in files if path.name == name]
    photos = list(_read_stl10(stl10)) if stl10 else _read_files(find_photos(root))
    if not photos:
        raise NoInputError(f"{root}: no picture in it or below ({', '.join(SUFFIXES)})")
    large = [photo for photo in photos if min(photo.shape[1:]) >= smallest_px]
    if not large:
        raise NoInputError(f"{root}: none of its {len(photos)} pictures has both sides of at least {smallest_px} px")
    return large


def with_scales(photos: Sequence[Photo], scales: Sequence[float], smallest_px: int) -> list[Photo]:
    """Each photo, and copies of it at each scale below 1 whose sides are not under `smallest_px`.

    A copy is sharp at pixel level and shows more of the scene in a crop; area means, antialiased.
    """
    found = list(photos)
    for photo, scale in product(photos, scales):
        size = [round(extent * scale) for extent in photo.shape[1:]]
        if min(size) >= smallest_px:
            smaller = F.interpolate(photo[None].float(), size=size, mode="bilinear", antialias=True)
            found.append(smaller[0].round().to(torch.uint8))
    return found


def with_halves(photos: Sequence[Photo], above_px: int | None) -> list[Photo]:
    """The photos, and half-size copies (area mean) of those whose short side is over `above_px`.

    Large photos are soft at pixel level, their halves are sharp. Call it after `split`: a half shows what its original
    shows.
    """
    if above_px is None:
        return list(photos)
    return [*photos, *(_halved(photo) for photo in photos if min(photo.shape[1:]) > above_px)]


def find_photos(root: Path) -> list[Path]:
    """Picture files under `root`; only DIV2K's high-resolution training folder where `root` holds DIV2K."""
    div2k = root / "DIV2K_train_HR"
    root = div2k if div2k.is_dir() else root
    return [path for path in find_files(root) if path.suffix.lower() in SUFFIXES]


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


def split(photos: Sequence[_Item], shares: Sequence[float], seed: int) -> list[list[_Item]]:
    """Shuffle once and cut into parts of the given shares (their sum is at most 1); the same seed, the same parts."""
    order = np.random.default_rng(seed).permutation(len(photos))
    edges = np.rint(np.cumsum([0.0, *shares]) * len(photos)).astype(int)
    return [[photos[i] for i in order[a:b]] for a, b in pairwise(edges)]


def _read_files(paths: Sequence[Path]) -> list[Photo]:
    with ThreadPoolExecutor() as pool:  # decoding releases the interpreter
        return list(pool.map(read_photo, paths))


def read_photo(path: Path) -> Photo:
    """One picture file as uint8 RGB. Raises ImageError naming it."""
    array = rescale(Image.read(path).array, np.uint8)
    return torch.from_numpy(np.ascontiguousarray(np.broadcast_to(array, (*array.shape[:2], 3)).transpose(2, 0, 1)))


def _read_stl10(paths: Sequence[Path]) -> Iterator[Photo]:
    for path in paths:
        raw = np.fromfile(path, dtype=np.uint8)
        if raw.size == 0 or raw.size % (3 * STL10_SIDE**2):
            raise ImageError(path, f"not STL-10: {raw.size} bytes are no whole number of 3×96×96 pictures")
        pictures = raw.reshape(-1, 3, STL10_SIDE, STL10_SIDE).transpose(0, 1, 3, 2)
        yield from torch.from_numpy(np.ascontiguousarray(pictures))


def _halved(photo: Photo) -> Photo:
    return F.avg_pool2d(photo[None].float(), 2)[0].round().to(torch.uint8)
