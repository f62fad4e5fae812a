"""Strength: how much is kept of what each step changed. A plain value, which needs no network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias, Union

from darnet.errors import UnknownNameError, UsageError

#: What is taken for a strength: one for all kinds, or by kind.
StrengthLike: TypeAlias = Union[float, Mapping[str, float], "Strength"]


@dataclass(frozen=True)
class Strength:
    """How much is kept of what was changed: `by_kind`, and of `others`; of its `luma`, and of its `chroma`.

    All are in [0, 1], and multiply: of the colour noise that goes, say, everything, and of the grain little.
    Raises UsageError for a value out of range.

    >>> Strength.of(0.5).weight("noise"), Strength.of({"noise": 0.5}).weight("jpeg")
    (0.5, 1.0)
    """

    by_kind: Mapping[str, float] = field(default_factory=dict, hash=False)
    others: float = 1.0
    luma: float = 1.0
    chroma: float = 1.0

    def __post_init__(self) -> None:
        """Raise UsageError for a value out of range."""
        named = {"strength": self.others, "luma": self.luma, "chroma": self.chroma}
        for name, value in (*named.items(), *((f"strength[{kind!r}]", share) for kind, share in self.by_kind.items())):
            if not 0 <= value <= 1:
                raise UsageError(f"`{name}={value:g}`: expected 0 to 1")

    @classmethod
    def of(cls, weights: StrengthLike) -> Strength:
        """One for all kinds, or by kind: it is then 1 for those that are not named."""
        if isinstance(weights, Strength):
            return weights
        return cls(dict(weights)) if isinstance(weights, Mapping) else cls(others=weights)

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
                raise UnknownNameError(what, kind, names)
        twice = [name for name, count in Counter(meant.values()).items() if count > 1]
        if twice:
            raise UsageError(f"`strength`: {' and '.join(kind for kind in meant if meant[kind] in twice)} are one kind")
        return replace(self, by_kind={meant[kind]: share for kind, share in self.by_kind.items()})

    def weight(self, kind: str) -> float:
        """How much is kept of a step that repaired a kind."""
        return self.by_kind.get(kind, self.others)

    @property
    def full(self) -> bool:
        """Whether everything is kept."""
        return self.luma == self.chroma == 1 and all(share == 1 for share in (self.others, *self.by_kind.values()))

    @property
    def none(self) -> bool:
        """Whether nothing is."""
        return self.luma == self.chroma == 0 or all(share == 0 for share in (self.others, *self.by_kind.values()))
