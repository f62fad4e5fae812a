"""What is measured: photo sets in their published layouts, damaged at fixed severities, and sets of real pairs.

A case is one picture to be repaired. It is a plain value that loads itself, so that any process can work on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import torch

from darnet import registry
from darnet.benchmark.protocol import Pixels, Protocol, Step
from darnet.data.pairs import find_pairs, pictures
from darnet.degradations import Degradation, find_kind, kinds
from darnet.errors import ImageError, NoInputError, UnknownNameError
from darnet.images.image import Image

#: Where the photos of a set may lie inside its folder, in the order of looking.
PLACES = ("", "HR", "original_png", "original", "GT")
PHOTO_SETS = ("CBSD68", "BSD68", "Kodak24", "McMaster", "Set12", "Urban100")
#: The kinds that a router is asked to tell apart, one suite each.
ROUTED = tuple(registry.BUILTIN["kind"])
#: The photo sets of a suite over several kinds, and of one kind.
ROUTER_SETS, DEFAULT_SETS = ("CBSD68", "McMaster"), ("CBSD68",)
#: Between the names of kinds that befall a picture one after the other.
TOGETHER = "+"

_Item = TypeVar("_Item")


class Scene(NamedTuple):
    """What a method is given, and what it should have answered."""

    observed: Pixels
    clean: Pixels


@dataclass(frozen=True)
class Case:
    """One damaged picture: a photo and its degradation, or a pair of files."""

    set: str
    name: str
    kind: str
    severity: float | None
    clean: Path
    degradation: Degradation | None = None  # None: the damaged picture is a file
    degraded: Path | None = None
    before: tuple[Degradation, ...] = ()  # what befalls the photo first
    after: tuple[Step, ...] = ()  # what befalls it then: a file, say
    way: str = ""  # the same in words, or what else tells rows of one kind and severity apart

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of its damage, in the order in which they befall it."""
        return tuple(self.kind.split(TOGETHER))

    def load(self, protocol: Protocol) -> Scene:
        """Read, and damage as the protocol says. Raises ImageError for bad files, or a pair of different sizes."""
        photo = Image.read(self.clean).pixels()
        clean = protocol.prepare(photo)
        if self.degradation is not None:
            return Scene(protocol.observe(clean, self.degradation, self.name, self.before, self.after), clean)
        assert self.degraded is not None
        damaged = Image.read(self.degraded).pixels()
        if damaged.shape != photo.shape:
            sizes = " and ".join(f"{pixels.shape[2]}×{pixels.shape[1]}" for pixels in (damaged, photo))
            raise ImageError(self.degraded, f"differs in size from its clean picture ({sizes})")
        return Scene(protocol.prepare(damaged), clean)

    def figures(self, restored: Pixels, scene: Scene, protocol: Protocol) -> dict[str, float]:
        """What is measured of an answer beside its scores, by name: of most cases nothing."""
        return {}


def kind_suites() -> list[str]:
    """Every suite over one kind of damage, sorted."""
    return sorted({suite for kind in kinds() for suite in (*kind.severities, *([kind.name] if kind.sets else []))})


def severities(suite: str) -> tuple[Degradation, ...]:
    """The synthetic damage of a suite over one kind, of fixed severities; () where it has none, or is no such suite."""
    return next((kind.severities[suite] for kind in kinds() if suite in kind.severities), ())


def paired_sets(suite: str) -> tuple[str, ...]:
    """The sets of pairs that a suite over one kind has."""
    kind = find_kind(suite)
    return tuple(kind.sets) if kind else ()


def is_of_one_kind(suite: str) -> bool:
    """Whether a suite is over one kind of damage."""
    return bool(severities(suite) or paired_sets(suite))


def cases(suite: str, root: Path, sets: Sequence[str] = (), limit: int | None = None) -> list[Case]:
    """The cases of a suite over one kind, in the order of sets, severities and names.

    sets: names of photo sets or paired sets under `root`; none: CBSD68 for synthetic damage, and every paired set that
        is there.
    limit: how many pictures of a set at the most (evenly spread over it).

    Raises UnknownNameError for a suite, or a set that does not fit it, NoInputError for a set that is not
    there.
    """
    if not is_of_one_kind(suite):
        raise UnknownNameError("suite", suite, kind_suites())
    if not root.is_dir():
        raise NoInputError(f"{root}: no such folder of test sets")
    degradations, paired = severities(suite), paired_sets(suite)
    known = (*(DEFAULT_SETS if degradations else ()), *paired)
    chosen = sets or [name for name in known if is_there(root, name)]
    if not chosen:
        raise NoInputError(f"{root}: none of the sets of suite {suite} is there ({', '.join(known)})")
    found: list[Case] = []
    for name in chosen:
        if name in paired:
            found += pairs_of(suite, root, name, limit)
        elif degradations and name in PHOTO_SETS:
            found += [case for degradation in degradations for case in damaged(degradation, root, name, limit)]
        else:
            known = (*(PHOTO_SETS if degradations else ()), *paired)
            raise UnknownNameError(f"set of suite {suite}", name, known)
    return found


def is_there(root: Path, set_name: str) -> bool:
    """Whether a set has a folder under `root`."""
    return (root / set_name).is_dir() or _pair_folder(root, set_name) is not None


def damaged(degradation: Degradation, root: Path, set_name: str, limit: int | None = None) -> list[Case]:
    """Every photo of a set under one degradation whose ranges are single values. Raises NoInputError."""
    severity = severity_of(degradation)
    return [
        Case(set_name, path.name, degradation.kind, severity, path, degradation)
        for path in thinned(_photos(root, set_name), limit)
    ]


def pairs_of(kind: str, root: Path, set_name: str, limit: int | None = None, mark: str = "") -> list[Case]:
    """The pairs of a set as one kind of damage; `mark`: only those whose damaged file's name has it.

    Raises NoInputError.
    """
    folder = _pair_folder(root, set_name)
    if folder is None:
        raise NoInputError(f"{root / set_name}: no such test set")
    pairs = thinned([pair for pair in find_pairs(folder) if mark in pair.name], limit)
    return [Case(set_name, pair.name, kind, None, pair.clean, degraded=pair.degraded) for pair in pairs]


def _pair_folder(root: Path, set_name: str) -> Path | None:
    places = next((kind.sets[set_name] for kind in kinds() if set_name in kind.sets), (set_name,))
    return next((root / place for place in places if (root / place).is_dir()), None)


def _photos(root: Path, set_name: str) -> list[Path]:
    for place in PLACES:
        if found := pictures(root / set_name / place):
            return found
    places = ", ".join(place for place in PLACES if place)
    raise NoInputError(f"{root / set_name}: no pictures of this test set (also looked in its folders {places})")


def thinned(items: Sequence[_Item], limit: int | None) -> list[_Item]:
    """At most `limit` of the items, evenly spread over them."""
    count = len(items) if limit is None else min(limit, len(items))
    return [items[index * len(items) // count] for index in range(count)]


def severity_of(degradation: Degradation) -> float | None:
    """The severity of a degradation whose ranges are single values; None for a kind without one."""
    if not degradation.parameters:
        return None
    parameters = torch.tensor([[getattr(degradation, name)[0] for name in degradation.parameters]], dtype=torch.float64)
    return round(float(degradation.severity(parameters)[0]), 4)
