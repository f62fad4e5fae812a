"""What a run learns from: clean photos, and real pairs of a damaged and a clean one.

A folder of material is a folder of photos; or it holds `clean/` with the photos, `pairs/KIND/` with the pairs of a kind
of damage (layouts: `darnet.data.pairs`), and files that recipes name, such as measured kernels.

Pictures are decoded when they are drawn (`darnet.data.cache`): memory is bounded by the cache, not by the material.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, groupby
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from darnet.data.cache import Cache, Lazy, Stored
from darnet.data.graphics import draw_many
from darnet.data.memory import Memory
from darnet.data.pairs import Pairs, find_pairs
from darnet.data.photos import Photo, Resized, files, load_photos, split, with_halves, with_scales
from darnet.data.scenes import Deep
from darnet.errors import ImageError, NoInputError, RecipeError
from darnet.images.formats import read_size
from darnet.images.image import Image
from darnet.registry import kinds_of

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
    cache: Cache = field(default_factory=Cache)  # of all that is decoded

    @property
    def pictures(self) -> int:
        """How many there are: clean ones, and damaged ones of pairs."""
        return len(self.photos) + sum(len(scene) for scenes in self.scenes.values() for scene in scenes)

    @property
    def described(self) -> str:
        """How many pictures there are; and how much memory they would take, where there is too little for all."""
        scenes = (scene for scenes in self.scenes.values() for scene in scenes)
        parts = [Lazy.of(items) for items in (self.photos, self.deep, self.graphics, *scenes)]
        wanted = sum(picture.size for picture in set(chain.from_iterable(part.pictures for part in parts)))
        known = f"{self.pictures} pictures"
        if wanted <= self.cache.room:
            return known
        return f"{known} ({wanted / 1e9:.1f} GB, of which {self.cache.room / 1e9:.1f} GB are kept in memory)"

    @property
    def complete(self) -> bool:
        """Whether it holds something of everything that it is meant to hold."""
        return bool(self.photos) and all(self.scenes.values()) and bool(self.memory.exemplars or not self.memory.scenes)

    @cached_property
    def replay(self) -> Mapping[str, Pairs]:
        """What is remembered, as pictures, where the photos are."""
        return {kind: self.memory.pairs(kind).within(self.cache) for kind in self.memory.kinds}

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
                self.cache,
            )
            for index, part in enumerate(photos)
        ]

    def with_depth(self) -> Material:
        """Photos with their depth added, of `root/depth` (see `load_deep`). Raises NoInputError, ImageError."""
        return replace(self, deep=load_deep(self.root / "depth", self.cache))

    def with_graphics(self, count: int) -> Material:
        """So many made pictures added that are no photos, the same in every run (`darnet.data.graphics`)."""
        return replace(self, graphics=draw_many(count, GRAPHICS_PX, GRAPHICS_SEED, self.photos))

    def with_halves(self, above_px: int | None) -> Material:
        """Half-size copies of large photos added (see `darnet.data.photos.with_halves`)."""
        return replace(self, photos=with_halves(self.photos, above_px))

    def with_scales(self, scales: Sequence[float], smallest_px: int) -> Material:
        """Smaller copies of photos added, with their depth (see `darnet.data.photos.with_scales`)."""
        deep: Lazy[Deep] = Lazy.of(self.deep)
        levels = [with_scales(Lazy((photo,)), scales, smallest_px).rows for photo, _ in deep.rows]
        rows = (
            (photo, depth if photo.shape[1:] == depth.shape[1:] else Resized(depth, (photo.shape[1], photo.shape[2])))
            for photos, (_, depth) in zip(levels, deep.rows, strict=True)
            for photo in photos
        )
        return replace(self, photos=with_scales(self.photos, scales, smallest_px), deep=Lazy(rows, deep.cache))

    def on(self, device: torch.device) -> Material:
        """The same on a device, where each picture is one tensor however many pairs it belongs to."""
        cache = self.cache.on(device)
        photos, graphics = (Lazy.of(items).within(cache) for items in (self.photos, self.graphics))
        deep: Lazy[Deep] = Lazy.of(self.deep).within(cache)
        scenes = {kind: [Lazy.of(scene).within(cache) for scene in scenes] for kind, scenes in self.scenes.items()}
        return Material(self.root, photos, scenes, self.memory, deep, graphics, cache)

    def pairs(self, kind: str) -> Pairs:
        """The pairs of a kind, whatever their scenes."""
        rows = (row for scene in self.scenes[kind] for row in Lazy.of(scene).rows)
        return Pairs(kind, Lazy(rows, self.cache))


def load_material(
    root: Path,
    kinds: Sequence[str] = (),
    *,
    smallest_px: int = 1,
    pairs: Mapping[str, Path] | None = None,
    memory: Memory | None = None,
    cache: Cache | None = None,
) -> Material:
    """The photos under `root`, and the pairs of `kinds`, by their headers; and what is to be replayed.

    `pairs`: folders of pairs that lie elsewhere, by kind; all of them are read. `cache`: where pictures are kept once
    they are decoded, such as that of other material of the same files.

    Raises NoInputError for a folder without photos or pairs, ImageError for a bad picture or a pair of two sizes, and
    RecipeError where pairs of a kind are wanted and `root` has none.
    """
    clean = root / "clean"
    cache = Cache() if cache is None else cache
    photos = load_photos(clean if clean.is_dir() else root, smallest_px=smallest_px, cache=cache)
    elsewhere = pairs or {}
    scenes = {
        kind: _scenes(elsewhere.get(kind, root / "pairs" / kind), kind, cache)
        for kind in dict.fromkeys((*kinds_of(kinds), *elsewhere))
    }
    return Material(root, photos, scenes, memory or Memory(), cache=cache)


@dataclass(frozen=True)
class Depth(Stored):
    """A depth map: levels of the first channel of a file, full scale 1."""

    path: Path

    @property
    def dtype(self) -> torch.dtype:
        """Of its levels."""
        return torch.float32

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """(1, rows, columns), by the header. Raises ImageError."""
        return (1, *read_size(self.path))

    def load(self, find: Callable[[Stored], Tensor]) -> Float[Tensor, "1 _H _W"]:
        """Decode it."""
        levels = Image.read(self.path).array
        largest = 1.0 if levels.dtype.kind == "f" else float(np.iinfo(levels.dtype).max)
        return torch.from_numpy((levels[..., :1].astype(np.float32) / largest).transpose(2, 0, 1).copy())


def load_deep(folder: Path, cache: Cache | None = None) -> Lazy[Deep]:
    """Photos of `*/rgb` and their depths of `*/depth`, files of the same name: 16 bits are from 0 to 1.

    Raises NoInputError where there are none, ImageError for a depth that is missing or of another size.
    """
    found, cache = [], Cache() if cache is None else cache
    for photo in files(sorted(folder.glob("*/rgb/*")), cache):
        partners = (photo.path.parents[1] / "depth").glob(f"{photo.path.stem}.*")
        partner = next(iter(sorted(partners)), None)
        if partner is None:
            raise ImageError(photo.path, "there is no depth map for it")
        depth = Depth(partner)
        if depth.shape[1:] != photo.shape[1:]:
            raise ImageError(partner, f"differs in size from {photo.path.name}")
        found.append((photo, depth))
    if not found:
        raise NoInputError(f"{folder}: no photos with depth (looked for */rgb and */depth)")
    return Lazy(found, cache)


def _scenes(folder: Path, kind: str, cache: Cache) -> list[Lazy[tuple[Photo, Photo]]]:
    if not folder.is_dir():
        raise RecipeError(f"{folder}: the recipe learns from real pairs of {kind}, and there is no such folder")
    found = sorted(find_pairs(folder), key=lambda pair: (pair.clean, pair.name))
    paths = sorted({path for pair in found for path in (pair.degraded, pair.clean)})
    stored = dict(zip(paths, files(paths, cache), strict=True))
    for pair in found:
        if stored[pair.degraded].shape != stored[pair.clean].shape:
            raise ImageError(pair.degraded, f"differs in size from {pair.clean.name}")
    scenes = (pairs for _, pairs in groupby(found, key=lambda pair: pair.clean))
    return [Lazy(((stored[pair.degraded], stored[pair.clean]) for pair in scene), cache) for scene in scenes]
