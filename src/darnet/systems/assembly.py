"""Change which experts a system has. A change is whole or not at all, and can be taken back.

Every part of a system is a folder that nobody changes once it is there; `system.json` says which of them take part.
So a change adds folders, and then replaces that one file. The one before is kept (`manifest.rollback`).
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from darnet.errors import ContractError, UnknownNameError, UsageError, WeightsError, one_line, refusal
from darnet.models import cards
from darnet.models.cards import Reference
from darnet.registry import CLEAN, kinds_of
from darnet.systems import manifest
from darnet.systems.loading import load_expert, load_router
from darnet.systems.manifest import System
from darnet.testing import check_expert, check_router

KIND = re.compile(r"[a-z][a-z0-9-]*")
ROUTER = "router"
RESERVED = (CLEAN, ROUTER)


def check_kind(kind: str, system: System) -> None:
    """Raise UsageError for a name that cannot be one, or that the system has an expert for."""
    if not KIND.fullmatch(kind) or kind in RESERVED:
        raise UsageError(f"{kind!r}: a kind of damage is named in small letters, digits and hyphens, and not so")
    if kind in system.experts:
        raise UsageError(f"{kind!r}: the system has an expert for it; remove that one first")


def stage_expert(source: str, kinds: Sequence[str], folder: Path) -> None:
    """Make the folder of an expert, and see that it keeps its contract (`darnet.testing.check_expert`).

    `source`: the folder of a card or of a reference, a file (checkpoint or graph), or a name in the registry.
    Raises UsageError or WeightsError saying what is wrong with it; then the folder may be there, and is worth nothing.
    """
    path = Path(source)
    if path.is_dir():
        shutil.copytree(path, folder)
    elif path.is_file():
        cards.write_reference(Reference(name=path.stem, file=path.name, handles=kinds_of(kinds)), folder, path)
    else:
        cards.write_reference(Reference(name=source, registered=source, handles=kinds_of(kinds)), folder)
    _keeps(source, "expert", lambda: check_expert(load_expert(folder, "cpu")))


def _keeps(source: str, what: str, check: Callable[[], None]) -> None:
    """Raise UsageError or WeightsError where a contract is not kept."""
    try:
        check()
    except UnknownNameError as error:
        raise UsageError(f"{source}: neither a folder nor a file, and {error}") from error
    except ContractError as error:
        raise UsageError(f"{source}: it does not keep the contract of its kind ({what}): {error}") from error
    except (UsageError, WeightsError):
        raise
    except Exception as error:  # whatever a stranger's code brings
        raise UsageError(f"{source}: no {what} that works: {one_line(error)}") from error


def stage_router(source: str, folder: Path) -> None:
    """Make the folder of a router, and see that it keeps its contract (`darnet.testing.check_router`).

    `source`: the folder of a card or of a reference, or a name in the registry. Raises UsageError or WeightsError.
    """
    if Path(source).is_dir():
        shutil.copytree(source, folder)
    else:
        cards.write_reference(Reference(name=source, registered=source), folder)
    _keeps(source, "router", lambda: check_router(load_router(folder, "cpu")))


def add(model: str, source: str, kinds: Sequence[str], out: Path | None = None) -> Path:
    """Give a system an expert for `kinds`, in place or in a copy at `out`; returns the folder of the system.

    The one kind `router` gives it another router. Raises UsageError for kinds that it has experts for, or a source that
    is no expert.
    """
    system, folder = opened(model, out)
    kinds = kinds_of(kinds)
    if kinds == (ROUTER,):
        with TemporaryDirectory() as scratch:
            staged, name = Path(scratch) / ROUTER, free_name(folder, ROUTER)
            stage_router(source, staged)
            return commit(folder, out, (system, system.model_copy(update={"router": name})), {name: staged})
    for kind in kinds:
        check_kind(kind, system)
    with TemporaryDirectory() as scratch:
        staged = Path(scratch) / "expert"
        stage_expert(source, kinds, staged)
        name = free_name(folder, kinds[0])
        experts = {**system.experts, **dict.fromkeys(kinds, name)}
        return commit(folder, out, (system, system.model_copy(update={"experts": experts})), {name: staged})


def remove(model: str, kind: str, out: Path | None = None) -> Path:
    """Take the expert for a kind out of a system; its folder stays. Raises UnknownNameError."""
    system, folder = opened(model, out)
    if kind not in system.experts:
        raise UnknownNameError("expert", kind, system.experts)
    left = {
        field: {name: part for name, part in getattr(system, field).items() if name != kind}
        for field in ("experts", "large_experts", "min_confidences")
    }
    return commit(folder, out, (system, system.model_copy(update=left)), {})


def rollback(model: str) -> System:
    """Take the last change of a system back. Raises WeightsError where there was none."""
    folder = opened(model, None)[1]
    with manifest.alone(folder):
        return manifest.rollback(folder)


def opened(model: str, out: Path | None) -> tuple[System, Path]:
    """A system that is to be changed, in place or in a copy at `out`.

    Raises UsageError where it ships with darnet and no copy is wanted, or where there is something at `out`.
    """
    system, folder = manifest.read_system(model)
    if out is None and manifest.SHIPPED.resolve() in folder.resolve().parents:
        raise UsageError(f"the system {model} ships, and is not changed; give the folder of a copy with `out`")
    if out is not None and out.exists():
        raise UsageError(f"`out={str(out)!r}`: there is something already")
    return system, folder


def free_name(folder: Path, stem: str) -> str:
    """A name for a new part that no part has, present or past."""
    names = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
    return next(name for name in names if not (folder / name).exists())


def commit(folder: Path, out: Path | None, change: tuple[System, System], parts: Mapping[str, Path]) -> Path:
    """Put copies of `parts` (name -> folder) beside those that are there, and make a change of the system valid.

    `change`: (the system as it was opened, the system as it is to be).

    Raises UsageError where somebody else has changed it, or made something at `out`, meanwhile.
    """
    before, system = change
    if out is not None:
        _refuse_changed(folder, before)
        return _copy(folder, out, system, parts)
    with manifest.alone(folder):
        _refuse_changed(folder, before)
        made: list[str] = []
        try:
            for name, part in parts.items():
                shutil.copytree(part, folder / name)
                made.append(name)
            manifest.write_system(system, folder)
        except BaseException:
            for name in set(made) - _named(folder):
                shutil.rmtree(folder / name, ignore_errors=True)
            raise
    return folder


def _refuse_changed(folder: Path, before: System) -> None:
    if manifest.read_system(str(folder))[0] != before:
        raise UsageError(f"{folder}: it was changed by somebody else meanwhile; nothing was done")


def _copy(folder: Path, out: Path, system: System, parts: Mapping[str, Path]) -> Path:
    """The same in a folder of its own, which nobody else writes to, until it is whole."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as scratch:
        target = Path(scratch) / out.name
        shutil.copytree(folder, target, ignore=shutil.ignore_patterns(manifest.LOCK))
        for name, part in parts.items():
            shutil.copytree(part, target / name)
        manifest.write_system(system, target)
        try:
            return target.rename(out)
        except OSError as error:
            raise UsageError(f"`out={str(out)!r}`: {refusal(error)}") from error


def _named(folder: Path) -> set[str]:
    """The parts that the valid system names: an interrupt may come after it was written."""
    system, _ = manifest.read_system(str(folder))
    return {system.router, *system.experts.values(), *system.large_experts.values()}
