"""`darnet restore --from-sidecar`: what an earlier run did, done again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from darnet.cli import options as o
from darnet.cli.session import Session
from darnet.errors import ImageError, UsageError

if TYPE_CHECKING:
    from darnet.jobs import Job
    from darnet.systems.spec import RestorerSpec

#: Fields of `RestorerSpec` that say where it is done, and nothing of what.
WHERE = ("device", "max_memory")
#: What flags say of who restores, by the fields of `RestorerSpec`; or that itself.
Who: TypeAlias = "dict[str, Any] | RestorerSpec"


def spec_of(who: Who) -> RestorerSpec:
    """Who restores. Raises UsageError."""
    from darnet.systems.spec import RestorerSpec

    return RestorerSpec(**who | {"tiles": o.tiles_of(who["tiles"])}) if isinstance(who, dict) else who


def repeated(
    session: Session, file: Path, inputs: list[str] | None, job: Job, who: Who
) -> tuple[list[str], Job, RestorerSpec]:
    """What a sidecar says, of its picture where no other is given; `job`, `who`: what else the command line says.

    That is which pictures are meant, and where it is done: a device or a limit of memory that is given goes first.
    Warns where the same bytes cannot be promised. Raises UsageError for flags that say what the sidecar does,
    ImageError where its picture is not what it was.
    """
    from darnet.jobs import Job, sidecar
    from darnet.jobs.residuals import digest
    from darnet.jobs.settings import CHOOSING, chosen

    asked, usual = spec_of(who), spec_of({"tiles": "auto"})
    where = {name: getattr(asked, name) for name in WHERE if getattr(asked, name) != getattr(usual, name)}
    if chosen(replace(job, sidecar=False)) != chosen(Job()) or asked != usual.model_copy(update=where):
        raise UsageError("--from-sidecar: says itself how its picture was restored; leave out the flags that say so")
    again = sidecar.read(file)
    if not inputs:
        if again.picture is None:
            raise ImageError(file, "its picture came from stdin, or its name is no text; give one")
        if digest(again.picture) != again.sha256:
            raise ImageError(again.picture.name, f"is not the picture that {file} tells of: its bytes differ")
        inputs = [again.picture.name]
    for text in again.other:
        session.warn(str(file), f"{text}, and so may be the bytes of the output")
    given = {name: getattr(job, name) for name in (*CHOOSING, "sidecar")}
    return inputs, replace(again.job, **given), again.spec.model_copy(update=where)
