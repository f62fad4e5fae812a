"""RestorerSpec: which system restores and how it runs, as a value; and `load`, which builds one at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from darnet.engines.devices import Precision, pick_device, pick_dtype
from darnet.errors import UnknownNameError, UsageError, fault
from darnet.models import cards
from darnet.restore.experts import Tiles
from darnet.restore.restorer import Restorer, check_limits
from darnet.systems import manifest
from darnet.systems.loading import LazyExperts, load_expert, load_router

Quality: TypeAlias = Literal["fast", "best"]


class RestorerSpec(BaseModel):
    """Which system restores, and how it runs: all that another process or machine needs to build the same `Restorer`.

    It cannot be changed, and can be compared, hashed, pickled and written as JSON. It holds no weights. Each field is
    what `load` takes; `tiles`: None is what `Tiles` is by default. Raises UsageError for an unknown field or an
    impossible value; whether there is such a system, and such a device, is found out by who builds it.

    >>> spec = RestorerSpec(system="darnet", device="cpu", max_steps=2)
    >>> RestorerSpec.from_json(spec.to_json()) == spec
    True
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    system: str = manifest.DEFAULT
    device: str = "auto"
    precision: Precision = "auto"
    tiles: Tiles | None = None
    min_confidence: float | None = None
    max_steps: int | None = None
    quality: Quality = "fast"

    def to_json(self) -> str:
        """All fields, on one line."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str | bytes) -> RestorerSpec:
        """The spec that `to_json` wrote; fields that it leaves out are the default. Raises UsageError."""
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise UsageError("no RestorerSpec: expected a JSON object")
        return cls.model_validate(document)

    def build(self) -> Restorer:
        """The restorer, with its router loaded; experts are loaded when a picture first needs them (`LazyExperts`).

        It is seen to that the experts' files are there and whole. One that is damaged otherwise is named when it is
        needed. Raises UnknownNameError, WeightsError (missing, damaged or incompatible weights) or UsageError (a device
        that this machine has not, a precision that it is too slow at).
        """
        system, folder = manifest.read_system(self.system)
        pick_dtype(self.precision, pick_device(self.device))  # refused here, not when the first expert is loaded
        best = self.quality == "best"
        parts = {**system.experts, **(system.large_experts if best else {})}
        folders = {kind: manifest.part(folder, parts[kind]) for kind in system.experts}
        for part in set(folders.values()):
            cards.check_files(part)
        loading = partial(load_expert, device=self.device, precision=self.precision, tiles=self.tiles)
        said = self.min_confidence is not None
        return Restorer(
            router=load_router(manifest.part(folder, system.router), self.device, self.precision),
            experts=LazyExperts(folders, loading, ensemble=best),
            min_confidence=system.min_confidence if self.min_confidence is None else self.min_confidence,
            min_confidences={} if said else system.min_confidences,
            soft=system.soft,
            min_beside={} if said else system.min_beside,
            order=system.order,
            max_steps=system.max_steps if self.max_steps is None else self.max_steps,
            limited_by=f"system {system.name}" if self.max_steps is None else "",
        )

    @model_validator(mode="wrap")
    @classmethod
    def _in_our_words(cls, given: Any, check: Callable[[Any], RestorerSpec]) -> RestorerSpec:
        """Errors that name the parameter, as all others do."""
        try:
            spec = check(given)
        except ValidationError as error:
            first = error.errors()[0]
            name, reason = fault(error)
            reason = reason.replace("Input should be", "expected")
            if first["type"] == "extra_forbidden":
                raise UnknownNameError("field of RestorerSpec", name, cls.model_fields) from None
            raise UsageError(f"`{name}={first['input']!r}`: {reason}") from None
        check_limits(0.0 if spec.min_confidence is None else spec.min_confidence, spec.max_steps)
        return spec


def load(  # noqa: PLR0913  the fields of RestorerSpec
    name: str | Path = manifest.DEFAULT,
    *,
    device: str = "auto",
    precision: Precision = "auto",
    tiles: Tiles | None = None,
    min_confidence: float | None = None,
    max_steps: int | None = None,
    quality: Quality = "fast",
) -> Restorer:
    """A system by the name it ships under, or by its folder, ready to restore: `RestorerSpec.build` at once.

    `quality`: "best" takes the large expert of a kind where the system has one, and asks every expert eight times
    (`SelfEnsemble`).
    `min_confidence`: for all kinds, in place of what the system says.
    Raises UnknownNameError, WeightsError (missing, damaged or incompatible weights) or UsageError.

    >>> load("darnet", device="cpu", max_steps=2).max_steps
    2
    """
    return RestorerSpec(
        system=str(name),
        device=device,
        precision=precision,
        tiles=tiles,
        min_confidence=min_confidence,
        max_steps=max_steps,
        quality=quality,
    ).build()
