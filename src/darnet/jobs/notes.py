"""Notes: what is about to take its place, said before it does, since a ledger hears of it only afterwards.

Of a run that was killed in between they tell what it wrote from what somebody else has put there since. Each process
has a file of its own in the ledger's folder, which goes when the ledger knows as much.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from uuid import uuid4

from darnet.files import marked
from darnet.jobs.outputs import Task
from darnet.jobs.paths import place
from darnet.jobs.traces import Trace

#: In the name of the file of this process; not `darnet.files.PROCESS`, whose unfinished files others may remove.
WRITER = uuid4().hex[:16]
SUFFIX = ".noted"


@contextmanager
def noting(task: Task) -> Iterator[None]:
    """Files inside bear the mark of a task, and those that it may write are noted, where a ledger is to tell of them.

    One that cannot be noted does not take its place either: raises OSError.
    """

    def note(temporary: Path, path: Path) -> None:
        if task.ledger is None or path not in task.written:
            return
        trace = asdict(Trace.of(temporary, below(path, task.ledger)))
        line = json.dumps([below(task.output, task.ledger), trace])
        with (task.ledger / f".{task.mark}-{WRITER}{SUFFIX}").open("ab", buffering=0) as file:
            file.write(f"\n{line}".encode())  # one that was cut off ends where the next begins

    with marked(task.mark, note if task.mark else None):
        yield


def noted(folder: Path, begun: Mapping[str, str]) -> dict[str, tuple[Trace, ...]]:
    """What is there of what was noted for outputs, by their places from the ledger's folder on: as it was written.

    `begun`: the outputs, and by which run. Raises OSError.
    """
    found: dict[str, dict[str, Trace]] = {}
    for run in set(begun.values()):
        for notes in folder.glob(f".{run}-*{SUFFIX}"):
            with notes.open("rb") as lines:
                for line in lines:
                    try:
                        output, known = json.loads(line)
                        trace = Trace.read(known)
                    except (ValueError, TypeError, AttributeError):  # cut off
                        continue
                    if begun.get(output) == run and trace.fits(folder / trace.path):
                        found.setdefault(output, {})[trace.path] = trace
    return {output: tuple(traces.values()) for output, traces in found.items()}


def below(path: Path, folder: Path) -> str:
    """Where a file lies, from a folder on, whichever ways lead to them."""
    return Path(os.path.relpath(place(path), os.path.realpath(folder))).as_posix()
