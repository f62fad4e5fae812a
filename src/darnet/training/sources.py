"""Where the damaged pictures of a recipe come from: a degradation by name, or real pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from darnet import registry
from darnet.data.material import Material
from darnet.data.memory import PAIRS
from darnet.data.pairs import Pairs
from darnet.degradations import Degradation
from darnet.errors import RecipeError, UnknownNameError
from darnet.imaging.chain import Chain, Habits
from darnet.registry import CLEAN

#: The name of the source that sends photos their way.
CHAIN = "chain"


class Strict(BaseModel):
    """A part of a recipe: unknown keys are errors, numbers are finite, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class SourceSpec(Strict):
    """One source of damaged pictures, and how often it is drawn.

    A degradation by its name in the registry, with the ranges of its parameters and, where it needs them, files of the
    material; or `pairs` of a kind; or the way of a photo, `chain` (`darnet.imaging.chain`): `of` the kind that an
    expert repairs, or of several kinds at once, with measured shakes as `files`.
    """

    name: str
    share: float = Field(1.0, gt=0)
    ranges: dict[str, tuple[float, float]] = {}
    files: dict[str, str] = {}  # paths below the folder of material
    of: str | None = None  # the kind of `pairs` or of a `chain`
    habits: dict[str, float | tuple[float, ...]] = {}  # of a `chain` (`darnet.imaging.chain.Habits`)

    @model_validator(mode="after")
    def _consistent(self) -> SourceSpec:
        if self.name == PAIRS and self.of is None:
            raise ValueError(f"`of` names the kind of {PAIRS!r}, and is missing")
        if self.name not in (PAIRS, CHAIN) and self.of is not None:
            raise ValueError(f"`of` names the kind of {PAIRS!r} or of a {CHAIN!r}, and of nothing else")
        if self.name == PAIRS and (self.ranges or self.files):
            raise ValueError(f"{PAIRS!r} have no ranges and no files")
        if self.name == CHAIN and self.ranges:
            raise ValueError(f"a {CHAIN!r} has no ranges")
        if self.name != CHAIN and self.habits:
            raise ValueError(f"habits are those of a {CHAIN!r}, and of nothing else")
        return self

    @property
    def kind(self) -> str:
        """The kind of damage; that of a chain of several kinds is clean. Raises UnknownNameError."""
        return self.of or (CLEAN if self.name == CHAIN else str(self.factory.kind))

    @property
    def registered(self) -> bool:
        """Whether others know the degradation by its name, so that data may hold it."""
        return self.name in registry.names("degradation")

    @property
    def factory(self) -> Any:
        """The degradation's class, registered or not. Raises UnknownNameError."""
        return registry.find("degradation", self.name, places=True)

    def check(self) -> None:
        """Raise RecipeError for what `build` would refuse whatever the material."""
        if self.name == CHAIN:
            self._chain((), ())
        elif self.files:
            known = {field.name for field in fields(self.factory)}
            for key in (*self.ranges, *self.files):
                if key not in known:
                    raise RecipeError(f"degradation {self.name!r}: it has no {key!r}")
        elif self.of is None:
            self.function()

    def build(self, material: Material, kinds: Sequence[str] = ()) -> Degradation | Pairs | Chain:
        """The source itself, for the kinds that are told apart.

        Raises RecipeError for a range or file it does not have or cannot take.
        """
        if self.name == CHAIN:
            return self._chain(kinds, [material.root / path for path in self.files.values()])
        if self.of is not None:
            return material.pairs(self.of)
        return self._degradation({key: material.root / path for key, path in self.files.items()})

    def _chain(self, kinds: Sequence[str], kernels: Sequence[Path]) -> Chain:
        try:
            return Chain(kinds, self.of or "", Habits(**self.habits), kernels)  # type: ignore[arg-type]
        except (TypeError, ValueError) as error:
            raise RecipeError(f"{CHAIN!r}: {error}") from error

    def function(self) -> Degradation:
        """The degradation, where it needs no files. Raises RecipeError."""
        return self._degradation({})

    def _degradation(self, files: dict[str, Path]) -> Degradation:
        try:
            degradation: Degradation = self.factory(**self.ranges, **files)
        except (TypeError, ValueError, UnknownNameError) as error:
            raise RecipeError(f"degradation {self.name!r}: {error}") from error
        return degradation
