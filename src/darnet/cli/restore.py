"""`darnet restore`: diagnose each picture, repair it, and say in one line what was done."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from darnet.cli import options as o
from darnet.cli.lines import Hue, Line
from darnet.cli.session import ALREADY, Session, as_json, as_user
from darnet.cli.sidecars import Who, repeated, spec_of
from darnet.cli.stopping import Stop
from darnet.cli.strengths import Chroma, Given, Luma, meant, strength_of, told
from darnet.errors import UsageError

if TYPE_CHECKING:
    from darnet.jobs import Done, Engine, Job, Report, Shard, Task
    from darnet.jobs.sheet import Sheet
    from darnet.restore.result import Treatment
    from darnet.systems.spec import RestorerSpec


def restore(  # noqa: PLR0913, PLR0917  one parameter an option
    inputs: o.OptionalInputs = None,
    output: o.Output = None,
    kinds: o.Kinds = None,
    model: o.Model = "darnet",
    strength: Given = None,
    luma: Luma = 1.0,
    chroma: Chroma = 1.0,
    mask: o.Mask = None,
    keep: o.Keep = False,
    sidecar: o.SidecarFile = False,
    from_sidecar: o.FromSidecar = None,
    max_steps: o.MaxSteps = None,
    min_confidence: o.MinConfidence = None,
    tiles: o.Tile = "auto",
    device: o.Device = "auto",
    precision: o.Precision = "auto",
    ext: o.Ext = "auto",
    quality: o.Quality = None,
    bit_depth: o.Depth = "auto",
    metadata: o.Metadata = "keep",
    icc: o.Icc = "keep",
    keep_time: o.KeepTime = False,
    first: o.First = False,
    jobs: o.Jobs = "auto",
    max_pixels: o.MaxPixels = None,
    max_memory: o.MaxMemory = None,
    recursive: o.Recursive = False,
    include: o.Include = None,
    exclude: o.Exclude = None,
    min_size: o.MinSize = 0,
    overwrite: o.Overwrite = False,
    report: o.ReportFile = None,
    shard: o.ShardOf = None,
    engine: o.EngineName = "local",
    ray_address: o.RayAddress = None,
    json: o.AsJson = False,
    dry_run: o.DryRun = False,
    fail_fast: o.FailFast = False,
    verbose: o.Verbose = False,
    quiet: o.Quiet = False,
) -> int:
    """Repair pictures, each by the expert for what is wrong with it. Clean ones are left alone, byte for byte."""
    _refuse_idle(kinds, {"--max-steps": max_steps, "--min-confidence": min_confidence})
    effort, file_quality = o.split_quality(quality)
    session, stop, outcomes = Session(quiet=quiet, verbose=verbose), Stop(), Outcomes()
    with o.no_collection():
        from darnet.images.formats import MAX_PIXELS
        from darnet.jobs import Encoding, Job, check_report, report_for
        from darnet.jobs.outputs import to_stdout

        encoding = Encoding(ext, file_quality, bit_depth, metadata, icc, keep_time)
        (part, report), where = _part(shard, report), Where(engine, ray_address, o.jobs_of(jobs))
        how = (dry_run, fail_fast, max_pixels or MAX_PIXELS, mask, keep, first, part, include or (), exclude or ())
        kept = strength_of(strength, luma, chroma)
        job = Job(tuple(kinds or ()), kept, encoding, recursive, overwrite, *how, min_size, sidecar)
        run = {"device": device, "precision": precision, "tiles": tiles, "quality": effort, "max_memory": max_memory}
        who: Who = {"system": model, "min_confidence": min_confidence, "max_steps": max_steps, **run}
        if from_sidecar is not None:
            inputs, job, who = repeated(session, from_sidecar, inputs, job, who)
        agenda = job.plan(_given(inputs), output)
        telling = Telling(session, job, json, None if report is None else report_for(report, job, output))
        if to_stdout(agenda.tasks):
            telling.leave_stdout_alone()
        if report is not None:
            check_report(report, agenda.tasks)
        session.leave_out(agenda.left_out)
        telling.all(job.ending(agenda.missing))
        if agenda.tasks and not telling.stopped:  # else nothing is loaded, which takes a second
            outcomes = _begun(telling, who, agenda.tasks, stop, where)
    try:
        with stop:
            for done in session.each(outcomes.coming, outcomes.total):
                telling(done, outcomes.names.pop(done.input))
    finally:  # interrupted: what was done so far
        if telling.report is not None and report is not None:
            telling.report.write(report)
    total = agenda.total if agenda.tasks or agenda.elsewhere else 0
    exit_code = session.finish(total, stopped=telling.stopped, elsewhere=agenda.elsewhere)
    return stop.exit_code or exit_code


@dataclass(frozen=True)
class Telling:
    """What is said of each picture, and where."""

    session: Session
    job: Job
    json: bool
    report: Report | Sheet | None = None

    def __call__(self, done: Done, name: str = "") -> None:
        """Say what was done, or why not; `name`: the output's. The report is told it as a user knows parameters."""
        if not done.already:
            self.session.pace.add(done)
        if done.error is not None:
            self.session.fail(done.input, done.error, done.exit_code)
            if self.session.verbose and done.traceback:
                print(done.traceback, end="", file=sys.stderr)
        elif done.already and not self.json:
            self.session.count(ALREADY)
        elif done.treatment is not None and not done.already:
            self._say(done.input, done.treatment, name)
        done = as_user(done)
        if self.json:
            print(as_json(done.to_dict()), flush=True)
        if self.report is not None:
            self.report.add(done)

    def all(self, outcomes: Iterable[Done]) -> None:
        """Say it of several that no picture was restored for."""
        for done in outcomes:
            self(done)

    @property
    def stopped(self) -> bool:
        """Whether a failure has ended the run."""
        return self.job.fail_fast and bool(self.session.exit_codes)

    def leave_stdout_alone(self) -> None:
        """A picture goes there, and nothing else. Raises UsageError where that cannot be."""
        if self.json:
            raise UsageError("--json: stdout holds the picture already; use --report or --output FILE")
        if sys.stdout.isatty() and not self.job.dry_run:
            raise UsageError("stdout is a terminal; redirect it or use --output FILE")
        self.session.lines = sys.stderr

    def _say(self, name: str, treatment: Treatment, output: str) -> None:
        for text in treatment.warnings:
            self.session.warn(name, text)
        self.session.detail(name, _detail(treatment))
        if not self.json:
            self.session.say(self._line(name, treatment, output))
            repaired = "would be repaired" if self.job.dry_run else "repaired"
            kinds = self._kinds(treatment)
            self.session.count(*((repaired, " + ".join(kinds)) if kinds else ("left alone",)))

    def _kinds(self, treatment: Treatment) -> tuple[str, ...]:
        """What was repaired, or would be."""
        if not self.job.dry_run:
            return treatment.experts
        planned = tuple(repair.kind for repair in treatment.plan)
        return tuple(meant(self.job.strength, planned).needed(planned, keep=self.job.keep))

    def _line(self, name: str, treatment: Treatment, output: str) -> Line:
        """`photo.jpg  noise 93 % (σ ≈ 24) -> noise expert  0.8 s -> photo.restored.jpg`."""
        from darnet.restore.result import part

        job, kinds = self.job, self._kinds(treatment)
        verdict = f"as {', '.join(job.kinds)}" if job.kinds else _verdict(treatment)
        done = {step.expert: step.share for step in treatment.steps}
        shares = {repair.kind: repair.share for repair in treatment.plan} if job.dry_run else done
        action = ", ".join(f"{kind} expert{part(shares.get(kind, 1.0))}" for kind in kinds) or "left alone"
        action += told(job.strength, kinds) if kinds else ""
        time = "dry run" if job.dry_run else f"{treatment.seconds:.1f} s"
        hue: Hue = "yellow" if kinds else "green"
        return Line(name, verdict, f"{action}  {time}", output, hue)


def _part(shard: str | None, report: Path | None) -> tuple[Shard | None, Path | None]:
    """Which part of the pictures is meant, and that part's own report. Raises UsageError."""
    from darnet.jobs import Shard

    part = None if shard is None else Shard.parse(shard)
    return part, report if part is None or report is None else part.own(report)


@dataclass(frozen=True)
class Where:
    """Which engine is wanted, and what flags say of it. Raises UsageError for a flag that is another engine's."""

    name: str
    ray_address: str | None
    jobs: int | None

    def __post_init__(self) -> None:
        if self.name == "local" and self.ray_address is not None:
            raise UsageError("--ray-address: goes with --engine ray")
        if self.name == "ray" and self.jobs is not None:
            raise UsageError("--jobs: goes with --engine local; Ray starts a worker for each GPU or CPU of its cluster")

    def engine(self, tasks: Sequence[Task], spec: RestorerSpec) -> Engine:
        """Who does these tasks, or those of them that are left: so that as many processes do the rest, and alike."""
        if self.name == "ray":
            from darnet.jobs.ray import Ray

            return Ray(self.ray_address)
        from darnet.jobs.local import Local, suitable

        return Local(self.jobs or suitable(tasks, spec))


@dataclass(frozen=True)
class Outcomes:
    """What is still to come, of how many pictures; `names`: of the outputs of those at hand, by those of inputs."""

    total: int = 0
    coming: Iterator[Done] = field(default_factory=lambda: iter(()))
    names: dict[str, str] = field(default_factory=dict)


def _begun(telling: Telling, who: Who, tasks: Sequence[Task], stop: Stop, where: Where) -> Outcomes:
    """What no earlier run has done; what is to be said of a mask is said once, and of it."""
    from darnet.jobs.resuming import Resumption

    spec = spec_of(who)
    job, session = telling.job, telling.session
    if telling.report is not None:
        telling.report.spec = spec
    resumption = Resumption.of(job, spec, tasks)
    left, known = resumption.outstanding(tasks)
    telling.all(job.ending(known))
    if not left or telling.stopped:
        return Outcomes()
    settled = spec.settled()
    if telling.report is not None:
        telling.report.settled = settled
    session.detail("memory", _memory(settled))
    names = dict[str, str]()

    def claimed(tasks: Sequence[Task]) -> Iterator[Task]:
        for task in resumption.claimed(tasks):
            names[task.source.name] = task.name
            yield task

    with session.listening(job.mask, Path(job.mask)) if job.mask else nullcontext():
        outcomes = where.engine(tasks, spec)(job, left, spec, claimed, stop.event)
    return Outcomes(len(left), resumption.recorded(outcomes), names)


def _given(inputs: list[str] | None) -> list[str]:
    """Raise UsageError where there is none."""
    if not inputs:
        raise UsageError("INPUT: nothing was given; files, folders, globs, or - for stdin")
    return inputs


def _memory(spec: RestorerSpec) -> str:
    """What --verbose says of a settled spec: how much may be taken, of how much, and what follows."""
    from darnet.images.available import available_bytes
    from darnet.images.budget import said

    tiles = f"tiles of {spec.tiles.size_px} px" if spec.tiles and spec.tiles.size_px else "no tiles"
    return f"at most {said(spec.max_memory or 0)}, {said(available_bytes())} are free: {tiles}"


def _refuse_idle(kinds: list[str] | None, choosing: Mapping[str, float | None]) -> None:
    """Raise UsageError for a flag that chooses among what is found where nobody looks."""
    for flag in [flag for flag, value in choosing.items() if value is not None and kinds]:
        raise UsageError(f"{flag}: chooses among what is found; with --as all that is named is repaired")


def _verdict(treatment: Treatment) -> str:
    """What was found at first, and what is to be repaired although it is less likely there than not."""
    found = treatment.diagnosis
    assert found is not None
    besides = [repair.kind for repair in treatment.plan if repair.kind not in found.present]
    return ", ".join((str(found), *map(found.describe, besides)))


def _detail(treatment: Treatment) -> str:
    """What --verbose adds: every score, and the seconds of every step."""
    scores = treatment.diagnosis.scores if treatment.diagnosis else {}
    parts = [f"{kind} {score:.3f}" for kind, score in sorted(scores.items(), key=lambda item: -item[1])]
    parts += [f"{step.note or step.expert or 'left alone'} {step.seconds:.2f} s" for step in treatment.steps]
    return ", ".join(parts)
