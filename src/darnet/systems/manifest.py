"""A system on disk: a folder with system.json, which says which of the folders beside it are its router and experts.

Earlier versions of system.json stay beside it (`system.N.json`), so that a change can be taken back.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict

from darnet.errors import UnknownNameError, UsageError, WeightsError, refusal
from darnet.files import unfinished
from darnet.models.cards import FORMAT, is_name, read

SYSTEM = "system.json"
#: Held by whoever changes a system. The operating system lets go of it when its holder ends, however that ends: the
#: file stays and means nothing.
LOCK, LOCK_SECONDS = ".lock", 60.0
DEFAULT = "darnet"
#: Before the name of a part: it is one of a system that ships with darnet, `package:SYSTEM/PART`.
PACKAGE = "package:"
#: Systems that ship with the package.
SHIPPED = Path(__file__).parents[1] / "weights"


class System(BaseModel):
    """A router and its experts, each by the name of its folder, or `package:SYSTEM/PART` (see `part`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = FORMAT
    name: str
    router: str
    experts: dict[str, str]  # kind of damage -> folder
    large_experts: dict[str, str] = {}  # the same for experts of the best quality, where there are any
    min_confidence: float = 0.6
    min_confidences: dict[str, float] = {}  # kind of damage -> its own, in place of the one for all
    soft: tuple[str, ...] = ()  # kinds whose repair counts by how likely they are
    min_beside: dict[str, float] = {}  # kind of damage -> the same where another kind is more certain
    min_hints: dict[str, float] = {}  # kind of damage -> from where on it is worth a word where it is left alone
    order: tuple[str, ...] = ()  # kinds as they are repaired one after the other; none: the way of a photo backwards
    max_steps: int | None = None  # repairs of one picture at most; None: as many as are planned


def read_system(name: str) -> tuple[System, Path]:
    """A system by the name it ships under, or by its folder. Raises UnknownNameError or WeightsError."""
    folder = SHIPPED / name if name in shipped() else Path(name)
    if not (folder / SYSTEM).is_file():
        if folder.exists():
            raise WeightsError(folder, f"no {SYSTEM} in it")
        if name == DEFAULT:
            raise WeightsError(SHIPPED / name, "the weights that ship with darnet are missing")
        raise UnknownNameError("system", name, shipped())
    return read(folder / SYSTEM, System), folder


def part(folder: Path, name: str) -> Path:
    """The folder of a part of the system in `folder`: beside its system.json, or `package:SYSTEM/PART`.

    Raises WeightsError for a name that leads anywhere else.
    """
    places = name.removeprefix(PACKAGE).split("/")
    packaged = name.startswith(PACKAGE)
    if len(places) != 1 + packaged or not all(map(is_name, places)):
        raise WeightsError(folder / SYSTEM, f"{name!r} is no part: a folder beside it, or {PACKAGE}SYSTEM/PART")
    return (SHIPPED if packaged else folder).joinpath(*places)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """While a system is changed: whoever else wants to waits until it is done.

    Raises UsageError where that takes longer than LOCK_SECONDS, WeightsError where the folder cannot be written.
    """
    try:
        held = FileLock(folder / LOCK, timeout=LOCK_SECONDS).acquire()
    except Timeout as error:
        raise UsageError(f"{folder}: somebody else is changing it; nothing was done") from error
    except OSError as error:
        raise WeightsError(folder, refusal(error)) from error
    with held:
        yield


def write_system(system: System, folder: Path) -> None:
    """Put `system.json` into a folder, at once; the one that was there is kept as `system.N.json`, N counting up."""
    path = folder / SYSTEM
    with unfinished(path) as new:
        new.write_text(system.model_dump_json(indent=2, exclude_defaults=False) + "\n", encoding="utf-8")
        if path.exists():
            numbers = [int(version.name.split(".")[1]) for version in versions(folder)]
            shutil.copyfile(path, folder / f"system.{max(numbers, default=0) + 1}.json")


def rollback(folder: Path) -> System:
    """Make the last earlier `system.json` the valid one again. Raises WeightsError where there is none."""
    earlier = versions(folder)
    if not earlier:
        raise WeightsError(folder / SYSTEM, "there is no earlier version of it")
    system = read(earlier[-1], System)
    earlier[-1].replace(folder / SYSTEM)
    return system


def versions(folder: Path) -> list[Path]:
    """Earlier versions of `system.json`, the oldest first."""
    numbered = ((path, path.name.split(".")[1]) for path in folder.glob("system.*.json"))
    return [path for path, number in sorted(numbered, key=lambda item: item[1].zfill(9)) if number.isdecimal()]


def shipped() -> list[str]:
    """Names of the systems in the package."""
    return sorted(path.parent.name for path in SHIPPED.glob(f"*/{SYSTEM}"))
