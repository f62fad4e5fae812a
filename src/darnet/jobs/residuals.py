"""What a file of residuals says of itself: which picture was restored, what was repaired, and how fine it is kept.

Shapes: K steps.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from darnet.images.arrays import full_scale
from darnet.images.regions import AT_ONCE, Region
from darnet.jobs.encoding import Encoding
from darnet.jobs.inputs import Source, source_of
from darnet.jobs.remote import is_remote
from darnet.restore.result import Result
from darnet.restore.subject import Subject
from darnet.version import __version__

#: A level is so many quanta for each step, and one more. Errors of K steps, whose strengths may all differ, add up to
#: less than half a level so. And the number is even and one: where a level ends a quantum ends, too, so that where all
#: is kept, and no mask weighs it, nothing is rounded to another level but what lies midway between two.
FINENESS = 4
#: The same at 8 bits where an ICC profile lies between, whose curve may be far steeper in black.
FINENESS_OF_CURVES = 32
#: Floats are taken as fine as 16 bits.
LEVEL_OF_16 = 1 / full_scale(np.uint16)

Count = Annotated[int, Field(ge=1)]
Origin = Annotated[str, Field(pattern=r"^[^\x00]+$")]
Share = Annotated[float, Field(ge=0, le=1)]


class KeptStep(BaseModel):
    """A step: the kind that was repaired, how certain it was, its severity in the kind's unit, and the share repaired.

    Confidence and severity are those that were told (`Treatment.repairs`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    confidence: Share = 1.0
    severity: float | None = None
    share: Share = 1.0


class Header(BaseModel):
    """What a file of residuals says of itself.

    `original`: path of the picture that was restored, from the file's folder, or its URL; None where it came from stdin
    or its name is no text. `sha256`: of that picture's bytes. `height`, `width`: its size; `region`: top, left, height
    and width of what was judged and repaired (`Subject`). `hidden`, `masked`: whether some of it was not seen, and
    whether a mask weighed it. `rows`: of a strip. `encoding`: how the output was written. `first`: whether of several
    pages the first alone was restored.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    darnet: str = __version__
    original: Origin | None
    sha256: str
    height: Count
    width: Count
    region: tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)], Count, Count]
    hidden: bool
    masked: bool
    grey: bool
    rows: Count
    quantum: Annotated[float, Field(gt=0, lt=1)]
    steps: Annotated[tuple[KeptStep, ...], Field(min_length=1)]
    encoding: Encoding
    first: bool = False

    @property
    def kinds(self) -> tuple[str, ...]:
        """What was repaired, in order."""
        return tuple(step.kind for step in self.steps)

    def strips(self) -> Iterator[Region]:
        """Of the subject, in its own pixels, from the top."""
        _, _, height, width = self.region
        for top in range(0, height, self.rows):
            yield Region(top, 0, min(self.rows, height - top), width)


def digest(source: Source) -> str:
    """The SHA-256 of a picture's bytes, in hexadecimal. Raises ImageError."""
    found = sha256()
    for part in source.parts():
        found.update(part)
    return found.hexdigest()


def describe(result: Result[Any], source: Source, encoding: Encoding, folder: Path, *, first: bool = False) -> Header:
    """The header of what was kept of a result, for a file in `folder`; `first`: of the source's first page alone."""
    assert result.residuals is not None
    subject = result.residuals.subject
    repairs = result.treatment.repairs
    return Header(
        original=origin(source, folder),
        sha256=digest(source),
        height=subject.image.height,
        width=subject.image.width,
        region=(subject.region.top, subject.region.left, subject.region.height, subject.region.width),
        hidden=subject.seen is not None,
        masked=subject.weights is not None,
        grey=subject.grey,
        rows=max(1, AT_ONCE // subject.region.width),
        quantum=_quantum(subject, len(repairs)),
        steps=tuple(KeptStep(**repair.to_dict()) for repair in repairs),
        encoding=encoding,
        first=first,
    )


def origin(source: Source, folder: Path) -> str | None:
    """Where a picture is found again: its URL, or its path from a folder on.

    None for what came from stdin, or has a name that is no text.
    """
    if source.remote:
        return source.name
    return None if source.streamed else relative(source.path, folder)


def found_again(origin: str, folder: Path) -> Source:
    """The opposite."""
    return source_of(origin if is_remote(origin) else str(folder / origin))


def relative(path: Path, folder: Path) -> str | None:
    """A path from a folder on; whole where no way leads there, as between drives. None for a name that is no text."""
    try:
        way = os.path.relpath(os.path.realpath(path.parent), os.path.realpath(folder))
    except ValueError:
        way = os.path.realpath(path.parent)
    found = (Path(way) / path.name).as_posix()
    return found if found.encode(errors="replace").decode() == found else None


def _quantum(subject: Subject, steps: int) -> float:
    """What integers count."""
    deep = subject.image.array.dtype != np.uint8
    level = LEVEL_OF_16 if deep else 1 / full_scale(np.uint8)
    fine = FINENESS if deep or subject.samples.seen is None else FINENESS_OF_CURVES
    return level / (fine * steps + 1)
