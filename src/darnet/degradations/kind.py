"""Kind: all that darnet knows of one kind of damage, but for who repairs it. One object, beside its degradations.

Whoever reads, prints, makes or measures damage asks the kind; nobody has a table of kinds of his own. Kinds are found
by the registry: darnet's in its table, those of other packages by the entry points of `darnet.kind`,
as in examples/plugin.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from darnet import registry
from darnet.degradations.base import Degradation
from darnet.errors import UnknownNameError
from darnet.images.photographic import Concern

#: Where damage happens to a photo, in this order.
Stage = Literal["scene", "optics", "exposure", "sensor", "file"]
STAGES: tuple[Stage, ...] = get_args(Stage)


@dataclass(frozen=True)
class Kind:
    """A kind of damage.

    `degradations`: by the names that `darnet degrade` and recipes know them by; the kind's own has the kind's name.
    `symbol`, `digits`, `unit`: how its severity is written, `symbol ≈ 1.23 unit`; no symbol: not at all.
    `also_called`: what people say for it, in place of its name.
    `concern`: what repairing it presumes of a picture (`darnet.images.photographic`); None: nothing.
    `stage`, `excludes`, `steps`: where a photo meets it on its way, which other kinds it then never has, and the
    `module:NAME` of a tuple of steps (`darnet.imaging.steps.Step`); no steps: it is not on the way. A name, as
    steps are made of degradations, and not the other way round.
    `followed_by`: where such steps are that come along with it, later on the way: each by its `share`, where a photo
    does not have the kind of that step anyway.
    `local`: whether it may befall a part of a photo alone.
    `sign`: the `module:NAME` of what can be counted of a picture that suggests it: (pixels, which are seen) -> words,
    or None (`darnet.images.darkness`); it is said of a picture that is left alone, and decides nothing.
    `looks_far`: whether its repair weighs light and air far around each pixel (`darnet.models.base.FAR_OVERLAP_PX`).
    `severities`: suite of `darnet bench` -> its degradations, whose ranges are single values.
    `sets`: published test sets of pairs -> where they may lie below the folder of all sets.

    Example:
        >>> from darnet.degradations import GaussianNoise
        >>> Kind("noise", {"noise": GaussianNoise}, symbol="σ").written(24.3)
        'σ ≈ 24'
    """

    name: str
    degradations: Mapping[str, type[Degradation]]
    symbol: str = ""
    digits: int = 0
    unit: str = ""
    also_called: tuple[str, ...] = ()
    concern: Concern | None = None
    stage: Stage | None = None
    excludes: tuple[str, ...] = ()
    steps: str = ""
    followed_by: str = ""
    local: bool = False
    sign: str = ""
    looks_far: bool = False
    severities: Mapping[str, tuple[Degradation, ...]] = field(default_factory=dict)
    sets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise ValueError for a degradation of another kind, or steps that are taken nowhere."""
        of = [degradation.kind for degradation in self.degradations.values()]
        of += [degradation.kind for severities in self.severities.values() for degradation in severities]
        if other := next((kind for kind in of if kind != self.name), None):
            raise ValueError(f"{self.name}: one of its degradations is of kind {other!r}")
        if bool(self.steps) != (self.stage is not None):
            raise ValueError(f"{self.name}: give both of stage and steps, or none")
        if self.stage is None and (self.followed_by or self.local):
            raise ValueError(f"{self.name}: followed_by and local are for what is met on the way, at a stage")

    def written(self, severity: float) -> str:
        """A severity in the kind's unit, for a reader; empty where it is none for readers."""
        text = f"{self.symbol} ≈ {severity:.{self.digits}f} {self.unit}".rstrip()
        return text if self.symbol else ""


def kinds() -> Iterator[Kind]:
    """Every kind: darnet's in their order, then those of other packages, which are only loaded when it comes to them.

    Raises UsageError for one that cannot be loaded.
    """
    yield from registry.kinds()


def find_kind(name: str) -> Kind | None:
    """The kind of that name; None where nobody says what it is. Raises UsageError for one that cannot be loaded."""
    try:
        found: Kind = registry.find("kind", name)
    except UnknownNameError:
        return None
    return found


def is_local(name: str) -> bool:
    """Whether a kind may befall a part of a photo alone; one that nobody knows does not.

    >>> is_local("noise"), is_local("haze")
    (True, False)
    """
    known = find_kind(name)
    return known is not None and known.local


def resolve(word: str, names: Container[str]) -> str:
    """The one of `names` that a word means: itself, or the kind that is also called so. The word, where none is."""
    if word in names:
        return word
    return next((kind.name for kind in kinds() if word in kind.also_called and kind.name in names), word)
