"""Pictures that are decoded when they are asked for, and kept as long as there is room for them.

What a run learns from may be larger than memory. So its pictures are known by what their headers say; each is decoded
when it is drawn, stays where the run computes, and is one tensor however many pairs it belongs to. Those that no longer
fit are decoded every time.

Shapes: those of each picture, mostly 3 × H × W, uint8.
"""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any, TypeVar, cast, overload

import torch
from torch import Tensor

from darnet.engines.processes import Processes

#: Share of the memory that is available when the first picture comes, and that pictures may fill.
SHARE = 0.5
#: Bytes that are taken for available where the system says nothing.
UNKNOWN = 4 * 2**30
#: What `/proc/meminfo` and the control group of a container say, where there are such.
MEMINFO, GROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")

Item_co = TypeVar("Item_co", covariant=True)


class Stored(ABC):
    """A picture that can be had at any time; equal ones are the same picture."""

    @property
    def dtype(self) -> torch.dtype:
        """Of its pixels."""
        return torch.uint8

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Channels, rows and columns, without decoding it. Raises ImageError."""

    @abstractmethod
    def load(self, find: Callable[[Stored], Tensor]) -> Tensor:
        """Its pixels, on the CPU. `find`: for those of the picture that it is made of. Raises ImageError."""

    @property
    def size(self) -> int:
        """Bytes of its pixels."""
        return prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True, eq=False)
class Held(Stored):
    """One that is in memory already."""

    tensor: Tensor

    @property
    def dtype(self) -> torch.dtype:
        """Of the tensor."""
        return self.tensor.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the tensor."""
        return tuple(self.tensor.shape)

    def load(self, find: Callable[[Stored], Tensor]) -> Tensor:
        """The tensor."""
        return self.tensor

    def __eq__(self, other: object) -> bool:
        """Whether it is the same tensor."""
        return isinstance(other, Held) and self.tensor is other.tensor

    def __hash__(self) -> int:
        return id(self.tensor)


AnyStored = TypeVar("AnyStored", bound=Stored)


class Cache:
    """Pictures as tensors of a device: the first that come are kept, up to `limit` bytes in all.

    Pictures are drawn at random, each as likely as any other, so that it does no good to exchange them. Default limit:
    half of the memory that is available when the first of them comes, shared by the processes of a run.
    """

    def __init__(
        self, limit: int | None = None, device: torch.device | str = "cpu", behind: Cache | None = None
    ) -> None:
        self.limit, self.device, self.behind = limit, torch.device(device), behind
        self.used = 0
        self._known: dict[Stored, Stored] = {}
        self._kept: dict[Stored, Tensor] = {}
        self._elsewhere: dict[torch.device, Cache] = {}

    def __call__(self, picture: Stored) -> Tensor:
        """A picture; the same tensor as before, where there was room for it. Raises ImageError naming its file."""
        if isinstance(picture, Held) and picture.tensor.device == self.device:
            return picture.tensor
        kept = self._kept.get(picture)
        if kept is not None:
            return kept
        tensor = self._have(picture).to(self.device)
        if self._fits(picture):  # asked again: what it is made of may have been kept
            self._kept[picture] = tensor
            self.used += picture.size
        return tensor

    def known(self, picture: AnyStored) -> AnyStored:
        """The equal one that was known before, whose header is read already; or this one, from now on."""
        return cast(AnyStored, self._known.setdefault(picture, picture))  # equal ones are of one class

    def on(self, device: torch.device) -> Cache:
        """That of another device: what has no room there is kept here, where there is some. Always the same one."""
        if device == self.device:
            return self
        return self._elsewhere.setdefault(device, Cache(None, device, self))

    def _have(self, picture: Stored) -> Tensor:
        """Its pixels, made of what the CPU keeps; kept there, too, where there is no room here."""
        if self.behind is None:
            return picture.load(self)
        beside = picture in self.behind or not self._fits(picture)
        return self.behind(picture) if beside else picture.load(self.behind)

    def _fits(self, picture: Stored) -> bool:
        return self.used + picture.size <= self.room

    def __contains__(self, picture: Stored) -> bool:
        """Whether it is kept."""
        return picture in self._kept

    @cached_property
    def room(self) -> int:
        """The limit, in bytes."""
        share = SHARE / Processes.around().local
        return int(share * available_bytes(self.device)) if self.limit is None else self.limit


class Lazy(Sequence[Item_co]):
    """Pictures, or tuples of pictures, in order: rows of what is stored, each decoded when it is asked for."""

    def __init__(self, rows: Iterable[Any], cache: Cache | None = None) -> None:
        self.rows, self.cache = tuple(rows), Cache() if cache is None else cache

    @classmethod
    def of(cls, items: Sequence[Item_co]) -> Lazy[Item_co]:
        """Tensors, or tuples of tensors, as such a sequence; itself, if it is one."""
        if isinstance(items, Lazy):
            return items
        tensors = cast(Iterable[Any], items)
        return cls(tuple(map(Held, item)) if isinstance(item, tuple) else Held(item) for item in tensors)

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Item_co: ...
    @overload
    def __getitem__(self, index: slice) -> Lazy[Item_co]: ...
    def __getitem__(self, index: int | slice) -> Item_co | Lazy[Item_co]:
        """One of them; or several, not yet decoded. Raises ImageError naming a file."""
        if isinstance(index, slice):
            return Lazy(self.rows[index], self.cache)
        row = self.rows[index]
        return cast(Item_co, tuple(map(self.cache, row)) if isinstance(row, tuple) else self.cache(row))

    def picked(self, places: Iterable[int]) -> Lazy[Item_co]:
        """Those at such places."""
        return Lazy((self.rows[place] for place in places), self.cache)

    def within(self, cache: Cache) -> Lazy[Item_co]:
        """The same, kept in another cache."""
        return Lazy(self.rows, cache)

    @property
    def pictures(self) -> Iterator[Stored]:
        """Those of all rows, one by one."""
        for row in self.rows:
            yield from row if isinstance(row, tuple) else (row,)

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Rows and columns of each picture, without decoding any."""
        return [row.shape[-2:] for row in self.rows]


def available_bytes(device: torch.device) -> int:
    """Memory that is still to be had on a device; of the CPU, in a container, what that may still take."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    found = []
    with suppress(AttributeError, ValueError):  # what is installed, where nobody says what is free
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    with suppress(OSError):
        found += [
            int(free) * 1024 for free in re.findall(r"^MemAvailable:\s+(\d+) kB", MEMINFO.read_text(), re.MULTILINE)
        ]
    with suppress(OSError, ValueError):  # "max" is no number
        most, taken = (int((GROUP / name).read_text()) for name in ("memory.max", "memory.current"))
        files = re.search(r"^inactive_file (\d+)", (GROUP / "memory.stat").read_text(), re.MULTILINE)
        found.append(max(0, most - taken + (int(files[1]) if files else 0)))  # files read can be read again
    return min(found, default=UNKNOWN)
