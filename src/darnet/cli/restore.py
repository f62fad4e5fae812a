"""`darnet restore`: diagnose each picture, repair it, and say in one line what was done."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from darnet.cli import options as o
from darnet.cli.lines import Hue, Line
from darnet.cli.session import Session, as_json, as_user
from darnet.cli.strengths import Chroma, Given, Luma, meant, strength_of, told
from darnet.errors import UsageError

if TYPE_CHECKING:
    from darnet.jobs import Done, Job, Ledger, Task
    from darnet.restore.result import Treatment
    from darnet.systems.spec import RestorerSpec


def restore(  # noqa: PLR0913, PLR0917  one parameter an option
    inputs: o.Inputs,
    output: o.Output = None,
    kinds: o.Kinds = None,
    model: o.Model = "darnet",
    strength: Given = None,
    luma: Luma = 1.0,
    chroma: Chroma = 1.0,
    mask: o.Mask = None,
    keep: o.Keep = False,
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
    max_pixels: o.MaxPixels = None,
    max_memory: o.MaxMemory = None,
    recursive: o.Recursive = False,
    overwrite: o.Overwrite = False,
    report: o.ReportFile = None,
    json: o.AsJson = False,
    dry_run: o.DryRun = False,
    fail_fast: o.FailFast = False,
    verbose: o.Verbose = False,
    quiet: o.Quiet = False,
) -> int:
    """Repair pictures, each by the expert for what is wrong with it. Clean ones are left alone, byte for byte."""
    _refuse_idle(kinds, {"--max-steps": max_steps, "--min-confidence": min_confidence})
    effort, file_quality = o.split_quality(quality)
    session = Session(quiet=quiet, verbose=verbose)
    with o.no_collection():
        from darnet.images.formats import MAX_PIXELS
        from darnet.jobs import Encoding, Job, Ledger, check_report

        encoding = Encoding(ext, file_quality, bit_depth, metadata, icc, keep_time)
        how = (dry_run, fail_fast, max_pixels or MAX_PIXELS, mask, keep, first)
        job = Job(tuple(kinds or ()), strength_of(strength, luma, chroma), encoding, recursive, overwrite, *how)
        agenda = job.plan(inputs, output)
        ledger, telling = Ledger(job, output), Telling(session, job, json)
        if any(task.streamed for task in agenda.tasks):
            telling.leave_stdout_alone()
        if report is not None:
            check_report(report, agenda.tasks)
        session.leave_out(agenda.left_out)
        ledger.entries += map(telling, job.ending(agenda.missing))
        outcomes: Iterator[Done] = iter(())
        if agenda.tasks and not telling.stopped:  # else nothing is loaded, which takes a second
            from darnet.systems.spec import RestorerSpec

            ledger.spec = RestorerSpec(
                system=model,
                device=device,
                precision=precision,
                tiles=o.tiles_of(tiles),
                min_confidence=min_confidence,
                max_steps=max_steps,
                quality=effort,
                max_memory=max_memory,
            )
            outcomes = _begun(session, ledger, agenda.tasks)
    try:
        for task, done in session.each(zip(agenda.tasks, outcomes, strict=False), len(agenda.tasks)):
            ledger.entries.append(telling(done, task.name))
    finally:  # interrupted: what was done so far
        if report is not None:
            ledger.write(report)
    return session.finish(agenda.total if agenda.tasks else 0, stopped=telling.stopped)


@dataclass(frozen=True)
class Telling:
    """What is said of each picture, and where."""

    session: Session
    job: Job
    json: bool

    def __call__(self, done: Done, name: str = "") -> Done:
        """Say what was done, or why not; `name`: the output's. Returns the same, as a user knows parameters."""
        if done.error is not None:
            self.session.fail(done.input, done.error, done.exit_code)
            if self.session.verbose and done.traceback:
                print(done.traceback, end="", file=sys.stderr)
        elif done.treatment is not None:
            self._say(done.input, done.treatment, name)
        done = as_user(done)
        if self.json:
            print(as_json(done.to_dict()), flush=True)
        return done

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
        job, kinds = self.job, self._kinds(treatment)
        verdict = f"as {', '.join(job.kinds)}" if job.kinds else str(treatment.diagnosis)
        done = {step.expert: step.share for step in treatment.steps}
        shares = {repair.kind: repair.share for repair in treatment.plan} if job.dry_run else done
        action = ", ".join(f"{kind} expert{_where(shares.get(kind, 1.0))}" for kind in kinds) or "left alone"
        action += told(job.strength, kinds) if kinds else ""
        time = "dry run" if job.dry_run else f"{treatment.seconds:.1f} s"
        hue: Hue = "yellow" if kinds else "green"
        return Line(name, verdict, f"{action}  {time}", output, hue)


def _begun(session: Session, ledger: Ledger, tasks: Sequence[Task]) -> Iterator[Done]:
    """The outcomes of tasks, by whom the ledger says; what is to be said of a mask is said once, and of it."""
    assert ledger.spec is not None
    job, ledger.settled = ledger.job, ledger.spec.settled()
    session.detail("memory", _memory(ledger.settled))
    restorer = ledger.settled.build()
    with session.listening(job.mask, Path(job.mask)) if job.mask else nullcontext():
        return job.run(tasks, restorer)


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


def _where(share: float) -> str:
    """Of a step that repaired a part of a picture alone, how much of it."""
    return "" if share == 1 else f" in {100 * share:.0f} %"


def _detail(treatment: Treatment) -> str:
    """What --verbose adds: every score, and the seconds of every step."""
    scores = treatment.diagnosis.scores if treatment.diagnosis else {}
    parts = [f"{kind} {score:.3f}" for kind, score in sorted(scores.items(), key=lambda item: -item[1])]
    parts += [f"{step.note or step.expert or 'left alone'} {step.seconds:.2f} s" for step in treatment.steps]
    return ", ".join(parts)
