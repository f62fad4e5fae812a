"""Sidecars: JSON beside an output that says what was done to it, and with which settings, to do the same again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from darnet.errors import DarnetError, ImageError, UsageError, fault, refusal
from darnet.images.formats import regular
from darnet.jobs.inputs import Source
from darnet.jobs.job import Done, Job
from darnet.jobs.outputs import Task
from darnet.jobs.paths import write_file
from darnet.jobs.residuals import Origin, digest, found_again, origin, relative
from darnet.jobs.settings import Settings, chosen
from darnet.version import __version__

if TYPE_CHECKING:
    from darnet.systems.spec import RestorerSpec

T = TypeVar("T")
#: The longest one that is read.
MOST_BYTES = 2**22
#: Settings that sidecars of this version of darnet may lack: they are older, and mean what is usual.
LATER = frozenset({"backend"})


class Sidecar(BaseModel):
    """What a sidecar holds.

    `input`: path of the picture from the sidecar's folder on, or its URL; None where it came from stdin or its name is
    no text. `sha256`: of its bytes. `settings`: as `Settings.document`, but a mask's path is from the folder on.
    `result`: the treatment.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    darnet: str
    format: Literal[1] = 1
    input: Origin | None
    sha256: str
    settings: dict[str, Any]
    result: dict[str, Any] | None


@dataclass(frozen=True)
class Again:
    """How to do again what a sidecar tells of: the `job`, whom it was done by, and the `picture`, where it is known.

    `other`: what is not as it was then, so that the same bytes cannot be promised.
    """

    job: Job
    spec: RestorerSpec
    picture: Source | None
    sha256: str
    other: tuple[str, ...]


def write(task: Task, done: Done, settings: Settings) -> None:
    """Write the sidecar of a picture that was restored. Raises ImageError."""
    path = task.sidecar_file
    assert path is not None
    known = json.loads(settings.document)
    if known["job"]["mask"] is not None:
        known["job"]["mask"] = relative(Path(known["job"]["mask"]), path.parent)
    sidecar = Sidecar(
        darnet=__version__,
        input=origin(task.source, path.parent),
        sha256=digest(task.source),
        settings=known,
        result=None if done.treatment is None else done.treatment.to_dict(),
    )
    write_file(path, (sidecar.model_dump_json(indent=2) + "\n").encode())


def read(path: Path) -> Again:
    """What a sidecar tells. Raises ImageError for a file that is none, and for settings that cannot be had any more."""
    try:
        with regular(path) as file:
            sidecar = Sidecar.model_validate_json(file.read(MOST_BYTES))
    except OSError as error:
        raise ImageError(path, refusal(error)) from None
    except ValidationError as error:
        known = ": ".join(filter(None, ("no sidecar, as `sidecar=True` writes them", *fault(error))))
        raise ImageError(path, known) from None
    try:
        job, spec = _meant(sidecar)
    except ValueError as error:
        raise ImageError(path, f"damaged sidecar: settings.{error}") from None
    if job.mask is not None:
        job = replace(job, mask=str(path.parent / job.mask))
    try:
        now = json.loads(Settings.of(job, spec).document)
    except (DarnetError, ValueError) as error:  # of a name that can be no file's
        raise ImageError(path, f"its settings cannot be had any more: {error}") from None
    names = {"darnet": "this is another version of darnet", "weights": "its weights are others", "mask": "its mask is"}
    other = tuple(text for name, text in names.items() if sidecar.settings.get(name) != now.get(name))
    picture = None if sidecar.input is None else found_again(sidecar.input, path.parent)
    return Again(job, spec, picture, sidecar.sha256, other)


def _meant(sidecar: Sidecar) -> tuple[Job, RestorerSpec]:
    """Raises ValueError, which says where, for what no sidecar would hold."""
    from darnet.systems.spec import RestorerSpec

    given = sidecar.settings
    job = _validated("job", given, TypeAdapter(Job).validate_python)
    spec = _validated("restorer", given, RestorerSpec.model_validate)
    for part, again in (("job", chosen(job)), ("restorer", spec.model_dump(mode="json"))):
        written, same = given[part], json.loads(json.dumps(again))
        wanted = set(same) - LATER if sidecar.darnet == __version__ else set()
        for name in sorted(set(written) | wanted):
            if name not in written:
                raise ValueError(f"{part}.{name}: is missing")
            if name not in same or written[name] != same[name]:
                raise ValueError(f"{part}.{name}: is nothing that darnet writes")
    return job, spec


def _validated(part: str, settings: dict[str, Any], validate: Callable[[Any], T]) -> T:
    try:
        return validate(settings.get(part))
    except ValidationError as error:
        place, reason = fault(error)
        raise ValueError(f"{part}{place and '.'}{place}: {reason}") from None
    except UsageError as error:
        raise ValueError(f"{part}: {error}") from None
