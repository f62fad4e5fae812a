"""Sidecars: JSON beside an output that says what was done to it, and with which settings, to do the same again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from darnet.errors import DarnetError, ImageError, UsageError, fault, refusal
from darnet.images.formats import regular
from darnet.jobs.encoding import Encoding
from darnet.jobs.inputs import Source
from darnet.jobs.job import Done, Job
from darnet.jobs.outputs import Task
from darnet.jobs.paths import write_file
from darnet.jobs.residuals import digest, found_again, origin, relative
from darnet.jobs.settings import Settings
from darnet.restore.strength import Strength
from darnet.version import __version__

if TYPE_CHECKING:
    from darnet.systems.spec import RestorerSpec

#: The longest one that is read.
MOST_BYTES = 2**22


class Sidecar(BaseModel):
    """What a sidecar holds.

    `input`: path of the picture from the sidecar's folder on, or its URL; None where it came from stdin or its name is
    no text. `sha256`: of its bytes. `settings`: as `Settings.document`, but a mask's path is from the folder on.
    `result`: the treatment.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    darnet: str
    format: Literal[1] = 1
    input: str | None
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
    """What a sidecar tells.

    Raises ImageError for a file that is none, UnknownNameError or WeightsError for its system.
    """
    try:
        with regular(path) as file:
            sidecar = Sidecar.model_validate_json(file.read(MOST_BYTES))
    except OSError as error:
        raise ImageError(path, refusal(error)) from None
    except ValidationError as error:
        place, reason = fault(error)
        raise ImageError(path, f"no sidecar, as `sidecar=True` writes them: {place}: {reason}") from None
    job, spec = _meant(path, sidecar)
    now = json.loads(Settings.of(job, spec).document)
    names = {"darnet": "this is another version of darnet", "weights": "its weights are others", "mask": "its mask is"}
    other = tuple(text for name, text in names.items() if sidecar.settings.get(name) != now.get(name))
    picture = None if sidecar.input is None else found_again(sidecar.input, path.parent)
    return Again(job, spec, picture, sidecar.sha256, other)


def _meant(path: Path, sidecar: Sidecar) -> tuple[Job, RestorerSpec]:
    from darnet.systems.spec import RestorerSpec

    try:
        known = dict(sidecar.settings["job"])
        encoding, strength = Encoding(**known.pop("encoding")), known.pop("strength")
        if isinstance(strength, dict):
            strength = Strength(**strength)
        if known.get("mask") is not None:
            known["mask"] = str(path.parent / known["mask"])
        job = Job(encoding=encoding, strength=strength, **known)
        return job, RestorerSpec.model_validate(sidecar.settings["restorer"])
    except (KeyError, TypeError, ValueError, UsageError) as error:
        reason = str(error) if isinstance(error, DarnetError) else f"{type(error).__name__}: {error}"
        raise ImageError(path, f"damaged sidecar: {reason}") from None
