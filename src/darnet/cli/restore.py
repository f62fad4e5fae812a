"""`darnet restore`: diagnose each picture, repair it, and say in one line what was done."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from darnet.cli import options as o
from darnet.cli.lines import Hue, Line
from darnet.cli.outcomes import Outcomes, Where, begun, watch_of
from darnet.cli.session import ALREADY, Session, as_json, as_user
from darnet.cli.sidecars import Who, repeated
from darnet.cli.stopping import Stop
from darnet.cli.strengths import Chroma, Given, Luma, meant, told
from darnet.errors import UsageError
from darnet.timeline import described

if TYPE_CHECKING:
    from darnet.jobs import Done, Job, Profile, Report, Shard, Task
    from darnet.jobs.sheet import Sheet
    from darnet.restore.result import Treatment


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
    backend: o.Backend = "auto",
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
    watch: o.Watched = False,
    interval: o.Interval = None,
    overwrite: o.Overwrite = False,
    report: o.ReportFile = None,
    profile: o.ProfileFile = None,
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
    _refuse_watched(interval, from_sidecar, watch=watch)
    effort, file_quality = o.split_quality(quality)
    session, stop, outcomes = Session(quiet=quiet, verbose=verbose), Stop(), Outcomes()
    with o.no_collection():
        from darnet.images.formats import MAX_PIXELS
        from darnet.jobs import Encoding, Job, Profile, report_for
        from darnet.jobs.outputs import to_stdout
        from darnet.restore.strength import strength_of

        encoding = Encoding(ext, file_quality, bit_depth, metadata, icc, keep_time)
        where = Where(engine, ray_address, o.jobs_of(jobs), watch, profile is not None)
        part, report, profile = _part(shard, report, profile)
        how = (dry_run, fail_fast, max_pixels or MAX_PIXELS, mask, keep, first, part, include or (), exclude or ())
        kept = strength_of(strength, luma, chroma)
        job = Job(tuple(kinds or ()), kept, encoding, recursive, overwrite, *how, min_size, sidecar)
        run = {"device": device, "precision": precision, "backend": backend, "tiles": tiles, "max_memory": max_memory}
        who: Who = {"system": model, "min_confidence": min_confidence, "max_steps": max_steps, "quality": effort, **run}
        if from_sidecar is not None:
            inputs, job, who = repeated(session, from_sidecar, inputs, job, who)
        watched = watch_of(session, job, interval) if watch else None
        agenda = (watched or job).plan(_given(inputs), o.lasting(output))
        papers = None if report is None else report_for(report, job, output), None if profile is None else Profile()
        telling = Telling(session, job, json, *papers)
        if to_stdout(agenda.tasks):
            telling.leave_stdout_alone()
        telling.check(report, profile, agenda.tasks)
        session.leave_out(agenda.left_out)
        telling.all(job.ending(agenda.missing))
    try:
        with stop:
            if (agenda.tasks or watched) and not telling.stopped:  # else nothing is loaded, which takes a second
                outcomes = begun(telling, who, agenda, stop, where, watched)
            for done in session.each(outcomes.coming, outcomes.total):
                telling(done, outcomes.names.pop(done.input, "") or done.output or "")
    finally:  # interrupted, or no ledger can be told: what was done so far
        telling.write(report, profile)
        total = max(agenda.total, session.told if watch else 0) if agenda.tasks or agenda.elsewhere or watch else 0
        exit_code = session.finish(total, stopped=telling.stopped, elsewhere=agenda.elsewhere)
    return stop.exit_code or exit_code


@dataclass(frozen=True)
class Telling:
    """What is said of each picture, and where."""

    session: Session
    job: Job
    json: bool
    report: Report | Sheet | None = None
    profile: Profile | None = None

    def __call__(self, done: Done, name: str = "") -> None:
        """Say what was done, or why not; `name`: the output's. The report is told it as a user knows parameters."""
        self.session.told += 1
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
        if self.profile is not None:
            self.profile.add(done)
        done = as_user(done)
        if self.json:
            print(as_json(done.to_dict()), flush=True)
        if self.report is not None:
            self.report.add(done)

    def all(self, outcomes: Iterable[Done]) -> None:
        """Say it of several that no picture was restored for."""
        for done in outcomes:
            self(done)

    def check(self, report: Path | None, profile: Path | None, tasks: Iterable[Task]) -> None:
        """Find out before the work what could not be written. Raises UsageError and ImageError."""
        from darnet.jobs import check_profile, check_report

        if report is not None:
            check_report(report, tasks)
        if profile is not None:
            check_profile(profile, tasks, report)

    def write(self, report: Path | None, profile: Path | None) -> None:
        """Write what is told in files, where they are wanted; one that cannot be written keeps none from being so."""
        with ExitStack() as ending:
            if self.profile is not None and profile is not None:
                if self.profile.empty:  # which is no reason to replace the trace of an earlier run
                    self.session.note(f"{profile}: nothing is written, since no picture was worked on")
                else:
                    ending.callback(self.profile.write, profile)
            if self.report is not None and report is not None:
                ending.callback(self.report.write, report)

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
        verdict = job.verdict(treatment)
        done = {step.expert: step.share for step in treatment.steps}
        shares = {repair.kind: repair.share for repair in treatment.plan} if job.dry_run else done
        action = (
            ", ".join(f"{kind} expert{part(shares.get(kind, 1.0), about=job.dry_run)}" for kind in kinds)
            or "left alone"
        )
        action += told(job.strength, kinds) if kinds else ""
        time = "dry run" if job.dry_run else f"{treatment.seconds:.1f} s"
        hue: Hue = "yellow" if kinds else "green"
        return Line(name, verdict, f"{action}  {time}", output, hue)


def _part(
    shard: str | None, report: Path | None, profile: Path | None
) -> tuple[Shard | None, Path | None, Path | None]:
    """Which part of the pictures is meant, and that part's own report and profile. Raises UsageError."""
    from darnet.jobs import Shard

    if shard is None:
        return None, report, profile
    part = Shard.parse(shard)
    return part, report and part.own(report), profile and part.own(profile)


def _given(inputs: list[str] | None) -> list[str]:
    """Raise UsageError where there is none."""
    if not inputs:
        raise UsageError("INPUT: nothing was given; files, folders, globs, or - for stdin")
    return inputs


def _refuse_idle(kinds: list[str] | None, choosing: Mapping[str, float | None]) -> None:
    """Raise UsageError for a flag that chooses among what is found where nobody looks."""
    for flag in [flag for flag, value in choosing.items() if value is not None and kinds]:
        raise UsageError(f"{flag}: chooses among what is found; with --as all that is named is repaired")


def _refuse_watched(interval: float | None, from_sidecar: Path | None, *, watch: bool) -> None:
    """Raise UsageError for flags that do not go with --watch, or without it."""
    if interval is not None and not watch:
        raise UsageError("--interval: goes with --watch")
    if from_sidecar is not None and watch:
        raise UsageError("--from-sidecar: does again what was done; what arrives for --watch is new")


def _detail(treatment: Treatment) -> str:
    """What --verbose adds: every score, and the seconds of every step and stage."""
    scores = treatment.diagnosis.scores if treatment.diagnosis else {}
    parts = [f"{kind} {score:.3f}" for kind, score in sorted(scores.items(), key=lambda item: -item[1])]
    parts += [f"{step.note or step.expert or 'left alone'} {step.seconds:.2f} s" for step in treatment.steps]
    return "; ".join((", ".join(parts), described(treatment.stages)))
