"""Report: what one run did, and all that is needed to do it again, as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Any

from darnet.errors import ImageError, UsageError
from darnet.images.codecs import write_parts
from darnet.jobs import sheet
from darnet.jobs.inputs import STREAM
from darnet.jobs.job import Done, Job
from darnet.jobs.outputs import Task
from darnet.jobs.paths import check_earlier, identities, make_folder
from darnet.jobs.sheet import Sheet
from darnet.jobs.spool import Spool
from darnet.version import __version__

if TYPE_CHECKING:
    from darnet.systems.spec import RestorerSpec

#: Of the JSON of every report, which an earlier one is known by.
BEGINNING = b'{\n  "darnet": "'


@dataclass
class Report:
    """What a job did to each picture, and who restored it: `add` an outcome, then `write`.

    It holds no pictures, and what it knows of them lies on disk: memory does not grow with their number.

    `spec`: None where nothing was restored, or by a restorer of whom no spec is known. `settled`: with what this
    machine's memory chose.

    >>> report = Report(Job(strength=0.5), "restored")
    >>> report.add(Done("a.jpg", error="the file is empty", exit_code=1))
    >>> report.to_dict()["settings"]["strength"], report.to_dict()["pictures"][0]["error"]
    (0.5, 'the file is empty')
    """

    job: Job
    output: str | None = None
    spec: RestorerSpec | None = None
    settled: RestorerSpec | None = None
    _entries: Spool[Done] = field(default_factory=Spool, init=False, repr=False)

    def add(self, done: Done) -> None:
        """One outcome more. Raises ResourceError where there is no room among temporary files."""
        self._entries.append(done)

    def to_dict(self) -> dict[str, Any]:
        """JSON form, with all pictures in memory."""
        return self._head() | {"pictures": [entry.to_dict() for entry in self._entries]}

    def write(self, path: Path | str) -> None:
        """Write the report, at once or not at all, in place of an earlier one and no other file. Raises ImageError."""
        check_earlier(Path(path), BEGINNING)
        make_folder(Path(path))
        write_parts(Path(path), self._parts())

    def _head(self) -> dict[str, Any]:
        spec = None if self.spec is None else self.spec.model_dump(mode="json")
        memory = {"max_memory", "tiles"}
        settled = None if self.settled is None else self.settled.model_dump(mode="json", include=memory)
        return {
            "darnet": __version__,
            "model": None if self.spec is None else self.spec.system,
            "settings": {"output": self.output, **asdict(self.job), "restorer": spec},
            "memory": settled,
        }

    def _parts(self) -> Iterator[bytes]:
        """The JSON form, picture by picture; in JSON no line break is part of a value."""
        yield json.dumps(self._head() | {"pictures": []}, indent=2).removesuffix("]\n}").encode()
        before, end = "\n", "]\n}\n"
        for entry in self._entries:
            yield (before + indent(json.dumps(entry.to_dict(), indent=2), "    ")).encode()
            before, end = ",\n", "\n  ]\n}\n"
        yield end.encode()


def report_for(path: Path | str, job: Job, output: str | None = None) -> Report | Sheet:
    """What is to be written there: a contact sheet where its suffix is that of a page, else the report.

    >>> type(report_for("a.html", Job())).__name__, type(report_for("a.json", Job())).__name__
    ('Sheet', 'Report')
    """
    return Sheet(job, output) if is_page(path) else Report(job, output)


def is_page(path: Path | str) -> bool:
    """Whether a report at this path is a contact sheet."""
    return Path(path).suffix.lower() in {".html", ".htm"}


def check_report(path: Path, tasks: Iterable[Task]) -> None:
    """Raise UsageError if a report would replace a picture of these tasks, or any file but an earlier report.

    As well if it cannot be written, or is no file: `-`.
    """
    check_told("report", path, tasks, sheet.BEGINNING if is_page(path) else BEGINNING)


def check_told(name: str, path: Path, tasks: Iterable[Task], beginning: bytes) -> None:
    """The same for all that a run tells in a file, which begins so; what is raised calls it `name`."""
    given, own = f"`{name}={str(path)!r}`", identities([path])
    if str(path) == STREAM:
        raise UsageError(f"{given}: expected a file; stdout is for what is said of each picture")
    for task in tasks:
        pictures = [task.source.path, task.output, *task.written]
        if path in pictures or (own and own & identities(pictures)):
            raise UsageError(f"{given}: that is a picture of this run")
    try:
        check_earlier(path, beginning)
    except ImageError as error:
        raise UsageError(f"{given}: {error.reason}") from None
