"""Job: what is done with pictures, whoever restores them; and `restore_many`, which does it."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from darnet.errors import ImageError, explain
from darnet.images import scratch
from darnet.images.budget import observed
from darnet.images.codecs import unfinished_picture
from darnet.images.formats import MAX_PIXELS
from darnet.images.image import Image
from darnet.jobs.encoding import AS_IT_CAME, Encoding
from darnet.jobs.inputs import Search
from darnet.jobs.outputs import Destination, Task, check_apart, make_folder, remove
from darnet.jobs.pages import restore_pages
from darnet.notices import overheard, warn
from darnet.registry import kinds_of
from darnet.restore.result import Result, Treatment
from darnet.restore.strength import Strength, StrengthLike

if TYPE_CHECKING:
    from darnet.restore.restorer import Restorer
    from darnet.systems.spec import RestorerSpec

#: In the name of an output that lies beside its input: `photo.restored.jpg`.
TAG = "restored"


@dataclass(frozen=True)
class Done:
    """What became of one input, without pixels: it can be kept, pickled, and written as JSON.

    `output`: the file that was written; None where none was. `treatment`: what was done to the picture, and what is to
    be known about it; None where nothing could be. `error`: why it failed, in one line; None where it did not.
    `exit_code`: that of a program that did nothing else. `traceback`: where it failed, for who mends darnet.
    """

    input: str
    output: str | None = None
    treatment: Treatment | None = None
    error: str | None = None
    exit_code: int = 0
    traceback: str = field(default="", repr=False)

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        result = None if self.treatment is None else self.treatment.to_dict()
        return {"input": self.input, "output": self.output, "result": result, "error": self.error}


@dataclass(frozen=True)
class Agenda:
    """What a job comes down to: a task a picture, and what there is no picture of."""

    tasks: tuple[Task, ...]
    missing: tuple[Done, ...]
    left_out: tuple[tuple[str, str], ...] = ()  # what lies in a folder and is no picture, and why

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
    `first`: of a file of several pictures the first alone; else all of them, as the first is.
    `keep`: what each step changed is written beside the output, for `blend_many`, where anything was repaired; where
    nothing was, an output that is replaced takes such a file of an earlier run with it.
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

    def __post_init__(self) -> None:
        """One kind may be a plain string, and one strength a plain number."""
        object.__setattr__(self, "kinds", tuple(kinds_of(self.kinds)))
        if isinstance(self.strength, Mapping):
            object.__setattr__(self, "strength", Strength.of(self.strength))

    def plan(self, inputs: Sequence[str], output: str | None = None) -> Agenda:
        """What is to become of which picture; nothing is read but names and first bytes.

        `inputs`: files, folders, globs, or "-": stdin. `output`: a file, a folder, "-": stdout, or None: beside the
        input. Folders keep their structure. Raises UsageError for outputs that collide, would be an input, or cannot
        hold what they should.
        """
        found = Search(TAG, self.recursive, output)(inputs)
        tasks = Destination(output, TAG, self.encoding.ext, self.keep).plan(found)
        if self.mask is not None:
            check_apart(tasks, [Path(self.mask)])
        for task in tasks:
            self.encoding.check(task)
        missing = (Done(name, error=reason, exit_code=ImageError.exit_code) for name, reason in found.missing)
        return Agenda(tuple(tasks), tuple(missing), tuple(found.left_out))

    def run(self, tasks: Iterable[Task], restorer: Restorer) -> Iterator[Done]:
        """Do the tasks, one when its outcome is asked for; no picture is held when it is given.

        Raises, before any picture: UsageError or UnknownNameError for kinds or a strength that no picture can be
        restored with, WeightsError for an expert that every picture needs, ImageError for a mask that cannot be read.
        """
        kinds = restorer.check(self.kinds, self.strength)
        for kind in () if self.dry_run else kinds:
            restorer.experts[kind]  # is needed for every picture: what is wrong with it is said once
        mask = None if self.mask is None else Image.read(self.mask, max_pixels=self.max_pixels)  # and so is this
        return self.ending(self._restore(task, restorer, mask) for task in tasks)

    def ending(self, outcomes: Iterable[Done]) -> Iterator[Done]:
        """The outcomes, or with `fail_fast` those up to the first failure; none is asked for that is not given."""
        for done in outcomes:
            yield done
            if self.fail_fast and done.error is not None:
                return

    def _restore(self, task: Task, restorer: Restorer, mask: Image | None) -> Done:
        source, treatment, started = task.source, None, time.perf_counter()
        try:
            with observed(restorer.budget), overheard() as said:
                self._check(task)
                image = source.picture(self.max_pixels, "first" if self.first else "all")
                strength = 0.0 if self.dry_run else self.strength
                how = {"kinds": self.kinds, "strength": strength, "mask": mask, "keep": self.keep}
                result = restore_pages(restorer, image, **how)
                treatment = replace(result.treatment, seconds=time.perf_counter() - started)
                if not self.dry_run:
                    self._write(result, task)
            large = image.array.size > scratch.AT_ONCE
            del image, result
            if large:
                scratch.trim()  # else what was freed stays, in pieces: 100 MB more after 40 photos of 12 MP
        except Exception as error:
            reason, exit_code = explain(error, source.path)
            return Done(source.name, None, treatment, reason, exit_code, traceback.format_exc())
        treatment = replace(treatment, warnings=(*treatment.warnings, *(one.beside(source.path) for one in said)))
        return Done(source.name, None if self.dry_run else task.name, treatment)

    def _write(self, result: Result[Any], task: Task) -> None:
        """Write the output, and beside it what each step changed; both, or none of them. Raises ImageError.

        Where nothing was kept an earlier run's file goes, once the output is there: it would tell of another picture.
        """
        if task.residuals is None or result.residuals is None:
            self.encoding.write(result, task)
            if task.residuals is not None:
                remove(task.residuals)
            return
        from darnet.jobs import archive, residuals  # which bring torch

        make_folder(task.residuals)
        with unfinished_picture(task.residuals) as temporary:
            header = residuals.describe(result, task.source, self.encoding, task.residuals.parent)
            archive.write(temporary, result.residuals, header)
            self.encoding.write(result, task)

    def _check(self, task: Task) -> None:
        """Find out before the work whether the output can be written; a rehearsal only says so. Raises ImageError."""
        try:
            task.check(overwrite=self.overwrite)
        except ImageError as error:
            if not self.dry_run:
                raise
            warn(error.path, error.reason)


def restore_many(
    inputs: str | Path | Iterable[str | Path],
    output: str | Path | None = None,
    restorer: str | Path | RestorerSpec | Restorer = "darnet",
    job: Job = Job(),
) -> Iterator[Done]:
    """Restore files, folders and globs, and give what became of each; a picture is restored when it is asked for.

    `output`: a file, a folder, which keeps the structure of the folders given, or None: `photo.restored.jpg` beside
    `photo.jpg`. `restorer`: a system by its name or folder, how it runs, or one that is built. `job`: what is done.
    A picture that fails is an outcome as any other; where `job` says `fail_fast`, it is the last. Originals are never
    touched, outputs appear at once or not at all, and no picture is held when its outcome is given.
    Raises UsageError, UnknownNameError, WeightsError or, of a mask, ImageError before any picture.

    >>> [done.input for done in restore_many([])]
    []
    """
    given = [inputs] if isinstance(inputs, str | Path) else inputs
    agenda = job.plan([str(one) for one in given], None if output is None else str(output))
    if not agenda.tasks:
        return job.ending(agenda.missing)
    from darnet.systems.spec import RestorerSpec

    if isinstance(restorer, str | Path):
        restorer = RestorerSpec(system=str(restorer))
    if isinstance(restorer, RestorerSpec):
        restorer = restorer.build()
    return job.ending(chain(agenda.missing, job.run(agenda.tasks, restorer)))
