"""Results: what a client sends, and what it gives of an answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias, TypedDict

from darnet.errors import ImageError, refusal
from darnet.files import unfinished

#: A picture's file, or what is in one.
Sent: TypeAlias = str | Path | bytes


class RestoreOptions(TypedDict, total=False):
    """What `Client.restore` takes besides the picture; as a form of the service has it, and `darnet restore`."""

    kinds: str | Iterable[str]
    strength: float | Mapping[str, float]
    luma: float
    chroma: float
    format: str
    quality: int
    bit_depth: Literal["auto", "8", "16"]
    metadata: Literal["keep", "strip"]
    icc: Literal["keep", "srgb"]
    first: bool
    max_steps: int
    min_confidence: float


@dataclass(frozen=True)
class Restored:
    """A picture as a service answers it: the bytes of its file, and what was done.

    `plan`: what was to be repaired, in order, as `Repair.to_dict` has it. `experts`: who repaired it, in order.
    `changed`: whether it differs from what was sent. `media_type`: such as image/jpeg.
    """

    data: bytes = field(repr=False)
    media_type: str
    plan: tuple[dict[str, Any], ...]
    experts: tuple[str, ...]
    changed: bool
    warnings: tuple[str, ...]

    def save(self, path: Path | str) -> Path:
        """Write the file at once or not at all, as it came, whatever its suffix says. Raises ImageError."""
        with written(path) as file:
            file.write(self.data)
        return Path(path)


@dataclass(frozen=True)
class RemoteFile:
    """A picture of a job, as it is or was: its `number`, from 1, its `name` and its `state`.

    `plan`, `experts`, `changed`, `warnings`: of one that is done, as `Restored` has them. `problem`: why it failed.

    >>> RemoteFile.of({"number": 1, "name": "a.jpg", "state": "failed", "problem": {"detail": "damaged"}}).problem
    'damaged'
    """

    number: int
    name: str
    state: Literal["waiting", "working", "done", "failed", "cancelled"]
    plan: tuple[dict[str, Any], ...] = ()
    experts: tuple[str, ...] = ()
    changed: bool | None = None
    warnings: tuple[str, ...] = ()
    problem: str | None = None

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> RemoteFile:
        """What JSON of a service says."""
        return cls(
            said["number"],
            said["name"],
            said["state"],
            tuple(said.get("plan", ())),
            tuple(said.get("experts", ())),
            said.get("changed"),
            tuple(said.get("warnings", ())),
            said.get("problem", {}).get("detail"),
        )


@dataclass(frozen=True)
class RemoteJob:
    """A job of a service. Its `state` is done once each of its files is, or has failed."""

    id: str
    state: Literal["working", "done", "cancelled"]
    files: tuple[RemoteFile, ...]

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> RemoteJob:
        """What JSON of a service says."""
        return cls(said["id"], said["state"], tuple(map(RemoteFile.of, said["files"])))


@contextmanager
def written(path: Path | str) -> Iterator[BinaryIO]:
    """A file that is there once the block is left, and not at all if anything goes wrong in it. Raises ImageError."""
    try:
        with unfinished(Path(path)) as temporary, temporary.open("wb") as file:
            yield file
    except OSError as error:
        raise ImageError(path, refusal(error)) from None
