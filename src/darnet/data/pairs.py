"""Pairs of a damaged and a clean photo, in the layouts that paired data sets are published in.

input/target (Rain100L, LOL and others as the all-in-one papers keep them), hazy/gt (RESIDE SOTS), low/high (LOL-v1),
rainy/norain and rain/norain (Rain100), blur/sharp (GoPro, a folder a scene), and rain-001 beside norain-001 (Rain100).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from darnet.data.cache import Cache, Lazy
from darnet.data.photos import Photo, find_folders
from darnet.errors import ImageError, NoInputError
from darnet.images.image import SUFFIXES

FOLDERS = (
    ("input", "target"),
    ("hazy", "gt"),
    ("low", "high"),
    ("rainy", "norain"),
    ("rain", "norain"),
    ("blur", "sharp"),
)


@dataclass(frozen=True)
class Pairs:
    """Pictures of one kind of damage: (degraded, clean) of the same size. `severities`: one each; none: unknown."""

    kind: str
    photos: Sequence[tuple[Photo, Photo]]
    severities: Sequence[float] = ()

    def within(self, cache: Cache) -> Pairs:
        """The same where the pictures of a cache are: each is one tensor there, however many pairs it belongs to."""
        return Pairs(self.kind, Lazy.of(self.photos).within(cache), self.severities)


class Pair(NamedTuple):
    """Two files that show the same scene, pixel by pixel. `name` is the damaged file's, with its scene's folder."""

    name: str
    degraded: Path
    clean: Path


def find_pairs(root: Path) -> list[Pair]:
    """Every pair under `root`, by name.

    Several damaged pictures may share a clean one (`1400_4.png` goes with `1400.png`).
    Raises NoInputError where `root` holds no pairs, ImageError for a damaged picture without its clean one.
    """
    found = sorted(_pairs(root))
    if not found:
        known = ", ".join(f"{degraded}/{clean}" for degraded, clean in FOLDERS)
        raise NoInputError(f"{root}: no pairs of pictures (looked for the folders {known})")
    return found


def pictures(folder: Path) -> list[Path]:
    """The picture files that lie in `folder` itself, by name."""
    if not folder.is_dir():
        return []
    found = (path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    return sorted(path for path in found if not path.name.startswith("."))


def _pairs(root: Path) -> Iterator[Pair]:
    for folder in find_folders(root):
        here = "" if folder == root else f"{folder.relative_to(root).as_posix()}/"
        for degraded, clean in FOLDERS:
            if (folder / degraded).is_dir() and (folder / clean).is_dir():
                partners = {path.stem: path for path in pictures(folder / clean)}
                for path in pictures(folder / degraded):
                    yield Pair(here + path.name, path, _partner(path, partners))
                break
        beside = {path.stem: path for path in pictures(folder) if path.stem.startswith("norain-")}
        for path in pictures(folder) if beside else ():
            if path.stem.startswith("rain-"):
                yield Pair(here + path.name, path, _partner(path, beside))


def _partner(path: Path, partners: Mapping[str, Path]) -> Path:
    for stem in (path.stem, f"no{path.stem}", path.stem.partition("_")[0]):
        if stem in partners:
            return partners[stem]
    raise ImageError(path, "there is no clean picture for it")
