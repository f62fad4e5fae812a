"""`darnet restore`: diagnose each picture, repair it, and say in one line what was done."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from darnet.cli import options as o
from darnet.cli.flags import spoken
from darnet.cli.inputs import STDIN, Search
from darnet.cli.lines import Hue, Line
from darnet.cli.outputs import Destination, Job, make_folder
from darnet.cli.report import Entry, Report
from darnet.cli.session import Session, as_json
from darnet.errors import ImageError, UsageError

if TYPE_CHECKING:
    from darnet.restore.diagnosis import Result
    from darnet.restore.restorer import Restorer

TAG = "restored"


@dataclass(frozen=True)
class Encoding:
    """How the output is written; all at their defaults: as the input was."""

    ext: o.Extension = "auto"
    quality: int | None = None
    bit_depth: o.BitDepth = "auto"
    metadata: o.MetadataChoice = "keep"
    icc: o.ProfileChoice = "keep"

    @property
    def options(self) -> dict[str, Any]:
        """As `Image.write` takes them."""
        return {name: value for name, value in asdict(self).items() if name != "ext"}

    def check(self, job: Job) -> None:
        """Raise UsageError for what no file could be, or for a depth that the output's format cannot hold."""
        from darnet.images.image import FORMATS, SUFFIXES, check_options

        check_options(**self.options)
        format = SUFFIXES.get(job.output.suffix.lower())
        if self.bit_depth == "16" and format is not None and FORMATS[format].bits == 8:
            raise UsageError(f"--bit-depth 16: {job.name} would be a {format.upper()} file, which holds 8 bits")

    def write(self, result: Result[Any], job: Job) -> list[str]:
        """Write the result; returns what was lost. What was left alone stays the very same file."""
        from darnet.images.image import SUFFIXES, write_bytes

        make_folder(job.output)
        same_format = result.source.format == SUFFIXES.get(job.output.suffix.lower())
        if not result.changed and same_format and self == Encoding():
            write_bytes(job.output, job.source.path.read_bytes())
            return []
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            result.save(job.output, **self.options)
        return [str(warning.message) for warning in caught]


@dataclass(frozen=True)
class Restoring:
    """All of one `darnet restore`, but its inputs."""

    system: o.System
    encoding: Encoding
    output: str | None = None
    kinds: tuple[str, ...] = ()
    strength: float = 1.0
    recursive: bool = False
    overwrite: bool = False
    json: bool = False
    dry_run: bool = False

    def __call__(self, inputs: Sequence[str], session: Session, report_path: Path | None) -> int:
        """Restore everything; returns the exit code."""
        with TemporaryDirectory(prefix="darnet-") as scratch:
            found = Search(Path(scratch), TAG, self.recursive, self.output)(inputs)
            jobs = Destination(self.output, TAG, self.encoding.ext, Path(scratch)).plan(found)
            report = Report(report_path, self.system.model, self._settings())
            report.check(jobs)
            for job in jobs:
                self.encoding.check(job)
            if any(job.name == STDIN for job in jobs):
                self._leave_stdout_alone(session)
            for name, reason in found.missing:
                session.fail(name, reason)
                self._record(Entry(name, None, None, reason), report)
            restorer = self._load() if jobs else None
            try:
                for job in session.each(jobs):
                    assert restorer is not None
                    self._restore(restorer, job, session, report)
            finally:  # interrupted: what was done so far
                report.write()
        return session.finish(found.total if found.sources else 0)

    def _load(self) -> Restorer:
        restorer = self.system.load()
        restorer.check(self.kinds, self.strength)
        if not self.dry_run:
            for kind in self.kinds:
                restorer.experts.get(kind)  # is needed for every picture: what is wrong with it is said once
            return restorer
        # A rehearsal: the same decisions, and experts that do nothing.
        return replace(restorer, experts={kind: lambda pixels: pixels for kind in restorer.experts}, max_steps=1)

    def _leave_stdout_alone(self, session: Session) -> None:
        """A picture goes there, and nothing else."""
        if self.json:
            raise UsageError("--json: stdout holds the picture already; use --report or --output FILE")
        if sys.stdout.isatty() and not self.dry_run:
            raise UsageError("stdout is a terminal; redirect it or use --output FILE")
        session.lines = sys.stderr

    def _restore(self, restorer: Restorer, job: Job, session: Session, report: Report) -> None:
        source, result, lost = job.source, None, list[str]()
        with session.attempt(source.name, source.path) as attempt:
            if job.name != STDIN:
                self._check(job, session)
            result = restorer(source.path, kinds=self.kinds, strength=self.strength)
            if not self.dry_run:
                lost = self.encoding.write(result, job)
        failed = attempt.error is not None
        output = None if failed or self.dry_run else job.name
        said = None if result is None else {**result.to_dict(), "warnings": list(map(spoken, result.warnings))}
        self._record(Entry(source.name, output, said, attempt.error), report)
        if result is None or failed:
            return
        for text in (*result.warnings, *lost):
            session.warn(source.name, text)
        session.detail(source.name, _detail(result))
        if output == STDIN:
            sys.stdout.buffer.write(job.output.read_bytes())
            sys.stdout.buffer.flush()
        if not self.json:
            session.say(self._line(job, result))
            repaired = "would be repaired" if self.dry_run else "repaired"
            session.count(*((repaired, " + ".join(result.experts)) if result.experts else ("left alone",)))

    def _check(self, job: Job, session: Session) -> None:
        """Find out before the work whether the output can be written; a rehearsal only says so. Raises ImageError."""
        try:
            job.check(overwrite=self.overwrite)
        except ImageError as error:
            if not self.dry_run:
                raise
            session.warn(job.source.name, str(error))

    def _record(self, entry: Entry, report: Report) -> None:
        report.entries.append(entry)
        if self.json:
            print(as_json(entry.to_dict()), flush=True)

    def _line(self, job: Job, result: Result[Any]) -> Line:
        """`photo.jpg  noise 93 % (σ ≈ 24) -> noise expert  0.8 s -> photo.restored.jpg`."""
        verdict = f"as {', '.join(self.kinds)}" if self.kinds else str(result.diagnosis)
        action = ", ".join(f"{kind} expert" for kind in result.experts) or "left alone"
        if result.experts and self.strength != 1:
            action += f" at strength {self.strength:g}"
        time = "dry run" if self.dry_run else f"{result.seconds:.1f} s"
        hue: Hue = "yellow" if result.experts else "green"
        return Line(job.source.name, verdict, f"{action}  {time}", job.name, hue)

    def _settings(self) -> dict[str, Any]:
        """Every setting that pictures depend on, by the name of its option."""
        system = asdict(self.system)
        del system["model"]
        own = {"as": list(self.kinds), "strength": self.strength, "overwrite": self.overwrite, "dry_run": self.dry_run}
        return {"output": self.output, **own, **system, **asdict(self.encoding)}


def restore(  # noqa: PLR0913, PLR0917  one parameter an option
    inputs: o.Inputs,
    output: o.Output = None,
    kinds: o.Kinds = None,
    model: o.Model = "darnet",
    strength: o.Strength = 1.0,
    max_steps: o.MaxSteps = 1,
    min_confidence: o.MinConfidence = None,
    tiles: o.Tile = "auto",
    device: o.Device = "auto",
    precision: o.Precision = "auto",
    ext: o.Ext = "auto",
    quality: o.Quality = None,
    bit_depth: o.Depth = "auto",
    metadata: o.Metadata = "keep",
    icc: o.Icc = "keep",
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
    effort, file_quality = o.split_quality(quality)
    system = o.System(model, device, precision, tiles, min_confidence, max_steps, effort)
    encoding = Encoding(ext, file_quality, bit_depth, metadata, icc)
    work = Restoring(system, encoding, output, tuple(kinds or ()), strength, recursive, overwrite, json, dry_run)
    return work(inputs, Session(quiet=quiet, verbose=verbose, fail_fast=fail_fast), report)


def _detail(result: Result[Any]) -> str:
    """What --verbose adds: every score, and the seconds of every step."""
    scores = result.diagnosis.scores if result.diagnosis else {}
    parts = [f"{kind} {score:.3f}" for kind, score in sorted(scores.items(), key=lambda item: -item[1])]
    parts += [f"{step.expert or 'left alone'} {step.seconds:.2f} s" for step in result.steps]
    return ", ".join(parts)
