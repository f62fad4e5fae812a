"""A run of `darnet restore`: who does it, what of it is left, and what comes of that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from darnet.cli import options as o
from darnet.cli.sidecars import Who, spec_of
from darnet.cli.stopping import Stop
from darnet.errors import UsageError

if TYPE_CHECKING:
    from darnet.cli.restore import Telling
    from darnet.cli.session import Session
    from darnet.jobs import Agenda, Done, Engine, Job, Task
    from darnet.jobs.engine import Claim
    from darnet.jobs.watching import Watch
    from darnet.systems.spec import RestorerSpec


@dataclass(frozen=True)
class Where:
    """Which engine is wanted, and what flags say of it. Raises UsageError for a flag that is another engine's."""

    name: str
    ray_address: str | None
    jobs: int | None
    watch: bool = False
    profiled: bool = False

    def __post_init__(self) -> None:
        if self.name == "local" and self.ray_address is not None:
            raise UsageError("--ray-address: goes with --engine ray")
        if self.name == "ray" and self.watch:
            raise UsageError("--watch: goes with --engine local")
        if self.name == "ray" and self.profiled:
            raise UsageError("--profile: goes with --engine local; machines have no clock in common")
        if self.name == "ray" and self.jobs is not None:
            raise UsageError("--jobs: goes with --engine local; Ray starts a worker for each GPU or CPU of its cluster")

    def engine(self, tasks: Sequence[Task], spec: RestorerSpec) -> Engine:
        """Who does these tasks, or those of them that are left: so that as many processes do the rest, and alike."""
        if self.name == "ray":
            from darnet.jobs.ray import Ray

            return Ray(self.ray_address)
        from darnet.jobs.local import Local, suitable

        return Local(self.jobs or suitable(tasks, spec), self.watch)


@dataclass(frozen=True)
class Outcomes:
    """What is still to come, of how many pictures; `names`: of the outputs of those at hand, by those of inputs."""

    total: int = 0
    coming: Iterator[Done] = field(default_factory=lambda: iter(()))
    names: dict[str, str] = field(default_factory=dict)


def watch_of(session: Session, job: Job, interval: float | None) -> Watch:
    """Who looks what arrives, and says what is left out of it."""
    from darnet.jobs.watching import Watch

    return Watch(job, interval or Watch.interval_seconds, session.leave_out)


@o.no_collection()
def begun(telling: Telling, who: Who, agenda: Agenda, stop: Stop, where: Where, watch: Watch | None = None) -> Outcomes:
    """What no earlier run has done, and what arrives; what is to be said of a mask is said once, and of it."""
    from darnet.jobs.resuming import Resumption
    from darnet.jobs.settings import Settings

    spec, tasks = spec_of(who), agenda.tasks
    job, session = telling.job, telling.session
    if telling.report is not None:
        telling.report.spec = spec
    resumption = Resumption.of(job, spec, tasks, agenda.missing)
    if watch:  # a ledger is kept even where there is no picture yet
        resumption.settings = resumption.settings or Settings.of(job, spec)
    left, known = resumption.outstanding(tasks)
    telling.all(job.ending(known))
    if telling.stopped or not (left or watch):
        return Outcomes()
    claim: Claim = resumption.claimed
    if watch is not None:
        resumption.open(watch.ledger)
        claim = partial(resumption.claimed, later=watch.later(resumption))
        session.note(f"{watch.folder}: is watched; Ctrl-C ends it")
    settled = spec.settled()
    if telling.report is not None:
        telling.report.settled = settled
    session.detail("memory", _memory(settled))
    names = dict[str, str]()
    with session.listening(job.mask, Path(job.mask)) if job.mask else nullcontext():
        engine = where.engine(tasks, spec)
        outcomes = resumption.recorded(engine(job, left, spec, partial(_noted, names, claim), stop.event))
    if watch is not None:  # whose number nobody knows
        return Outcomes(coming=watch.checked(outcomes), names=names)
    return Outcomes(len(left), outcomes, names)


def _noted(names: dict[str, str], claim: Claim, tasks: Sequence[Task]) -> Iterator[Task | None]:
    """The tasks as they are claimed; the names of their outputs are noted."""
    for task in claim(tasks):
        if task is not None:
            names[task.source.name] = task.name
        yield task


def _memory(spec: RestorerSpec) -> str:
    """What --verbose says of a settled spec: how much may be taken, of how much, and what follows."""
    from darnet.images.available import available_bytes
    from darnet.images.budget import said

    tiles = f"tiles of {spec.tiles.size_px} px" if spec.tiles and spec.tiles.size_px else "no tiles"
    return f"at most {said(spec.max_memory or 0)}, {said(available_bytes())} are free: {tiles}"
