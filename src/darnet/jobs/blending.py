"""Many pictures, blended anew from what their repairs changed: no network is loaded, and nobody looks at them."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from darnet.errors import ImageError, UsageError, explain, named
from darnet.images import scratch
from darnet.images.formats import SUFFIXES
from darnet.images.image import Image
from darnet.jobs.archive import opened, remove_beside
from darnet.jobs.inputs import STREAM, Source, source_of
from darnet.jobs.job import Done
from darnet.jobs.outputs import RESIDUALS, Task, check_apart, check_suffix, names_file
from darnet.jobs.paths import is_same_file
from darnet.jobs.residuals import Header, digest, found_again
from darnet.notices import overheard
from darnet.restore.result import Repair, Result, Step
from darnet.restore.strength import Strength, StrengthLike
from darnet.timeline import recorded, span, stages


@dataclass(frozen=True)
class Blending:
    """A file of residuals, what it says of itself, and what it becomes; `task.source` is the picture it belongs to."""

    file: Path
    header: Header
    task: Task

    def run(self, strength: Strength, *, overwrite: bool) -> Done:
        """Do it; whatever goes wrong is the outcome."""
        try:
            with overheard() as said, recorded() as spans:
                self.task.check(overwrite=overwrite)
                self.header.encoding.check(self.task)
                result = self._blended(strength)
                with span("write"):
                    self.header.encoding.write(result, self.task)
                if overwrite and not is_same_file(self.task.beside, [self.file]):
                    remove_beside(self.task)
            spent = stages(spans)
            treatment = replace(result.treatment, seconds=sum(spent.values()), stages=spent)
            large = result.source.array.size > scratch.AT_ONCE
            del result
            if large:
                scratch.trim()
        except Exception as error:
            reason, exit_code = explain(error, self.file)
            return Done(str(self.file), error=reason, exit_code=exit_code, traceback=traceback.format_exc())
        warnings = tuple(one.beside(self.file) for one in said)
        return Done(str(self.file), self.task.name, replace(treatment, warnings=warnings))

    def _blended(self, strength: Strength) -> Result[Image]:
        source = self.task.source
        if not (source.remote or os.path.lexists(source.path)):
            raise ImageError(self.file, f"{named(source.path)}, which was restored, is not there; `original` names it")
        with span("open"):
            if digest(source) != self.header.sha256:
                reason = f"{named(source.path)} is not the picture that was restored: its bytes differ"
                raise ImageError(self.file, reason)
            image = source.picture(pages="first" if self.header.first else "one")
        with span("repair"), opened(self.file) as archive:
            restored = archive.residuals(image).blend(strength)
        return Result(restored, self._steps(), 0.0, image, restored)

    def _steps(self) -> tuple[Step, ...]:
        """What was done when the picture was restored."""
        plan = tuple(Repair(step.kind, step.confidence, step.severity, step.share) for step in self.header.steps)
        return tuple(Step(None, step.kind, 0.0, plan[k:], step.share) for k, step in enumerate(self.header.steps))


def blend_many(
    files: str | Path | Iterable[str | Path],
    output: str | Path | None = None,
    strength: StrengthLike = 1.0,
    *,
    original: str | Path | None = None,
    overwrite: bool = False,
) -> Iterator[Done]:
    """Blend pictures anew from files that `Job.keep` wrote, and give what became of each, when it is asked for.

    Each becomes what restoring it at that `strength` would have written, to one level. `output`: a file, a folder, or
    None: that which the file lies beside, `photo.restored.jpg` of `photo.restored.jpg.residuals`. `original`: the
    picture that was restored, where it lies no more where it did. A file that fails is an outcome as any other.
    Raises UsageError, before any picture, for a strength out of range, a kind that none of the files is of, or outputs
    that collide, would be an input, or cannot hold what they should.

    >>> [done.input for done in blend_many([])]
    []
    """
    given = [files] if isinstance(files, str | Path) else files
    paths = list(dict.fromkeys(map(Path, given)))
    chosen, failed, blendings = Strength.of(strength), list[Done](), list[Blending]()
    if original is not None and len(paths) > 1:
        raise UsageError(f"`original={str(original)!r}`: is one picture, and several files were given")
    file, folder = _destination(output, several=len(paths) > 1)
    for path in paths:
        try:
            with opened(path) as archive:
                header = archive.header
            blendings.append(Blending(path, header, _task(path, _source(path, header, original), file, folder)))
        except ImageError as error:
            reason, exit_code = explain(error, path)
            failed.append(Done(str(path), error=reason, exit_code=exit_code))
    check_apart([one.task for one in blendings], [*paths, *(one.task.source.path for one in blendings)])
    if blendings:
        chosen = chosen.among({kind for one in blendings for kind in one.header.kinds}, "repair")
    return chain(failed, (one.run(chosen, overwrite=overwrite) for one in blendings))


def _source(path: Path, header: Header, original: str | Path | None) -> Source:
    """The picture that was restored. Raises ImageError where it came from stdin and nobody says which it is."""
    if original is None and header.original is None:
        raise ImageError(path, "says of no file that it was restored; `original` names it")
    return source_of(str(original)) if original is not None else found_again(header.original or "", path.parent)


def _destination(output: str | Path | None, *, several: bool) -> tuple[Path | None, Path | None]:
    """The file, or else the folder, that is meant; neither: each beside its file.

    Raises UsageError for what `several` pictures, or any, cannot become.
    """
    if output is None:
        return None, None
    if str(output) == STREAM:
        raise UsageError("`output='-'`: pictures are blended into files")
    if not names_file(str(output), several=several):
        return None, Path(output)
    check_suffix(Path(output))
    return Path(output), None


def _task(path: Path, source: Source, file: Path | None, folder: Path | None) -> Task:
    """Where a file's picture goes. Raises ImageError where that is for its name to say, and it does not."""
    own = path.with_suffix("") if path.suffix == RESIDUALS else path
    if file is None and own.suffix.lower() not in SUFFIXES:
        raise ImageError(path, f"its name is none of a picture with {RESIDUALS} behind it; `output` gives a file")
    place = file or (own if folder is None else folder / own.name)
    return Task(source, place, str(place))
