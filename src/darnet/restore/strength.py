"""Strength: how much is kept of what each step changed. A plain value, which needs no network."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import TypeAlias, Union

from darnet.errors import UnknownNameError, UsageError

#: What is taken for a strength: one for all kinds, or by kind.
StrengthLike: TypeAlias = Union[float, Mapping[str, float], "Strength"]
EXPECTED = "expected a number from 0 to 1"
EXPECTED_TEXT = "expected 0 to 1, or one for each kind: noise=0.5,jpeg=1"


@dataclass(frozen=True)
class Strength:
    """How much is kept of what was changed: `by_kind`, and of `others`; of its `luma`, and of its `chroma`.

    All are in [0, 1], and multiply: of the colour noise that goes, say, everything, and of the grain little.
    Raises UsageError for what is no number, and for one out of range.

    >>> Strength.of(0.5).weight("noise"), Strength.of({"noise": 0.5}).weight("jpeg")
    (0.5, 1.0)
    """

    by_kind: Mapping[str, float] = field(default_factory=dict, hash=False)
    others: float = 1.0
    luma: float = 1.0
    chroma: float = 1.0

    def __post_init__(self) -> None:
        """Raise UsageError for what is no number, and for one out of range."""
        if not isinstance(self.by_kind, Mapping) or not all(isinstance(kind, str) for kind in self.by_kind):
            raise UsageError("`by_kind`: expected a strength for each kind, by its name: {'noise': 0.5}")
        named = {"strength": self.others, "luma": self.luma, "chroma": self.chroma}
        for name, value in (*named.items(), *((f"strength[{kind!r}]", share) for kind, share in self.by_kind.items())):
            check_fraction(name, value)

    @classmethod
    def of(cls, given: StrengthLike) -> Strength:
        """One for all kinds, or by kind: it is then 1 for those that are not named. Raises UsageError for else."""
        if isinstance(given, Strength):
            return given
        if isinstance(given, Mapping):
            return cls(dict(given))
        if not isinstance(given, Real):
            what = f"{EXPECTED}, one for each kind, {{'noise': 0.5}}, or a Strength"
            raise UsageError(f"`strength`: {what}, not {type(given).__name__}")
        return cls(others=given)

    def among(self, names: Collection[str], what: str = "expert") -> Strength:
        """The same, with kinds called as `names` are that people call otherwise (`darnet.degradations.resolve`).

        Raises UnknownNameError for a kind that is none of them (`what`: of what), UsageError for one that is meant
        twice.

        >>> Strength.of({"grainy": 0.5}).among(["noise", "jpeg"]).by_kind
        {'noise': 0.5}
        """
        from darnet.degradations import resolve  # which brings torch

        meant = {kind: resolve(kind, names) for kind in self.by_kind}
        for kind, name in meant.items():
            if name not in names:
                raise UnknownNameError(what, kind, names, where=self._given([kind]))
        for repeated in (name for name, count in Counter(meant.values()).items() if count > 1):
            words = [word for word, name in meant.items() if name == repeated]
            raise UsageError(f"{self._given(words)}: {' and '.join(words)} are one kind")
        return replace(self, by_kind={meant[kind]: share for kind, share in self.by_kind.items()})

    def _given(self, kinds: Sequence[str]) -> str:
        """What was given for some kinds, as a text names it."""
        given = {kind: float(self.by_kind[kind]) for kind in kinds}
        return f"`strength={given}`"

    def weight(self, kind: str) -> float:
        """How much is kept of a step that repaired a kind."""
        return self.by_kind.get(kind, self.others)

    @property
    def full(self) -> bool:
        """Whether everything is kept."""
        return self.luma == self.chroma == 1 and all(share == 1 for share in (self.others, *self.by_kind.values()))

    def needed(self, kinds: Sequence[str], *, keep: bool = False) -> Sequence[str]:
        """The repairs that have to be done, of some in order: all up to the last of which anything is kept.

        What is kept of a repair depends on those before it, of which nothing may be kept. `keep`: for another strength,
        too: if any has to be done, then all of them.

        >>> Strength({"jpeg": 0, "blur": 0}).needed(["jpeg", "noise", "blur"])
        ['jpeg', 'noise']
        """
        silent = self.luma == self.chroma == 0
        places = [place for place, kind in enumerate(kinds, 1) if self.weight(kind) > 0 and not silent]
        return kinds if keep and places else kinds[: max(places, default=0)]


def check_fraction(parameter: str, value: object) -> None:
    """Raise UsageError for what is no number in [0, 1].

    >>> check_fraction("min_confidence", "0.5")
    Traceback (most recent call last):
    darnet.errors.UsageError: `min_confidence`: expected a number from 0 to 1, not str
    """
    if not isinstance(value, Real):
        raise UsageError(f"`{parameter}`: {EXPECTED}, not {type(value).__name__}")
    if not 0 <= float(value) <= 1:
        raise UsageError(f"`{parameter}={float(value):g}`: expected 0 to 1")


def strength_of(options: Sequence[str] | None, luma: float = 1.0, chroma: float = 1.0) -> StrengthLike:
    """What a text means, a plain number where one will do. Raises UsageError for what is no strength.

    >>> strength_of(["0.5"]), strength_of(["noise=0.5", "jpeg=1"], chroma=0.8).by_kind
    (0.5, {'noise': 0.5, 'jpeg': 1.0})
    """
    given = ",".join(options or ["1"])
    parts = [tuple(map(str.strip, part.partition("="))) for part in given.split(",")]
    if len(parts) == 1 and not parts[0][1]:
        share = _share(given, given)
        return share if luma == chroma == 1 else Strength(others=share, luma=luma, chroma=chroma)
    by_kind = {kind: _share(text, given) for kind, _, text in parts}
    if len(by_kind) < len(parts):
        raise UsageError(f"`strength={given!r}`: a kind is named twice")
    if not all(kind and equals for (kind, equals, _) in parts):
        raise UsageError(f"`strength={given!r}`: {EXPECTED_TEXT}")
    return Strength(by_kind, luma=luma, chroma=chroma)


def _share(text: str, given: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        raise UsageError(f"`strength={given!r}`: {EXPECTED_TEXT}")
    return share
