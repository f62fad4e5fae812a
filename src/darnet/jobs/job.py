"""Job: what is done with pictures, whoever restores them, and what became of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from darnet.errors import ImageError
from darnet.images.formats import MAX_PIXELS
from darnet.images.image import Image
from darnet.jobs.choosing import Choice
from darnet.jobs.encoding import AS_IT_CAME, Encoding
from darnet.jobs.inputs import Search
from darnet.jobs.outputs import Destination, Task, check_apart
from darnet.jobs.shard import Shard
from darnet.jobs.spool import Spool
from darnet.registry import kinds_of
from darnet.restore.result import Treatment
from darnet.restore.strength import Strength, StrengthLike
from darnet.timeline import Span

if TYPE_CHECKING:
    from darnet.jobs.worker import Worker
    from darnet.restore.restorer import Restorer

#: In the name of an output that lies beside its input: `photo.restored.jpg`.
TAG = "restored"


@dataclass(frozen=True)
class Done:
    """What became of one input, without pixels: it can be kept, pickled, and written as JSON.

    `output`: the file that was written; None where none was. `treatment`: what was done to the picture, and what is to
    be known about it; None where nothing could be. `already`: by an earlier run, as a ledger says.
    `error`: why it failed, in one line; None where it did not.
    `exit_code`: that of a program that did nothing else. `traceback`: where it failed, for who mends darnet; `failure`:
    the name of the error's class.
    `pixels`: of the picture, all of its pages. `timeline`: what took which time of this run, whatever came of it.
    """

    input: str
    output: str | None = None
    treatment: Treatment | None = None
    error: str | None = None
    exit_code: int = 0
    traceback: str = field(default="", repr=False)
    pixels: int = field(default=0, repr=False, compare=False)
    timeline: tuple[Span, ...] = field(default=(), repr=False, compare=False)
    already: bool = False
    failure: str = field(default="", repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        result = None if self.treatment is None else self.treatment.to_dict()
        known = {"input": self.input, "output": self.output, "already": self.already}
        return known | {"result": result, "error": self.error}


@dataclass(frozen=True)
class Agenda:
    """What a job comes down to: a task a picture, and what there is no picture of."""

    tasks: Sequence[Task]
    missing: tuple[Done, ...]
    left_out: Sequence[tuple[str, str]] = ()  # what lies in a folder and is no picture, and why
    elsewhere: int = 0  # pictures that belong to other shards

    @property
    def total(self) -> int:
        """Everything that has to be dealt with."""
        return len(self.tasks) + len(self.missing)


@dataclass(frozen=True)
class Job:
    """What is done with pictures: all but the pictures, and who restores them.

    `kinds`, `strength`: as `Restorer` takes them. `encoding`: what kind of file is written. `recursive`: subfolders as
    well. `overwrite`: replace outputs that exist; no input is ever replaced. `dry_run`: diagnose, say what would be
    done, and write nothing. `fail_fast`: a failure, which is an outcome (`Done.error`) as any other, is the last one.
    `max_pixels`: larger pictures are refused before they are decoded. `mask`: the file of one for every picture.
    `sidecar`: what was done, and with which settings, is written beside the output (`jobs.sidecar`).
    `include`, `exclude`, `min_size`: what of a searched folder is restored, as `Choice` takes them.
    `first`: of a file of several pictures the first alone; else all of them, as the first is.
    `keep`: what each step changed is written beside the output, for `blend_many`, where anything was repaired. Else an
    output that is replaced takes such a file of an earlier run with it.
    `shard`: which part of the pictures is meant; None is all of them.
    Raises UsageError for an encoding that makes no sense.

    >>> Job(kinds="noise", strength=0.5) == Job(("noise",), 0.5)
    True
    """

    kinds: Sequence[str] = ()
    strength: StrengthLike = 1.0
    encoding: Encoding = AS_IT_CAME
    recursive: bool = False
    overwrite: bool = False
    dry_run: bool = False
    fail_fast: bool = False
    max_pixels: int = MAX_PIXELS
    mask: str | None = None
    keep: bool = False
    first: bool = False
    shard: Shard | None = None
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    min_size: int = 0
    sidecar: bool = False

    def __post_init__(self) -> None:
        """One kind may be a plain string, and one strength a plain number."""
        object.__setattr__(self, "kinds", tuple(kinds_of(self.kinds)))
        for name in ("include", "exclude"):
            given = getattr(self, name)
            object.__setattr__(self, name, (given,) if isinstance(given, str) else tuple(given))
        self.choice  # noqa: B018  what makes no sense is said now
        if isinstance(self.strength, Mapping):
            object.__setattr__(self, "strength", Strength.of(self.strength))

    @property
    def choice(self) -> Choice:
        """What of a searched folder is restored."""
        return Choice(self.include, self.exclude, self.min_size)

    def verdict(self, treatment: Treatment) -> str:
        """What was found in a picture, and what is repaired although it is not likely there; or what was said."""
        if treatment.diagnosis is None:
            return f"as {', '.join(self.kinds)}"
        return treatment.diagnosis.listed(repair.kind for repair in treatment.plan)

    def plan(self, inputs: Sequence[str], output: str | None = None) -> Agenda:
        """What is to become of which picture; nothing is read but names and headers.

        `inputs`: files, folders, globs, or "-": stdin. `output`: a file, a folder, "-": stdout, or None: beside the
        input. Folders keep their structure. Raises UsageError for outputs that collide, would be an input, or cannot
        hold what they should.
        """
        found = self.search(output)(inputs)
        tasks = self.destination(output).plan(found)
        if self.mask is not None:
            check_apart(tasks, [Path(self.mask)])
        for task in tasks:
            self.encoding.check(task)
        missing = (Done(name, error=reason, exit_code=ImageError.exit_code) for name, reason in found.missing)
        part = self.shard
        mine = tasks if part is None else Spool(task for task in tasks if task.source.relative in part)
        return Agenda(mine, tuple(missing), found.left_out, len(tasks) - len(mine))

    def search(self, output: str | None = None) -> Search:
        """How it understands inputs."""
        return Search(TAG, self.recursive, output, self.choice)

    def destination(self, output: str | None = None) -> Destination:
        """Where its outputs go."""
        return Destination(output, TAG, self.encoding.ext, self.keep, self.sidecar)

    def run(self, tasks: Iterable[Task], restorer: Restorer) -> Iterator[Done]:
        """Do the tasks, one when its outcome is asked for; no picture is held when it is given.

        Raises, before any picture: UsageError or UnknownNameError for kinds or a strength that no picture can be
        restored with, WeightsError for an expert that every picture needs, ImageError for a mask that cannot be read.
        """
        return self.ending(map(self.worker(restorer), tasks))

    def worker(self, restorer: Restorer) -> Worker:
        """Who does one task after the other, in this process. Raises as `run` does."""
        kinds = restorer.check(self.kinds, self.strength)
        for kind in () if self.dry_run else kinds:
            restorer.experts[kind]  # is needed for every picture: what is wrong with it is said once
        mask = None if self.mask is None else Image.read(self.mask, max_pixels=self.max_pixels)  # and so is this
        from darnet.jobs.worker import Worker  # which knows jobs

        return Worker(self, restorer, mask)

    def ending(self, outcomes: Iterable[Done]) -> Iterator[Done]:
        """The outcomes, or with `fail_fast` those up to the first failure; none is asked for that is not given."""
        for done in outcomes:
            yield done
            if self.fail_fast and done.error is not None:
                return
