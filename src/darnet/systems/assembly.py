"""Change which experts a system has. A change is whole or not at all, and can be taken back.

Every part of a system is a folder that nobody changes once it is there; `system.json` says which of them take part.
So a change adds folders, and then replaces that one file. The one before is kept (`manifest.rollback`). Changes made at
the same time are made one after the other, each of what the one before has left.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from darnet.errors import ContractError, UnknownNameError, UsageError, WeightsError, one_line, refusal
from darnet.models import cards
from darnet.models.cards import Reference
from darnet.registry import CLEAN, kinds_of
from darnet.restore.experts.foreign import files
from darnet.systems import manifest
from darnet.systems.loading import load_expert, load_router
from darnet.systems.manifest import System
from darnet.testing import check_expert, check_router

KIND = re.compile(r"[a-z][a-z0-9-]*")
ROUTER = "router"
RESERVED = (CLEAN, ROUTER)
#: (a system, the names that its new parts were given, by those that were proposed) -> the system as it is to be. Raises
#: UsageError where the system has become one that cannot be changed so.
Change: TypeAlias = Callable[[System, Mapping[str, str]], System]


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
        _copy_part(path, folder)
    elif path.is_file():
        reference = Reference(name=path.stem, file=path.name, handles=kinds_of(kinds))
        cards.write_reference(reference, folder, *files(path))
    else:
        cards.write_reference(Reference(name=source, registered=source, handles=kinds_of(kinds)), folder)
    _keeps(source, folder, "expert", lambda: check_expert(load_expert(folder, "cpu")))


def _copy_part(source: Path, folder: Path) -> None:
    """Copy a folder that holds a part of a system. Raises WeightsError for one that holds none, or cannot be read."""
    cards.check_files(source)  # before it is copied: it may be any folder
    try:
        shutil.copytree(source, folder)
    except shutil.Error as error:
        _, _, reason = error.args[0][0]  # of all the files that could not be copied
        raise WeightsError(source, f"cannot be copied: {reason}") from error


def _keeps(source: str, folder: Path, what: str, check: Callable[[], None]) -> None:
    """Raise UsageError or WeightsError where a contract is not kept; `folder`: of the copy of what was given."""
    try:
        check()
    except WeightsError as error:
        if not error.path.is_relative_to(folder):
            raise
        given = Path(source)
        raise WeightsError(given / error.path.relative_to(folder) if given.is_dir() else given, error.reason) from error
    except UnknownNameError as error:
        raise UsageError(f"{source}: neither a folder nor a file, and {error}") from error
    except ContractError as error:
        raise UsageError(f"{source}: it does not keep the contract of its kind ({what}): {error}") from error
    except UsageError:
        raise
    except Exception as error:  # whatever a stranger's code brings
        raise UsageError(f"{source}: no {what} that works: {one_line(error)}") from error


def stage_router(source: str, folder: Path) -> None:
    """Make the folder of a router, and see that it keeps its contract (`darnet.testing.check_router`).

    `source`: the folder of a card or of a reference, or a name in the registry. Raises UsageError or WeightsError.
    """
    if Path(source).is_dir():
        _copy_part(Path(source), folder)
    else:
        cards.write_reference(Reference(name=source, registered=source), folder)
    _keeps(source, folder, "router", lambda: check_router(load_router(folder, "cpu")))


def add(model: str, source: str, kinds: Sequence[str], out: Path | None = None) -> Path:
    """Give a system an expert for `kinds`, in place or in a copy at `out`; returns the folder of the system.

    The one kind `router` gives it another router. Raises UsageError for kinds that it has experts for, or a source that
    is no expert.
    """
    system, folder = opened(model, out)
    kinds = kinds_of(kinds)
    if not kinds:
        raise UsageError("`kinds`: no kind of damage that it repairs")
    with TemporaryDirectory() as scratch:
        staged = Path(scratch) / "part"
        if kinds == (ROUTER,):
            stage_router(source, staged)
            return commit(folder, out, _routed, {ROUTER: staged})
        for kind in kinds:
            check_kind(kind, system)
        stage_expert(source, kinds, staged)
        return commit(folder, out, partial(_served, kinds), {kinds[0]: staged})


def _routed(system: System, names: Mapping[str, str]) -> System:
    """A Change: another router."""
    return system.model_copy(update={"router": names[ROUTER]})


def _served(kinds: Sequence[str], system: System, names: Mapping[str, str]) -> System:
    """A Change: an expert for `kinds`."""
    for kind in kinds:
        check_kind(kind, system)
    return system.model_copy(update={"experts": {**system.experts, **dict.fromkeys(kinds, names[kinds[0]])}})


def taught(kind: str, origin: str, system: System, names: Mapping[str, str]) -> System:
    """A Change: an expert for a kind, and a router that learnt it and was the router `origin` before."""
    if system.router != origin:
        raise UsageError(f"{system.name}: somebody else gave it another router meanwhile; nothing was done")
    return _served([kind], system, names).model_copy(update={"router": names[f"{ROUTER}-{kind}"]})


def remove(model: str, kind: str, out: Path | None = None) -> Path:
    """Take the expert for a kind out of a system; its folder stays. Raises UnknownNameError."""
    return commit(opened(model, out)[1], out, partial(_without, kind), {})


def _without(kind: str, system: System, _: Mapping[str, str]) -> System:
    """A Change: no expert for a kind."""
    if kind not in system.experts:
        raise UnknownNameError("expert", kind, system.experts)
    left = {
        field: {name: part for name, part in getattr(system, field).items() if name != kind}
        for field in ("experts", "large_experts", "min_confidences")
    }
    return system.model_copy(update=left)


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


def commit(folder: Path, out: Path | None, change: Change, parts: Mapping[str, Path]) -> Path:
    """Put copies of `parts` (proposed name -> folder) beside those that are there, and make a change valid.

    The system is changed as it is by then, while nobody else changes it. Raises what `change` raises, UsageError where
    something was made at `out` meanwhile or the folder is being changed for too long (`manifest.alone`).
    """
    if out is not None:
        return _copy(folder, out, change, parts)
    with manifest.alone(folder):
        made: list[str] = []
        try:
            system, names = _changed(folder, change, parts)
            for proposed, name in names.items():
                shutil.copytree(parts[proposed], folder / name)
                made.append(name)
            manifest.write_system(system, folder)
        except BaseException:
            for name in set(made) - _named(folder):
                shutil.rmtree(folder / name, ignore_errors=True)
            raise
    return folder


def _changed(folder: Path, change: Change, parts: Mapping[str, Path]) -> tuple[System, dict[str, str]]:
    """The system in a folder as it is to be, and the names of its new parts."""
    names = {proposed: _free_name(folder, proposed) for proposed in parts}
    return change(manifest.read_system(str(folder))[0], names), names


def _free_name(folder: Path, stem: str) -> str:
    """A name for a new part that no part has, present or past."""
    names = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
    return next(name for name in names if not (folder / name).exists())


def _copy(folder: Path, out: Path, change: Change, parts: Mapping[str, Path]) -> Path:
    """The same in a folder of its own, which nobody else writes to, until it is whole."""
    system, names = _changed(folder, change, parts)
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as scratch:
        target = Path(scratch) / out.name
        shutil.copytree(folder, target, ignore=shutil.ignore_patterns(manifest.LOCK))
        for proposed, name in names.items():
            shutil.copytree(parts[proposed], target / name)
        manifest.write_system(system, target)
        try:
            return target.rename(out)
        except OSError as error:
            raise UsageError(f"`out={str(out)!r}`: {refusal(error)}") from error


def _named(folder: Path) -> set[str]:
    """The parts that the valid system names: an interrupt may come after it was written."""
    system, _ = manifest.read_system(str(folder))
    return {system.router, *system.experts.values(), *system.large_experts.values()}
