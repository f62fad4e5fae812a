"""Options for strengths, `noise=0.5,jpeg=1`, and how these are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

if TYPE_CHECKING:
    from darnet.restore.strength import Strength, StrengthLike

Given: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--strength",
        "-s",
        metavar="0..1|KIND=0..1,…",
        help="How much of what is repaired is kept, from 0 (the input) to 1; noise=0.5,jpeg=1: of each kind. Repeat.",
        show_default="1",
    ),
]
Luma: TypeAlias = Annotated[
    float, typer.Option("--luma", metavar="0..1", help="How much of it is kept in brightness: of noise, the grain.")
]
Chroma: TypeAlias = Annotated[float, typer.Option("--chroma", metavar="0..1", help="How much of it is kept in colour.")]


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
