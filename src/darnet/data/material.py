"""What a run learns from: clean photos, and real pairs of a damaged and a clean one.

A folder of material is a folder of photos; or it holds `clean/` with the photos, `pairs/KIND/` with the pairs of a kind
of damage (layouts: `darnet.data.pairs`), and files that recipes name, such as measured kernels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from darnet.data.graphics import draw_many
from darnet.data.memory import Memory
from darnet.data.pairs import Pairs, find_pairs
from darnet.data.photos import Photo, load_photos, read_photo, split, with_halves, with_scales
from darnet.data.scenes import Deep
from darnet.diagnosis import kinds_of
from darnet.errors import ImageError, NoInputError, RecipeError
from darnet.image import Image

#: Made pictures are of this side, and follow from this seed.
GRAPHICS_PX, GRAPHICS_SEED = 512, 1


@dataclass(frozen=True)
class Material:
    """Photos; for each kind its scenes: the pairs that share one clean picture; and what a router remembers."""

    root: Path
    photos: Sequence[Photo]
    scenes: Mapping[str, Sequence[Sequence[tuple[Photo, Photo]]]] = field(default_factory=dict)
    memory: Memory = field(default_factory=Memory)
    deep: Sequence[Deep] = ()  # photos with their depth
    graphics: Sequence[Photo] = ()  # made pictures that are no photos

    @property
    def pictures(self) -> int:
        """How many there are: clean ones, and damaged ones of pairs."""
        return len(self.photos) + sum(len(scene) for scenes in self.scenes.values() for scene in scenes)

    @property
    def complete(self) -> bool:
        """Whether it holds something of everything that it is meant to hold."""
        return bool(self.photos) and all(self.scenes.values()) and bool(self.memory.exemplars or not self.memory.scenes)

    @cached_property
    def replay(self) -> Mapping[str, Pairs]:
        """What is remembered, as pictures, where the photos are."""
        return {kind: self.memory.pairs(kind).on(self.photos[0].device) for kind in self.memory.kinds}

    def split(self, shares: Sequence[float], seed: int) -> list[Material]:
        """Parts of the given shares; no scene is in two of them. What is remembered is shared out whole."""
        photos = split(self.photos, shares, seed)
        scenes = {kind: split(scenes, shares, seed) for kind, scenes in self.scenes.items()}
        memories = self.memory.split(shares, seed)
        deep, graphics = split(self.deep, shares, seed), split(self.graphics, shares, seed)
        return [
            Material(
                self.root,
                part,
                {kind: parts[index] for kind, parts in scenes.items()},
                memories[index],
                deep[index],
                graphics[index],
            )
            for index, part in enumerate(photos)
        ]

    def with_depth(self) -> Material:
        """Photos with their depth added, of `root/depth` (see `load_deep`). Raises NoInputError, ImageError."""
        return replace(self, deep=load_deep(self.root / "depth"))

    def with_graphics(self, count: int) -> Material:
        """So many made pictures added that are no photos, the same in every run (`darnet.data.graphics`)."""
        return replace(self, graphics=draw_many(count, GRAPHICS_PX, GRAPHICS_SEED, self.photos))

    def with_halves(self, above_px: int | None) -> Material:
        """Half-size copies of large photos added (see `darnet.data.photos.with_halves`)."""
        return replace(self, photos=with_halves(self.photos, above_px))

    def with_scales(self, scales: Sequence[float], smallest_px: int) -> Material:
        """Smaller copies of photos added, with their depth (see `darnet.data.photos.with_scales`)."""
        levels = [with_scales([photo], scales, smallest_px) for photo, _ in self.deep]
        deep = [
            (photo, F.interpolate(depth[None], photo.shape[1:], mode="bilinear", antialias=True)[0])
            for photos, (_, depth) in zip(levels, self.deep, strict=True)
            for photo in photos
        ]
        return replace(self, photos=with_scales(self.photos, scales, smallest_px), deep=deep)

    def on(self, device: torch.device) -> Material:
        """The same on a device."""
        scenes = {
            kind: [[(degraded.to(device), clean.to(device)) for degraded, clean in scene] for scene in scenes]
            for kind, scenes in self.scenes.items()
        }
        deep = [(photo.to(device), depth.to(device)) for photo, depth in self.deep]
        photos, graphics = ([photo.to(device) for photo in some] for some in (self.photos, self.graphics))
        return Material(self.root, photos, scenes, self.memory, deep, graphics)

    def pairs(self, kind: str) -> Pairs:
        """The pairs of a kind, whatever their scenes."""
        return Pairs(kind, [pair for scene in self.scenes[kind] for pair in scene])


def load_material(
    root: Path,
    kinds: Sequence[str] = (),
    *,
    smallest_px: int = 1,
    pairs: Mapping[str, Path] | None = None,
    memory: Memory | None = None,
) -> Material:
    """The photos under `root`, and the pairs of `kinds`, decoded into memory; and what is to be replayed.

    `pairs`: folders of pairs that lie elsewhere, by kind; all of them are read.

    Raises NoInputError for a folder without photos or pairs, ImageError for a bad picture or a pair of two sizes, and
    RecipeError where pairs of a kind are wanted and `root` has none.
    """
    clean = root / "clean"
    photos = load_photos(clean if clean.is_dir() else root, smallest_px=smallest_px)
    elsewhere = pairs or {}
    scenes = {
        kind: _scenes(elsewhere.get(kind, root / "pairs" / kind), kind)
        for kind in dict.fromkeys((*kinds_of(kinds), *elsewhere))
    }
    return Material(root, photos, scenes, memory or Memory())


def load_deep(folder: Path) -> list[Deep]:
    """Photos of `*/rgb` and their depths of `*/depth`, files of the same name: 16 bits are from 0 to 1.

    Raises NoInputError where there are none, ImageError for a depth that is missing or of another size.
    """
    found = []
    for path in sorted(folder.glob("*/rgb/*")):
        photo = read_photo(path)
        partner = next(iter(sorted((path.parents[1] / "depth").glob(f"{path.stem}.*"))), None)
        if partner is None:
            raise ImageError(path, "there is no depth map for it")
        levels = Image.read(partner).array
        largest = 1.0 if levels.dtype.kind == "f" else float(np.iinfo(levels.dtype).max)
        depth = torch.from_numpy((levels[..., :1].astype(np.float32) / largest).transpose(2, 0, 1).copy())
        if depth.shape[1:] != photo.shape[1:]:
            raise ImageError(partner, f"differs in size from {path.name}")
        found.append((photo, depth))
    if not found:
        raise NoInputError(f"{folder}: no photos with depth (looked for */rgb and */depth)")
    return found


def _scenes(folder: Path, kind: str) -> list[list[tuple[Photo, Photo]]]:
    if not folder.is_dir():
        raise RecipeError(f"{folder}: the recipe learns from real pairs of {kind}, and there is no such folder")
    found = sorted(find_pairs(folder), key=lambda pair: (pair.clean, pair.name))
    paths = sorted({path for pair in found for path in (pair.degraded, pair.clean)})
    with ThreadPoolExecutor() as pool:  # decoding releases the interpreter
        photos = dict(zip(paths, pool.map(read_photo, paths), strict=True))
    for pair in found:
        if photos[pair.degraded].shape != photos[pair.clean].shape:
            raise ImageError(pair.degraded, f"differs in size from {pair.clean.name}")
    return [
        [(photos[pair.degraded], photos[pair.clean]) for pair in scene]
        for _, scene in groupby(found, key=lambda pair: pair.clean)
    ]
