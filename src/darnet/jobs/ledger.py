"""Ledger: what one run did, and all that is needed to do it again; as JSON it is the report."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from darnet.errors import UsageError
from darnet.jobs.job import Done, Job
from darnet.jobs.outputs import Task, check_earlier, is_same_file, write_file
from darnet.version import __version__

if TYPE_CHECKING:
    from darnet.systems.spec import RestorerSpec

#: Of the JSON of every report, which an earlier one is known by.
BEGINNING = b'{\n  "darnet": "'


@dataclass
class Ledger:
    """What a job did to each picture, and who restored it; it holds no pictures, whose number has no bound.

    `spec`: None where nothing was restored, or by a restorer of whom no spec is known. `settled`: with what this
    machine's memory chose.

    >>> ledger = Ledger(Job(strength=0.5), "restored")
    >>> ledger.entries.append(Done("a.jpg", error="the file is empty", exit_code=1))
    >>> ledger.to_dict()["settings"]["strength"], ledger.to_dict()["pictures"][0]["error"]
    (0.5, 'the file is empty')
    """

    job: Job
    output: str | None = None
    spec: RestorerSpec | None = None
    settled: RestorerSpec | None = None
    entries: list[Done] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        spec = None if self.spec is None else self.spec.model_dump(mode="json")
        settled = (
            None if self.settled is None else self.settled.model_dump(mode="json", include={"max_memory", "tiles"})
        )
        return {
            "darnet": __version__,
            "model": None if self.spec is None else self.spec.system,
            "settings": {"output": self.output, **asdict(self.job), "restorer": spec},
            "memory": settled,
            "pictures": [entry.to_dict() for entry in self.entries],
        }

    def write(self, path: Path | str) -> None:
        """Write the report, at once or not at all, in place of an earlier one and no other file. Raises ImageError."""
        check_earlier(Path(path), BEGINNING)
        write_file(Path(path), (json.dumps(self.to_dict(), indent=2) + "\n").encode())


def check_report(path: Path, tasks: Iterable[Task]) -> None:
    """Raise UsageError if a report would replace a picture of these tasks.

    ImageError if it would replace any other file but an earlier report, or cannot be written.
    """
    pictures = [place for task in tasks for place in (task.source.path, task.output, *task.written)]
    if path in pictures or is_same_file(path, pictures):
        raise UsageError(f"`report={str(path)!r}`: that is a picture of this run")
    check_earlier(path, BEGINNING)
