"""What a ledger says of a folder, for who only wants to read it: also while a run is at work."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from darnet.errors import NoInputError, named
from darnet.jobs.ledger import DONE, FAILED, FOLDER, NAME, RUNNING, WAITING, check, connect, speaking

#: Of `pictures`, how far the last run is.
RATE = "SELECT count(*), avg(seconds), max(ended) FROM pictures WHERE run = ? AND status = ?"

FAILURES = "SELECT input FROM pictures WHERE status = ?"


@dataclass(frozen=True)
class NotDone:
    """A picture that is not done: `status` is "failed", "unfinished", or "gone".

    `output`: None of a folder that could not be looked into, and so failed.
    """

    input: str
    output: str | None
    status: str
    reason: str | None

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"input": self.input, "output": self.output, "status": self.status, "reason": self.reason}


@dataclass(frozen=True)
class Status:
    """How far a folder is, or one of several machines with its shard, as the ledger at `path` says.

    `done`, `failed`, `unfinished`: how many pictures; of folders that could not be looked into as well, which failed.
    `gone`: how many failed, and are no longer there. `began`: when the last run did that had anything to do, in seconds
    since 1970; `settings`: of that run. `outdated`: done with other settings. `written`: how many that run has done so
    far, in so many `seconds`, with `seconds_each` of work.
    """

    path: Path
    done: int
    failed: int = 0
    unfinished: int = 0
    gone: int = 0
    began: float | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    outdated: int = 0
    written: int = 0
    seconds: float = 0.0
    seconds_each: float | None = None

    @property
    def rate(self) -> float | None:
        """Pictures a second of the last run; None where it has done none."""
        return self.written / self.seconds if self.written and self.seconds > 0 else None

    @classmethod
    def read_all(cls, folder: Path) -> list[Status]:
        """Of each ledger in a folder: one, or one a shard. Raises NoInputError where there is none, and as `read`."""
        if not folder.is_dir():
            raise NoInputError(f"{named(folder)}: {'is no folder' if folder.exists() else 'no such folder'}")
        found = sorted(folder.glob(f"{Path(NAME).stem}*{Path(NAME).suffix}"))
        paths = [path for path in found if not path.is_file() or path.stat().st_size]  # an empty one is none yet
        if not paths:
            raise NoInputError(f"{named(folder)}: no ledger in it; `restore` keeps one in a folder of outputs")
        return [cls.read(path) for path in paths]

    @classmethod
    def read(cls, path: Path) -> Status:
        """Of a ledger. Raises ImageError for one that is damaged, of a newer darnet, or unreadable."""
        with _opened(path) as base:
            counts: dict[str, int] = dict(base.execute("SELECT status, count(*) FROM pictures GROUP BY status"))
            run = base.execute("SELECT * FROM runs ORDER BY began_ns DESC LIMIT 1").fetchone()
            if run is None:
                return cls(path, 0)
            written, each, ended = base.execute(RATE, (run["run"], DONE)).fetchone()
            digests = "SELECT count(*) FROM pictures WHERE status = ? AND digest <> ?"
            (outdated,) = base.execute(digests, (DONE, run["digest"])).fetchone()
            done, failed, waiting, running = (counts.get(status, 0) for status in (DONE, FAILED, WAITING, RUNNING))
            began, settings = run["began_ns"] / 1e9, json.loads(run["settings"])
            took = 0.0 if ended is None else max(0.0, ended - began)
            gone = sum(_is_gone(name) for (name,) in base.execute(FAILURES, (FAILED,)))
            counted = (done, failed - gone, waiting + running, gone)
            return cls(path, *counted, began, settings, outdated, written, took, each)

    def not_done(self) -> Iterator[NotDone]:
        """Every picture that is not done, by status and place. Raises as `read`."""
        query = "SELECT place, name, input, status, reason FROM pictures WHERE status <> ? ORDER BY status, place"
        with _opened(self.path) as base:
            for place, name, source, status, reason in base.execute(query, (DONE,)):
                known = "unfinished" if status in {WAITING, RUNNING} else status
                known = "gone" if status == FAILED and _is_gone(source) else known
                at = os.fsdecode(place)
                output = None if at.endswith(FOLDER) else str(self.path.parent / at)
                yield NotDone(os.fsdecode(name), output, known, reason)


def _is_gone(path: bytes) -> bool:
    """Whether a file is no longer there, although its folder is: of what lies on a drive that is away nobody knows."""
    try:
        os.lstat(path)
    except FileNotFoundError:
        return os.path.isdir(os.path.dirname(path))  # noqa: PTH112, PTH120  of bytes
    except OSError:  # nobody may look
        pass
    return False


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    writable = os.access(path.parent, os.W_OK)  # to put right what a killed process left
    with speaking(path), closing(connect(path, writable=writable)) as base:
        check(base, path)
        yield base
