"""restore_many: files, folders and globs restored in one call, from Python."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from darnet.jobs.job import Done, Job

if TYPE_CHECKING:
    from darnet.restore.restorer import Restorer
    from darnet.systems.spec import RestorerSpec


USUAL = Job()


def restore_many(
    inputs: str | Path | Iterable[str | Path],
    output: str | Path | None = None,
    restorer: str | Path | RestorerSpec | Restorer = "darnet",
    job: Job = USUAL,
) -> Iterator[Done]:
    """Restore files, folders and globs, and give what became of each; a picture is restored when it is asked for.

    `output`: a file, a folder, which keeps the structure of the folders given, or None: `photo.restored.jpg` beside
    `photo.jpg`. `restorer`: a system by its name or folder, how it runs, or one that is built. `job`: what is done.
    A picture that fails is an outcome as any other; where `job` says `fail_fast`, it is the last. Originals are never
    touched, outputs appear at once or not at all, and no picture is held when its outcome is given.
    Of a folder a ledger is kept, unless the restorer is one that is built, of which nobody knows what it is: what an
    earlier run has done, of the same pictures with the same settings, is an outcome (`Done.already`) and no work.
    Raises UsageError, UnknownNameError, WeightsError or, of a mask or ledger, ImageError before any picture.

    >>> [done.input for done in restore_many([])]
    []
    """
    given = [inputs] if isinstance(inputs, str | Path) else inputs
    agenda = job.plan([str(one) for one in given], None if output is None else str(output))
    if not agenda.tasks:
        return job.ending(agenda.missing)
    from darnet.jobs.resuming import Resumption
    from darnet.systems.spec import RestorerSpec

    if isinstance(restorer, str | Path):
        restorer = RestorerSpec(system=str(restorer))
    spec = restorer if isinstance(restorer, RestorerSpec) else None
    resumption = Resumption.of(job, spec, agenda.tasks, agenda.missing)
    left, known = resumption.outstanding(agenda.tasks)
    outcomes: Iterator[Done] = iter(())
    if left:
        built = restorer.build() if isinstance(restorer, RestorerSpec) else restorer
        outcomes = resumption.recorded(job.run(filter(None, resumption.claimed(left)), built))
    return job.ending(chain(agenda.missing, known, outcomes))
