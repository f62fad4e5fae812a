"""Worker: a job and who restores; does a task in stages, each of which may run in a thread of its own."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from darnet.errors import ImageError, explain
from darnet.images import scratch
from darnet.images.arrays import RGB
from darnet.images.budget import observed
from darnet.images.codecs import unfinished_picture
from darnet.images.image import Image
from darnet.jobs.job import Done, Job
from darnet.jobs.ledger import GONE, NAME
from darnet.jobs.notes import noting
from darnet.jobs.outputs import Task
from darnet.jobs.paths import make_folder
from darnet.jobs.shard import named_for
from darnet.notices import ImageWarning, overheard, warn
from darnet.restore.result import Result, Treatment
from darnet.timeline import Span, recorded, span, stages

if TYPE_CHECKING:
    from darnet.restore.restorer import Restorer


@dataclass(eq=False)
class Turn:
    """A task that is being done: what is held of its picture, and what is known so far.

    `said`: warnings. `failed`: reason, exit code and traceback, once anything has gone wrong; `failure`: the
    name of its class.
    """

    task: Task
    image: Image | None = None
    result: Result[Any] | None = None
    treatment: Treatment | None = None
    pixels: int = 0
    timeline: list[Span] = field(default_factory=list)
    said: list[ImageWarning] = field(default_factory=list)
    failed: tuple[str, int, str] | None = None
    failure: str = ""

    @property
    def held(self) -> int:
        """Bytes of samples that are held of the picture."""
        restored = None if self.result is None else self.result.restored
        images = [one for one in (self.image, None if restored is self.image else restored) if one is not None]
        return sum(page.array.nbytes for one in images for page in (one, *one.frames))

    def take(self, do: Callable[[Turn], None]) -> Turn:
        """Do a stage, unless an earlier one failed; whatever goes wrong in it is this picture's failure."""
        if self.failed is not None:
            return self
        path = self.task.source.path
        with recorded() as spans:
            try:
                with overheard() as said:
                    do(self)
                known = set(map(str, self.said))
                self.said += [one for one in said if str(one) not in known]
            except Exception as error:
                self.failed = (*explain(error, path), traceback.format_exc())
                self.failure = type(error).__name__
                self.image = self.result = None
        self.timeline += spans
        return self

    def done(self, output: str | None) -> Done:
        """What became of it."""
        name, path, treatment, timeline = self.task.source.name, self.task.source.path, self.treatment, self.timeline
        if treatment is not None:
            spent = stages(timeline)
            treatment = replace(treatment, seconds=sum(spent.values()), stages=spent)
        if self.failed is not None:
            return Done(name, None, treatment, *self.failed, self.pixels, tuple(timeline), failure=self.failure)
        assert treatment is not None
        said = (one.beside(path) for one in self.said)
        treatment = replace(treatment, warnings=(*treatment.warnings, *said))
        return Done(name, output, treatment, pixels=self.pixels, timeline=tuple(timeline))


@dataclass(frozen=True)
class Worker:
    """A job and who restores: does a task, all of it or stage by stage, each of which may run in a thread of its own.

    Nothing that goes wrong with a picture is raised: it is its outcome. No picture is held when that is given.
    """

    job: Job
    restorer: Restorer
    mask: Image | None = None

    def __call__(self, task: Task) -> Done:
        """Read, repair and write."""
        return self.write(self.repair(self.read(task)))

    def read(self, task: Task) -> Turn:
        """The picture of a task."""
        with observed(self.restorer.budget):
            return Turn(task).take(self._read)

    def repair(self, turn: Turn) -> Turn:
        """The same after the network."""
        return turn.take(self._repair)

    def write(self, turn: Turn) -> Done:
        """What became of it, once the output is there."""
        if not self.job.dry_run:
            with observed(self.restorer.budget), noting(turn.task):
                turn.take(self._write)
        turn.image = turn.result = None
        if turn.pixels > scratch.AT_ONCE // RGB:
            scratch.trim()  # else what was freed stays, in pieces: 100 MB more after 40 photos of 12 MP
        return turn.done(None if self.job.dry_run else turn.task.name)

    @span("open")
    def _read(self, turn: Turn) -> None:
        self._check(turn.task)
        turn.image = turn.task.source.picture(self.job.max_pixels, "first" if self.job.first else "all")
        turn.pixels = sum(page.height * page.width for page in (turn.image, *turn.image.frames))

    def _repair(self, turn: Turn) -> None:
        assert turn.image is not None
        job, strength = self.job, 0.0 if self.job.dry_run else self.job.strength
        how: dict[str, Any] = {"kinds": job.kinds, "strength": strength, "mask": self.mask, "keep": job.keep}
        turn.result = self.restorer(turn.image, **how)
        turn.treatment = turn.result.treatment

    @span("write")
    def _write(self, turn: Turn) -> None:
        """Write the output, and beside it what each step changed; both, or none of them. Raises ImageError.

        Where nothing was kept an earlier run's file goes, once the output is there: it would tell of another picture.
        """
        task, result, encoding = turn.task, turn.result, self.job.encoding
        assert result is not None
        if task.mark and task.ledger is not None and not named_for(self.job.shard, task.ledger / NAME).exists():
            raise ImageError(task.ledger, GONE)  # nobody makes it anew, without a ledger
        if task.residuals is None or result.residuals is None:
            encoding.write(result, task)
            if self.job.overwrite or task.ours:
                from darnet.jobs import archive

                archive.remove_beside(task)
            return
        from darnet.jobs import archive, residuals

        make_folder(task.residuals)
        with unfinished_picture(task.residuals) as temporary:
            header = residuals.describe(result, task.source, encoding, task.residuals.parent, first=self.job.first)
            archive.write(temporary, result.residuals, header)
            encoding.write(result, task)

    def _check(self, task: Task) -> None:
        """Find out before the work whether the output can be written; a rehearsal only says so. Raises ImageError."""
        try:
            task.check(overwrite=self.job.overwrite)
        except ImageError as error:
            if not self.job.dry_run:
                raise
            warn(error.path, error.reason)
