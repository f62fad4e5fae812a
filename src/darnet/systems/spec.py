"""RestorerSpec: which system restores and how it runs, as a value; and `load`, which builds one at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator

from darnet.engines.choosing import AUTO, check_precision, stated
from darnet.engines.devices import INT8, Precision, pick_device, pick_dtype
from darnet.engines.graphs import GRAPH
from darnet.engines.pytorch import TORCH
from darnet.engines.quantisation import QUANTISED
from darnet.errors import ResourceError, UnknownNameError, UsageError, fault
from darnet.images.budget import LEAST_TILE_PX, Budget, Cost, bytes_of
from darnet.models import cards
from darnet.restore.experts.base import TILES, Tiles
from darnet.restore.restorer import Restorer, check_limits
from darnet.systems import manifest
from darnet.systems.loading import LazyExperts, load_expert, load_router, tile_cost

#: What a process holds more where a runtime for graphs computes: its library, a second copy of the weights, and what it
#: keeps between tiles (202 to 238 MB more at the peak over `darnet bench noise`, whose photos are of 0.15 MP).
RUNTIME_BYTES = 240_000_000

Quality: TypeAlias = Literal["fast", "best"]


class RestorerSpec(BaseModel):
    """Which system restores, and how it runs: all that another process or machine needs to build the same `Restorer`.

    It cannot be changed, and can be compared, hashed, pickled and written as JSON. It holds no weights. Each field is
    what `load` takes; `tiles` and `max_memory`: None is what this machine's memory allows (`settled`). Raises
    UsageError for an unknown field or an impossible value; whether there is such a system, and such a device, is found
    out by who builds it.

    >>> spec = RestorerSpec(system="darnet", device="cpu", max_steps=2)
    >>> RestorerSpec.from_json(spec.to_json()) == spec
    True
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    system: str = manifest.DEFAULT
    device: str = "auto"
    precision: Precision = "auto"
    backend: str = "auto"
    tiles: Tiles | None = None
    min_confidence: float | None = None
    max_steps: int | None = None
    quality: Quality = "fast"
    max_memory: Annotated[int, BeforeValidator(bytes_of)] | None = None

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
        settled, best = self.settled(), self.quality == "best"
        system, folder = manifest.read_system(self.system)
        folders = self._folders()
        run: dict[str, Any] = {"device": self.device, "precision": self.precision, "backend": settled.backend}
        loading = partial(load_expert, tiles=settled.tiles, **run)
        restorer = Restorer(
            router=load_router(manifest.part(folder, system.router), **run),
            experts=LazyExperts(folders, loading, ensemble=best),
            min_confidence=system.min_confidence,
            min_confidences=system.min_confidences,
            soft=system.soft,
            min_beside=system.min_beside,
            min_hints=system.min_hints,
            order=system.order,
            max_steps=system.max_steps,
            limited_by=f"system {system.name}",
            budget=Budget.of(settled.max_memory),
        )
        return restorer.limited(self.min_confidence, self.max_steps)

    def settled(self, processes: int = 1) -> RestorerSpec:
        """The same with what it leaves to this machine's memory: `max_memory`, and `tiles`, the largest that fit.

        For each of some `processes` that share the memory.

        Raises as `build` does, and ResourceError where not even the smallest tiles fit what is stated, or stated ones
        do not.
        """
        folders = set(self._folders().values())
        for folder in folders:
            cards.check_files(folder)
        self._check_precision(folders)  # refused here, not when the first expert is loaded
        backend = self._backend(folders)
        costs = self._costs(folders, backend)
        budget, tiles = Budget.of(self.max_memory).share(processes), self.tiles
        if stated(backend) == AUTO and self.precision != INT8 and not _ample(budget, costs):
            backend = TORCH  # which takes the least
            costs = self._costs(folders, backend)
        if self.max_memory is None:  # where little is free it is tried all the same
            budget = Budget(max([budget.total_bytes, *(budget.needed(cost, LEAST_TILE_PX) for cost in costs)]))
        if tiles is None:
            tiles = replace(TILES, size_px=min(budget.tile_px(cost, TILES.size_px) for cost in costs))
        elif self.max_memory is not None:
            _check_stated(tiles, budget, costs)
        return self.model_copy(update={"max_memory": budget.total_bytes, "tiles": tiles, "backend": backend})

    def _check_precision(self, folders: Iterable[Path]) -> None:
        """Raise UsageError for a precision that nobody here computes in, or not the backend that is asked for."""
        device, asked = pick_device(self.device), stated(self.backend)
        if self.precision != INT8 or device.type != "cpu" or asked == TORCH:
            pick_dtype(self.precision, device)
        name = QUANTISED if self.precision == INT8 else GRAPH
        graphs = [folder / name for folder in sorted(folders) if (folder / name).is_file()]
        if self.precision == INT8 and not graphs:
            raise UsageError(f"`precision='int8'`: no expert of {self.system} has a graph in 8 bits")
        if self.precision not in (AUTO, "fp32") and asked not in (AUTO, TORCH) and device.type == "cpu" and graphs:
            check_precision(asked, self.precision, graphs[0])

    def _backend(self, folders: Iterable[Path]) -> str:
        """The backend that is asked for. Raises UsageError where one that is stated has no graph of a part."""
        stated(self.backend)  # refused here, where it is none
        for folder in () if self.backend in (AUTO, TORCH) else folders:
            if not (folder / GRAPH).is_file():
                raise UsageError(f"`backend={self.backend!r}`: there is no graph of {folder.name}")
        return self.backend

    def _costs(self, folders: Iterable[Path], backend: str) -> list[Cost]:
        """What a tile of each expert takes."""
        best = self.quality == "best"
        return [tile_cost(folder, self.device, self.precision, backend, ensemble=best) for folder in sorted(folders)]

    def _folders(self) -> dict[str, Path]:
        """Where the expert of each kind lies."""
        system, folder = manifest.read_system(self.system)
        parts = {**system.experts, **(system.large_experts if self.quality == "best" else {})}
        return {kind: manifest.part(folder, parts[kind]) for kind in system.experts}

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


def _ample(budget: Budget, costs: Iterable[Cost]) -> bool:
    """Whether there is room for tiles of the usual size, and for the libraries of whoever computes them."""
    return all(budget.needed(cost, TILES.size_px) + RUNTIME_BYTES <= budget.total_bytes for cost in costs)


def _check_stated(tiles: Tiles, budget: Budget, costs: Iterable[Cost]) -> None:
    """Raise ResourceError for tiles that a budget has no room for; both were stated."""
    needed = max(budget.needed(cost, tiles.size_px) for cost in costs)
    if needed > budget.total_bytes:
        raise ResourceError(f"{budget.short_of(needed, tiles.size_px)}; make `tiles` smaller")


def load(  # noqa: PLR0913  the fields of RestorerSpec
    name: str | Path = manifest.DEFAULT,
    *,
    device: str = "auto",
    precision: Precision = "auto",
    backend: str = "auto",
    tiles: Tiles | None = None,
    min_confidence: float | None = None,
    max_steps: int | None = None,
    quality: Quality = "fast",
    max_memory: int | str | None = None,
) -> Restorer:
    """A system by the name it ships under, or by its folder, ready to restore: `RestorerSpec.build` at once.

    `quality`: "best" takes the large expert of a kind where the system has one, and asks every expert eight times
    (`SelfEnsemble`).
    `backend`: who runs networks on the CPU: torch, onnxruntime or openvino; default: the fastest whose answers are
    right, tried out the first time (`darnet.engines.choosing`).
    `min_confidence`: for all kinds, in place of what the system says.
    `max_memory`: bytes that the process may take, or such as "2GB"; default: half of what is free. Tiles are chosen by
    it, where none are given, and pictures that need more are refused before they are decoded.
    Raises UnknownNameError, WeightsError (missing, damaged or incompatible weights), UsageError, or ResourceError
    where not even the smallest tiles fit.

    >>> load("darnet", device="cpu", max_steps=2).max_steps
    2
    """
    return RestorerSpec(
        system=str(name),
        device=device,
        precision=precision,
        backend=backend,
        tiles=tiles,
        min_confidence=min_confidence,
        max_steps=max_steps,
        quality=quality,
        max_memory=max_memory,
    ).build()
