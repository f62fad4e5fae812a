"""Going on where an earlier run ended: what of a job is done already, and what its ledgers are told of the rest.

Whoever runs the tasks, in whatever order and wherever, is put between two generators: `claimed` gives the tasks, and
`recorded` takes their outcomes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from darnet.errors import ImageError, UsageError, named
from darnet.files import remove_unfinished
from darnet.jobs.job import Done, Job
from darnet.jobs.ledger import DONE, FAILED, NAME, RUNNING, WAITING, Entry, Ledger
from darnet.jobs.notes import below, noted, noting
from darnet.jobs.outputs import Task
from darnet.jobs.paths import place, remove
from darnet.jobs.settings import Settings
from darnet.jobs.shard import named_for
from darnet.jobs.spool import Spool
from darnet.jobs.standing import Standing
from darnet.jobs.traces import Trace, is_another, is_at, seen
from darnet.jobs.unseen import Unseen

if TYPE_CHECKING:
    from darnet.systems.spec import RestorerSpec

#: So many tasks are begun at once at most, and so many that they take about as long.
MOST_AT_ONCE, AT_ONCE_SECONDS = 64, 1.0
#: Tasks that a ledger is told of in one transaction before the first is begun.
TOLD_AT_ONCE = 4096


@dataclass
class Resumption:
    """A job with the ledgers of its tasks; `settings`: None where none is kept, and all is done; `unseen`: they note.

    Raises ImageError, where it is not said otherwise, for a ledger that cannot be read or written.
    """

    job: Job
    settings: Settings | None
    unseen: Unseen = field(default_factory=Unseen)
    _ledgers: dict[Path, Ledger] = field(default_factory=dict, repr=False)
    _begun: dict[str, tuple[Task, Ledger | None, Entry | None]] = field(
        default_factory=dict, repr=False
    )  # by name of the input

    @classmethod
    def of(cls, job: Job, spec: RestorerSpec | None, tasks: Sequence[Task], missing: Sequence[Done] = ()) -> Resumption:
        """Of the tasks of a job, what it is missing, and of whom it is done by, where that is known.

        Raises as `Settings.of`, and UsageError for sidecars of what nobody knows how to do again.
        """
        if spec is None and job.sidecar:
            raise UsageError(
                "`sidecar=True`: takes a system's name or a RestorerSpec; one that is built cannot be told"
            )
        told = job.sidecar or any(task.ledger is not None for task in tasks)
        settings = Settings.of(job, spec) if told and spec is not None and not job.dry_run else None
        return cls(job, settings, Unseen.of(missing, tasks, recursive=job.recursive))

    def outstanding(self, tasks: Sequence[Task]) -> tuple[Sequence[Task], Sequence[Done]]:
        """What is left to do; and the outcomes of what is done, or of outputs that somebody else has changed.

        What a process that was killed left unfinished is removed.
        """
        for folder in self._folders(tasks):
            if named_for(self.job.shard, folder / NAME).exists():
                self.open(folder)
        if not self._ledgers:
            return tasks, ()
        left, known = Spool[Task](), Spool[Done]()
        for task in tasks:
            found = self._standing(task)
            if isinstance(found, Done):
                known.append(found)
            else:
                left.append(found)
        if not left:
            self.close()
        return left, known

    def open(self, folder: Path) -> None:
        """Have a ledger, which is made where there is none, for this run alone."""
        if folder in self._ledgers or self.settings is None:
            return
        self._ledgers[folder] = ledger = Ledger(folder, self.settings, self.job.shard)
        self._adopt(ledger)
        self.unseen.tell(ledger)

    def later(self, task: Task) -> Task | None:
        """A task that comes while others are done, as it is to be done; None where it is done already.

        Its ledger is open.
        """
        known = self._standing(task)
        if isinstance(known, Task):
            return known
        return None if known.error is None else replace(task, refused=known.error)

    def is_begun(self, name: str) -> bool:
        """Whether an input of this name was claimed, and its outcome is not yet recorded."""
        return name in self._begun

    def is_taken(self, task: Task) -> bool:
        """Whether an output is that of another picture, which is still there."""
        ledger = None if task.ledger is None else self._ledgers.get(task.ledger)
        entry = None if ledger is None else ledger.entry(_place(task, ledger))
        if entry is None or is_at(entry.source, task.source.path):
            return False
        return os.path.lexists(entry.source.path)

    def claimed(self, tasks: Sequence[Task], later: Iterable[Task | None] = ()) -> Iterator[Task | None]:
        """The tasks, each when it is asked for; by then its ledger, which is made where there is none, knows of it.

        `later`: those that come after them; None among them says that none is there yet.
        """
        for folder in self._folders(tasks):
            self.open(folder)
        for folder, ledger in self._ledgers.items():
            waiting = (self._waiting(task, ledger) for task in tasks if task.ledger == folder)
            entries = (entry for entry in waiting if entry is not None)
            while some := list(islice(entries, TOLD_AT_ONCE)):
                ledger.keep(some, at_once=True)
        coming, number = chain(tasks, later), 1
        while chunk := [None if task is None else self._claim(task) for task in _at_once(coming, number)]:
            started = time.monotonic()
            self._keep(at_once=chunk != [None])
            yield from chunk
            quick = time.monotonic() - started < AT_ONCE_SECONDS
            number = min(2 * number, MOST_AT_ONCE) if quick else max(1, number // 2)

    def recorded(self, outcomes: Iterable[Done]) -> Iterator[Done]:
        """The outcomes, each when its ledger knows of it; after the last the ledgers are closed."""
        try:
            for done in outcomes:
                try:
                    known = self._record(done)
                except ImageError:  # of a ledger: it was done all the same
                    yield done
                    raise
                yield known
        finally:
            self.close()

    def close(self) -> None:
        """Write what is not yet written, and let others at the ledgers."""
        try:
            self._keep(at_once=True)
            for ledger in self._ledgers.values() if not self._begun else ():
                remove_unfinished(ledger.folder, ledger.run)  # notes: it knows as much now
        finally:
            for ledger in self._ledgers.values():
                ledger.close()
            self._ledgers.clear()

    def _adopt(self, ledger: Ledger) -> None:
        """Take up what runs left that were killed: what they wrote and could not tell of; the unfinished goes."""
        interrupted, folder = ledger.interrupted(), ledger.folder
        written = noted(folder, {one.place: one.run or "" for one in interrupted})
        ledger.keep([_with(one, written[one.place]) for one in interrupted if one.place in written], at_once=True)
        for at, run in {(at, one.run or "") for one in interrupted for at in (folder, (folder / one.place).parent)}:
            remove_unfinished(at, run)

    def _folders(self, tasks: Sequence[Task]) -> list[Path]:
        if self.settings is None:
            return []
        return list(dict.fromkeys(task.ledger for task in tasks if task.ledger is not None))

    def _keep(self, *, at_once: bool) -> None:
        for ledger in self._ledgers.values():
            ledger.keep((), at_once=at_once)

    def _standing(self, task: Task) -> Task | Done:
        """The task as it is to be done, or why it is not."""
        ledger = None if task.ledger is None else self._ledgers.get(task.ledger)
        entry = None if ledger is None else ledger.entry(_place(task, ledger))
        if ledger is None or entry is None:
            return task
        standing = Standing.of(entry, ledger.folder, task.written)
        if standing.is_done(ledger.settings.digest, task.source.path):
            return Done(task.source.name, task.name, entry.treatment, already=True)
        if standing.there and not self.job.overwrite and is_another(entry.source, task.source.path):
            reason = f"{named(task.name)}: was made of {named(entry.source.path)}; `overwrite=True` replaces it"
            return Done(task.source.name, error=reason, exit_code=ImageError.exit_code)
        if standing.foreign is None:
            return replace(task, ours=standing.there)
        if self.job.overwrite or not standing.changed:
            return task
        return Done(task.source.name, error=standing.reason, exit_code=ImageError.exit_code)

    def _waiting(self, task: Task, ledger: Ledger) -> Entry | None:
        """What a ledger is told before the first task is begun; None where what it says is to stay."""
        at = _place(task, ledger)
        entry = ledger.entry(at)
        if entry is None:
            return Entry(at, task.source.name, seen(task.source.path), WAITING)
        if entry.status == FAILED and entry.digest != ledger.settings.digest:  # what is known is of another attempt
            return replace(entry, status=WAITING, reason=None, digest=None)
        return replace(entry, status=WAITING) if entry.status == DONE else None

    def _claim(self, task: Task) -> Task:
        ledger = None if task.ledger is None else self._ledgers.get(task.ledger)
        if ledger is None or task.refused:
            self._begun[task.source.name] = task, None, None
            return task
        at = _place(task, ledger)
        before = ledger.entry(at)
        entry = Entry(at, task.source.name, seen(task.source.path), RUNNING, run=ledger.run)
        entry = replace(entry, digest=ledger.settings.digest, files=() if before is None else before.files)
        task = replace(task, mark=ledger.run)
        self._begun[task.source.name] = task, ledger, entry
        ledger.keep([entry])
        return task

    def _record(self, done: Done) -> Done:
        task, ledger, entry = self._begun.pop(done.input)
        if task.sidecar and self.settings is not None and done.error is None:
            from darnet.jobs import sidecar

            try:
                with noting(task):
                    sidecar.write(task, done, self.settings)
            except ImageError as error:  # both, or none of them
                for path in task.written:
                    with suppress(ImageError):
                        remove(path)
                done = replace(done, output=None, error=str(error), exit_code=error.exit_code)
        if ledger is not None and entry is not None:
            self._note(done, task, ledger, entry)
        return done

    def _note(self, done: Done, task: Task, ledger: Ledger, entry: Entry) -> None:
        entry = replace(entry, treatment=done.treatment, ended=time.time())
        if done.error is not None:
            ledger.keep([replace(entry, status=FAILED, reason=done.error)])
            return
        known = entry
        with suppress(OSError, ImageError):  # gone, or another by now: then it is to be done again
            paths = [path for path in task.written if os.path.lexists(path)]
            known = replace(known, files=tuple(Trace.of(path, below(path, ledger.folder)) for path in paths))
            source = Trace.of(task.source.path, entry.source.path)
            if replace(source, sha256="") == entry.source:
                known = replace(known, status=DONE, source=source)
        ledger.keep([known])
        if known.status == DONE:
            _remove_stale(task, ledger, entry)


def _at_once(coming: Iterator[Task | None], number: int) -> Iterator[Task | None]:
    """So many of them, or fewer where none is there yet: up to the first None."""
    for task in islice(coming, number):
        yield task
        if task is None:
            return


def _place(task: Task, ledger: Ledger) -> str:
    return below(task.output, ledger.folder)


def _with(entry: Entry, written: Sequence[Trace]) -> Entry:
    """An entry that knows what was written last."""
    paths = {trace.path for trace in written}
    return replace(entry, files=(*(trace for trace in entry.files if trace.path not in paths), *written))


def _remove_stale(task: Task, ledger: Ledger, entry: Entry) -> None:
    """Remove what an earlier run wrote beside the output and this one did not: it tells of another picture."""
    written = {place(path) for path in task.written}
    for trace in entry.files:
        path = ledger.folder / trace.path
        if place(path) not in written and trace.fits(path):
            remove(path)
