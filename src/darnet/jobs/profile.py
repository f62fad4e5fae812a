"""Profile: where the time of one run went, as a trace that chrome://tracing and Perfetto show.

The format is the JSON object of Chrome's trace events: times in microseconds, one row a thread.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from darnet.errors import UsageError
from darnet.images.codecs import write_parts
from darnet.jobs.job import Done
from darnet.jobs.outputs import Task
from darnet.jobs.paths import check_earlier, is_same_file, make_folder, place
from darnet.jobs.report import check_told
from darnet.jobs.spool import Spool
from darnet.timeline import Span
from darnet.version import __version__

#: What a row is of.
PROGRAM = "darnet restore"
#: Of every profile, which an earlier one is known by; Perfetto knows a trace by its first key.
BEGINNING = b'{"traceEvents": [\n{"name": "process_name", "args": {"name": "darnet restore"}, "ph": "M", '


@dataclass
class Profile:
    """The time lines of pictures: `add` an outcome, then `write`. What it knows of them lies on disk, as a report's.

    Time begins with the profile, so what comes before the first picture is what it took to begin.

    >>> profile = Profile()
    >>> profile.add(Done("a.jpg", timeline=(Span("open", "", profile.began_ns, profile.began_ns + 2500, 7, 8),)))
    >>> event = json.loads(b"".join(profile.parts()))["traceEvents"][1]
    >>> event["name"], event["ts"], event["dur"], event["pid"], event["tid"], event["args"]
    ('open', 0.0, 2.5, 7, 8, {'picture': 'a.jpg'})
    """

    began_ns: int = field(default_factory=time.perf_counter_ns)
    _entries: Spool[tuple[str, tuple[Span, ...]]] = field(default_factory=Spool, init=False, repr=False)

    def add(self, done: Done) -> None:
        """One outcome more. Raises ResourceError where there is no room among temporary files."""
        if done.timeline:
            self._entries.append((done.input, done.timeline))

    @property
    def empty(self) -> bool:
        """Whether nothing took any time: no picture was worked on."""
        return not len(self._entries)

    def write(self, path: Path | str) -> None:
        """Write the trace, at once or not at all, in place of an earlier one and no other file. Raises ImageError."""
        check_earlier(Path(path), BEGINNING)
        make_folder(Path(path))
        write_parts(Path(path), self.parts())

    def parts(self) -> Iterator[bytes]:
        """The file, event by event."""
        own = os.getpid()
        yield BEGINNING + f'"pid": {own}, "tid": 0}}'.encode()
        rows = dict[tuple[int, int], dict[str, None]]()  # process, thread -> what was done there, in order
        for picture, timeline in self._entries:
            for span in timeline:
                rows.setdefault((span.process, span.thread), {})[span.name] = None
                yield from map(_line, self._events(span, picture))
        for process in dict.fromkeys(process for process, _ in rows if process != own):
            yield _line({"name": "process_name", "args": {"name": PROGRAM}, "ph": "M", "pid": process, "tid": 0})
        for (process, thread), names in rows.items():
            args = {"name": ", ".join(names)}
            yield _line({"name": "thread_name", "args": args, "ph": "M", "pid": process, "tid": thread})
        yield f'\n], "displayTimeUnit": "ms", "otherData": {{"darnet": "{__version__}"}}}}\n'.encode()

    def _events(self, span: Span, picture: str) -> Iterator[dict[str, Any]]:
        """That of a span, and those of what is in it."""
        yield {
            "name": f"{span.name} {span.of}".rstrip(),
            "cat": span.name,
            "ph": "X",
            "ts": (span.start_ns - self.began_ns) / 1000,
            "dur": (span.end_ns - span.start_ns) / 1000,
            "pid": span.process,
            "tid": span.thread,
            "args": {"picture": picture.encode(errors="replace").decode()},
        }
        for inner in span.inner:
            yield from self._events(inner, picture)


def _line(event: dict[str, Any]) -> bytes:
    return f",\n{json.dumps(event)}".encode()


def check_profile(path: Path, tasks: Iterable[Task], report: Path | None = None) -> None:
    """Raise UsageError if a profile would meet the `report`, or as `check_report` does of one."""
    if report is not None and (place(path) == place(report) or is_same_file(path, [report])):
        raise UsageError(f"`profile={str(path)!r}`: that is where the report goes")
    check_told("profile", path, tasks, BEGINNING)
