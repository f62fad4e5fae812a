"""Where results go: never onto an input, never two into one file, never over a file without leave."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from darnet.cli.inputs import STDIN, Found, Source
from darnet.errors import ImageError, UsageError, refusal

SNIFFED_BYTES = 64


@dataclass(frozen=True)
class Job:
    """A picture and the file it becomes; `name` is what messages call that file."""

    source: Source
    output: Path
    name: str

    @property
    def place(self) -> Path:
        """Where the output lies, whichever way leads there."""
        return Path(os.path.realpath(self.output.parent)) / self.output.name

    def check(self, *, overwrite: bool) -> None:
        """Find out before the work whether the output can be written. Raises ImageError."""
        check_free(self.output, overwrite=overwrite)


@dataclass(frozen=True)
class Destination:
    """What the user said about outputs. `tag` goes into the name of an output that lies beside its input."""

    output: str | None
    tag: str
    ext: str = "auto"
    scratch: Path = Path()  # where a picture lies that is bound for stdout

    def plan(self, found: Found) -> list[Job]:
        """One job a picture. Raises UsageError, before any work, for outputs that collide or would be an input."""
        if self.output == STDIN or (self.output is None and any(source.streamed for source in found.sources)):
            return [self._to_stdout(source) for source in self._only(found)]
        if self.output is not None and self._names_file(found):
            path = Path(self.output)
            self._check_suffix(path)
            jobs = [Job(source, path, self.output) for source in self._only(found)]
        else:
            jobs = self._named(found.sources)
        _refuse_inputs(jobs)
        return jobs

    def _named(self, sources: Sequence[Source]) -> list[Job]:
        """Names made from the inputs' names; where two would meet, all of them keep their own suffix as well."""
        jobs = [self._job(source, source.relative.stem) for source in sources]
        counts = Counter(job.place for job in jobs)
        jobs = [self._job(job.source, job.source.relative.name) if counts[job.place] > 1 else job for job in jobs]
        taken: dict[Path, Job] = {}
        for job in jobs:
            other = taken.setdefault(job.place, job)
            if other is not job:
                raise UsageError(f"{other.source.name} and {job.source.name} would both become {job.name}")
        return jobs

    def _job(self, source: Source, stem: str) -> Job:
        suffix = self._suffix(source)
        beside = source.path.with_name(f"{stem}.{self.tag}{suffix}")
        path = beside
        if self.output is not None:
            path = (Path(self.output) / source.relative).with_name(stem + suffix)
            if os.path.realpath(path.parent) == os.path.realpath(source.path.parent):
                path = path.with_name(beside.name)
        return Job(source, path, str(path))

    def _to_stdout(self, source: Source) -> Job:
        return Job(source, self.scratch / f"stdout{self._suffix(source)}", STDIN)

    def _suffix(self, source: Source) -> str:
        """The suffix asked for, else the input's own where it tells the truth, else that of its content."""
        from darnet.images.image import SUFFIXES

        if self.ext != "auto":
            return f".{self.ext}"
        own, format = source.path.suffix, sniff(source.path)
        if format is None or SUFFIXES.get(own.lower()) == format:
            return own or ".png"
        return ".jpg" if format == "jpeg" else f".{format}"

    def _names_file(self, found: Found) -> bool:
        """Whether --output is a file rather than a folder. Raises UsageError where it can be neither."""
        from darnet.images.image import SUFFIXES

        assert self.output is not None
        path, several = Path(self.output), found.from_folder or found.total > 1
        if path.is_dir() or self.output.endswith(("/", os.sep)):
            if any(source.streamed for source in found.sources):
                raise UsageError(f"--output {self.output}: stdin has no name; give a file or -")
            return False
        if several and (path.suffix.lower() in SUFFIXES or path.is_file()):
            raise UsageError(f"--output {self.output}: a file holds one picture, and several inputs were given")
        return not several and (bool(path.suffix) or path.is_file())

    def _check_suffix(self, path: Path) -> None:
        from darnet.images.image import SUFFIXES

        format = SUFFIXES.get(path.suffix.lower())
        if format is None:
            raise UsageError(f"--output {path}: unknown suffix {path.suffix!r} (known: {' '.join(SUFFIXES)})")
        if self.ext != "auto" and SUFFIXES[f".{self.ext}"] != format:
            raise UsageError(f"--output {path} and --ext {self.ext} disagree")

    def _only(self, found: Found) -> list[Source]:
        if found.from_folder or found.total > 1:
            raise UsageError(f"--output {self.output}: stdout holds one picture, and several inputs were given")
        return found.sources


def sniff(path: Path) -> str | None:
    """A file's format by its first bytes; None where it cannot be told."""
    from darnet.images.image import FORMATS

    head = b""
    with suppress(OSError), path.open("rb") as file:
        head = file.read(SNIFFED_BYTES)
    return next((name for name, known in FORMATS.items() if re.match(known.signature, head, re.DOTALL)), None)


def check_free(path: Path, *, overwrite: bool) -> None:
    """Raise ImageError if `path` may not be written, or clearly cannot."""
    if os.path.lexists(path) and not overwrite:
        raise ImageError(path, "exists already; --overwrite replaces it")
    check_writable(path)


def check_writable(path: Path) -> None:
    """Raise ImageError if `path`, whose folders may not exist yet, clearly cannot be written."""
    if path.is_dir():
        raise ImageError(path, "is a directory")
    folder = path.absolute().parent
    while not os.path.lexists(folder):
        folder = folder.parent
    if not folder.is_dir():
        raise ImageError(path, "not a directory")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ImageError(path, "permission denied")


def make_folder(path: Path) -> None:
    """Make the folder that a file is to lie in. Raises ImageError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageError(path, refusal(error)) from None


def is_same_file(path: Path, others: Sequence[Path]) -> bool:
    """Whether a path leads to one of the others: by name, symlink or hard link."""
    return bool(_identities([path]) & _identities(others))


def _identities(paths: Sequence[Path]) -> set[tuple[int, int]]:
    known = set()
    for path in paths:
        with suppress(OSError):
            status = path.stat()
            known.add((status.st_dev, status.st_ino))
    return known


def _refuse_inputs(jobs: Sequence[Job]) -> None:
    inputs = _identities([job.source.path for job in jobs])
    for job in jobs:
        if _identities([job.output]) & inputs:
            raise UsageError(f"{job.name}: the output would be an input; originals are never touched")
