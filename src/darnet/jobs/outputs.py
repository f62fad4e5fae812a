"""Where results go: never onto an input, never two into one file, never over a file without leave."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from darnet.errors import DarnetError, ImageError, UsageError, named
from darnet.images.formats import SUFFIXES, recognise
from darnet.images.image import write_parts
from darnet.images.raw import is_raw
from darnet.jobs import remote
from darnet.jobs.inputs import STREAM, Found, Source
from darnet.jobs.paths import Places, check_free, identities, make_folder, place
from darnet.jobs.remote import as_path, is_remote
from darnet.jobs.spool import Numbers, Spool

#: What is added to the name of an output for the file beside it of what each step changed: a picture has one for each
#: of its outputs, `photo.restored.jpg` and `photo.restored.png`, and no suffix of a picture.
RESIDUALS = ".residuals"
#: The same for what was done to it.
SIDECAR = ".json"


@dataclass(frozen=True)
class Task:
    """A picture and the file it becomes; `name` is what messages call that file, STREAM where it is stdout.

    `keep`: what each step changed becomes a file beside it; `sidecar`: so does what was done. `ledger`: the folder
    whose ledger tells of it, if any; `ours`: who has looked there knows that files which it replaces are of an earlier
    run; `mark`: what names of its unfinished files begin with. `refused`: why it cannot be done, where that is known.
    """

    source: Source
    output: Path
    name: str
    keep: bool = False
    ledger: Path | None = None
    ours: bool = False
    mark: str = ""
    sidecar: bool = False
    refused: str = ""

    @property
    def place(self) -> Path:
        """Where the output lies, whichever way leads there."""
        return place(self.output)

    @property
    def beside(self) -> Path:
        """Where the file of what each step changed lies, if there is one."""
        return self.output.with_name(self.output.name + RESIDUALS)

    @property
    def residuals(self) -> Path | None:
        """The same, where that is to be kept."""
        return self.beside if self.keep else None

    @property
    def sidecar_file(self) -> Path | None:
        """The file of what was done, where that is to be written."""
        return self.output.with_name(self.output.name + SIDECAR) if self.sidecar else None

    @property
    def written(self) -> list[Path]:
        """All files that it may write."""
        paths = (None if self.streamed else self.output, self.residuals, self.sidecar_file)
        return [path for path in paths if path is not None]

    @property
    def format(self) -> str | None:
        """Of the output, a key of `FORMATS`; None where its suffix is none of a picture."""
        return SUFFIXES.get(self.output.suffix.lower())

    @property
    def streamed(self) -> bool:
        """Whether it goes to stdout."""
        return self.name == STREAM

    @property
    def remote(self) -> bool:
        """Whether it goes to a URL."""
        return is_remote(self.name)

    def check(self, *, overwrite: bool) -> None:
        """Find out before the work whether the output can be written. Raises ImageError, DarnetError if `refused`."""
        if self.refused:
            raise DarnetError(self.refused)
        if self.remote:
            remote.check_free(self.name, overwrite=overwrite)
            return
        for path in self.written:
            check_free(path, overwrite=overwrite or self.ours)

    def write(self, parts: Iterable[bytes]) -> None:
        """Write the output's bytes, a file at once or not at all. Raises ImageError."""
        if self.streamed:
            sys.stdout.buffer.writelines(parts)
            sys.stdout.buffer.flush()
        elif self.remote:
            remote.write(self.name, parts)
        else:
            make_folder(self.output)
            write_parts(self.output, parts)


@dataclass(frozen=True)
class Destination:
    """Where outputs are to go. `tag` goes into the name of an output that lies beside its input.

    `keep`: each has a file beside it, of what each step changed; `sidecar`: and one of what was done.
    """

    output: str | None
    tag: str
    ext: str = "auto"
    keep: bool = False
    sidecar: bool = False
    _places: Places = field(default_factory=Places, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raise UsageError for an output that is no place."""
        object.__setattr__(self, "output", self.output and as_path(self.output))

    def plan(self, found: Found) -> Sequence[Task]:
        """One task a picture. Raises, before any work, UsageError for outputs that collide or would be an input.

        And as `remote.check_reachable` for a URL.
        """
        if is_remote(self.output):
            remote.check_reachable(str(self.output))
        if self.output == STREAM or (self.output is None and found.streamed):
            self._refuse_beside("stdout; give a file")
            return [self._to_stdout(source) for source in self._only(found)]
        if self.output is not None and self._names_file(found):
            path = Path(self.output)
            self._check_suffix(path)
            only = self._only(found)
            tasks = Spool(Task(source, path, self.output, self.keep, sidecar=self.sidecar) for source in only)
        else:
            tasks = self._named(found.sources)
        check_apart(tasks, (source.path for source in found.sources))
        return tasks

    def later(self, source: Source, is_taken: Callable[[Task], bool]) -> Task:
        """The task of one more picture of a folder; where its output is another's, it keeps its own suffix as well."""
        task = self._task(source, source.relative.stem)
        if is_taken(task):
            task = self._task(source, source.relative.name)
        if is_taken(task):
            return replace(task, refused=f"{named(task.name)}: another picture's; it stays as it is")
        return task

    def _named(self, sources: Iterable[Source]) -> Spool[Task]:
        """Names made from the inputs' names; where two would meet, all of them keep their own suffix as well."""
        tasks, known, met = Spool[Task](), Numbers(), Numbers()
        for number, source in enumerate(sources):
            task = self._task(source, source.relative.stem)
            at = self._places.of(task.output)
            if known.first(at, number) != number:
                met.first(at, number)
            tasks.append(task)
        if not len(met):
            return tasks
        meets = (met.get(self._places.of(task.output)) is not None for task in tasks)
        return Spool(
            self._task(task.source, task.source.relative.name) if meeting else task
            for task, meeting in zip(tasks, meets, strict=True)
        )

    def _task(self, source: Source, stem: str) -> Task:
        suffix = self._suffix(source)
        if is_remote(self.output or source.name):
            return self._remote(source, stem, suffix)
        beside = source.path.with_name(f"{stem}.{self.tag}{suffix}")
        path, ledger = beside, source.folder
        if self.output is not None:
            ledger = Path(self.output)
            path = (Path(self.output) / source.relative).with_name(stem + suffix)
            if self._places.folder(path.parent) == self._places.folder(source.path.parent):
                path = path.with_name(beside.name)
        return Task(source, path, str(path), self.keep, ledger, sidecar=self.sidecar)

    def _remote(self, source: Source, stem: str, suffix: str) -> Task:
        """To a URL: in the output folder, or beside the input. Raises UsageError where files beside it are wanted."""
        self._refuse_beside("no file of this machine")
        below = source.relative.with_name(stem + suffix).as_posix()
        url = remote.place(self.output, source.name, below, f"{stem}.{self.tag}{suffix}")
        return Task(source, Path(url), url)

    def _refuse_beside(self, what: str) -> None:
        """Raise UsageError where files beside the output are wanted, and that is no place for them."""
        for name in [name for name in ("keep", "sidecar") if getattr(self, name)]:
            raise UsageError(f"`{name}=True`: lies beside the output, which is {what}")

    def _to_stdout(self, source: Source) -> Task:
        return Task(source, Path(f"stdout{self._suffix(source)}"), STREAM)

    def _suffix(self, source: Source) -> str:
        """The suffix asked for, else the input's own where it tells the truth, else that of its content."""
        if self.ext != "auto":
            return f".{self.ext}"
        own, format = source.path.suffix, sniff(source)
        if format is None or SUFFIXES.get(own.lower()) == format:
            return own or ".png"
        return ".jpg" if format == "jpeg" else f".{format}"

    def _names_file(self, found: Found) -> bool:
        """Whether `output` is a file rather than a folder. Raises UsageError where it can be neither."""
        assert self.output is not None
        if is_folder(self.output) and found.streamed:
            raise UsageError(f"`output={self.output!r}`: stdin has no name; give a file or -")
        return names_file(self.output, several=found.from_folder or found.total > 1)

    def _check_suffix(self, path: Path) -> None:
        format = check_suffix(path)
        if self.ext != "auto" and SUFFIXES[f".{self.ext}"] != format:
            raise UsageError(f"`output={str(path)!r}` and `ext={self.ext!r}` disagree")

    def _only(self, found: Found) -> Sequence[Source]:
        if found.from_folder or found.total > 1:
            raise UsageError(f"`output={self.output!r}`: stdout holds one picture, and several inputs were given")
        return found.sources


def is_folder(output: str) -> bool:
    """Whether an output is a folder, or says that it is one."""
    return Path(output).is_dir() or output.endswith(("/", os.sep))


def names_file(output: str, *, several: bool) -> bool:
    """Whether an output is a file rather than a folder, neither of which may be there yet: a file has a suffix.

    Raises UsageError for a file that `several` pictures are to become.

    >>> names_file("new.webp", several=False), names_file("new", several=False), names_file("new.d", several=True)
    (True, False, False)
    """
    path = Path(output)
    if is_folder(output):
        return False
    if several and (path.suffix.lower() in SUFFIXES or path.is_file()):
        raise UsageError(f"`output={output!r}`: a file holds one picture, and several inputs were given")
    return not several and (bool(path.suffix) or path.is_file())


def sniff(source: Source) -> str | None:
    """A picture's format by its first bytes; None where it cannot be told."""
    with suppress(OSError, ImageError):
        head = source.head()
        return "tiff" if is_raw(head) else recognise(head)  # which is what a raw file is developed to
    return None


def check_suffix(path: Path) -> str:
    """The format that the suffix of an output means. Raises UsageError for one that means none."""
    format = SUFFIXES.get(path.suffix.lower())
    if format is None:
        raise UsageError(f"`output={str(path)!r}`: unknown suffix {path.suffix!r} (known: {' '.join(SUFFIXES)})")
    return format


def check_apart(tasks: Sequence[Task], inputs: Iterable[Path]) -> None:
    """Raise UsageError, before any work, where two tasks would write one file, or one would write an input."""
    places, taken, known = Places(), Numbers(), None
    for number, task in enumerate(tasks):
        for path in task.written:
            first = taken.first(places.of(path), number)
            if first != number:
                both = f"{named(tasks[first].source.name)} and {named(task.source.name)}"
                raise UsageError(f"{both} would both become {_called(path, task)}")
            for identity in identities([path]):
                known = _identified(inputs) if known is None else known  # where no output is there it is not needed
                if known.get(repr(identity)) is not None:
                    raise UsageError(
                        f"{_called(path, task)}: the output would be an input; originals are never touched"
                    )


def to_stdout(tasks: Sequence[Task]) -> bool:
    """Whether tasks are one, which goes to stdout: it holds one picture."""
    return len(tasks) == 1 and tasks[0].streamed


def _called(path: Path, task: Task) -> str:
    return named(task.name if path == task.output else path)


def _identified(paths: Iterable[Path]) -> Numbers:
    """Which files they lead to."""
    known = Numbers()
    for number, path in enumerate(paths):
        for identity in identities([path]):
            known.first(repr(identity), number)
    return known
