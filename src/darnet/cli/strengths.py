"""Strengths as they are given on the command line, `noise=0.5,jpeg=1`, and as they are told."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from darnet.errors import UsageError

if TYPE_CHECKING:
    from darnet.restore.strength import Strength, StrengthLike

EXPECTED = "expected 0 to 1, or one for each kind: noise=0.5,jpeg=1"

Given: TypeAlias = Annotated[
    str,
    typer.Option(
        "--strength",
        "-s",
        metavar="0..1|KIND=0..1,…",
        help="How much of what is repaired is kept, from 0 (the input) to 1; noise=0.5,jpeg=1: of each kind.",
    ),
]
Luma: TypeAlias = Annotated[
    float, typer.Option("--luma", metavar="0..1", help="How much of it is kept in brightness: of noise, the grain.")
]
Chroma: TypeAlias = Annotated[float, typer.Option("--chroma", metavar="0..1", help="How much of it is kept in colour.")]


def strength_of(given: str, luma: float, chroma: float) -> StrengthLike:
    """What is meant, a plain number where one will do. Raises UsageError for what is no strength.

    >>> strength_of("0.5", 1.0, 1.0), strength_of("noise=0.5,jpeg=1", 1.0, 0.8).by_kind
    (0.5, {'noise': 0.5, 'jpeg': 1.0})
    """
    from darnet.restore.strength import Strength

    parts = [part.strip().partition("=") for part in given.split(",")]
    if len(parts) == 1 and not parts[0][1]:
        share = _share(given, given)
        return share if luma == chroma == 1 else Strength(others=share, luma=luma, chroma=chroma)
    by_kind = {kind: _share(text, given) for kind, _, text in parts}
    if len(by_kind) < len(parts):
        raise UsageError(f"--strength {given}: a kind is named twice")
    if not all(kind and equals for (kind, equals, _) in parts):
        raise UsageError(f"--strength {given}: {EXPECTED}")
    return Strength(by_kind, luma=luma, chroma=chroma)


def _share(text: str, given: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        raise UsageError(f"--strength {given}: {EXPECTED}")
    return share


def told(given: StrengthLike, kinds: Sequence[str]) -> str:
    """At which strength some kinds were repaired; empty where all of it was kept.

    >>> from darnet.restore.strength import Strength
    >>> told(0.5, ["noise"]), told({"noise": 0.5}, ["noise", "jpeg"]), told(Strength(luma=0.4), ["noise"])
    (' at strength 0.5', ' at strength noise=0.5,jpeg=1', ' at luma 0.4')
    """
    strength = meant(given, kinds)
    shares = {kind: strength.weight(kind) for kind in kinds}
    different = len(set(shares.values())) > 1
    listed = ",".join(f"{kind}={share:g}" for kind, share in shares.items())
    common = listed if different else f"{next(iter(shares.values()), 1.0):g}"
    parts = {"strength": common, "luma": f"{strength.luma:g}", "chroma": f"{strength.chroma:g}"}
    said = ", ".join(f"{name} {value}" for name, value in parts.items() if value != "1")
    return f" at {said}" if said else ""


def meant(given: StrengthLike, kinds: Sequence[str]) -> Strength:
    """The same, with these kinds called as they are here; what is said of others does not matter.

    >>> meant({"noisy": 0.5}, ["noise"]).by_kind
    {'noise': 0.5}
    """
    from darnet.degradations import resolve
    from darnet.restore.strength import Strength

    strength = Strength.of(given)
    return replace(strength, by_kind={resolve(word, kinds): share for word, share in strength.by_kind.items()})
