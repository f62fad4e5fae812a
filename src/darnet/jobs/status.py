"""What a ledger says of a folder, for who only wants to read it: also while a run is at work."""

from __future__ import annotations

import json
import os
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from darnet.errors import NoInputError, named
from darnet.jobs.ledger import DONE, FAILED, FOLDER, NAME, RUNNING, TABLES, Entry, check, connect, speaking
from darnet.jobs.standing import Standing

#: What became of a picture, beside what a ledger says.
UNFINISHED, GONE, OUTDATED, EARLIER = "unfinished", "gone", "outdated", "failed earlier"
#: Of `pictures`, how far the last run is.
RATE = "SELECT count(*), avg(seconds), max(ended) FROM pictures WHERE run = ? AND status = ?"

LAST = "SELECT * FROM runs ORDER BY began_ns DESC LIMIT 1"
#: So many of them, without what was found in each; who writes waits while they are read.
SOME = """
SELECT place, name, input, size, mtime_ns, sha256, status, reason, run, digest, files, NULL AS treatment, ended
FROM pictures WHERE place > ? ORDER BY place LIMIT 1000
"""


@dataclass(frozen=True)
class NotDone:
    """A picture that is not done: `status` is "failed", "unfinished", "gone", or "failed earlier".

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
    """How far a folder is, or one of several machines with its shard, as the ledger at `path` and its outputs say.

    `done`, `failed`, `unfinished`: how many pictures; of folders that could not be looked into as well, which failed.
    `gone`: how many failed, and are no longer there. `began`: when the last run did that had anything to do, in seconds
    since 1970; `settings`: of that run. `outdated`: done with other settings; `earlier`: failed with others.
    `written`: how many that run has done so far, in so many `seconds`, with `seconds_each` of work.
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
    earlier: int = 0

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do and nothing failed, as far as the last run was told; unknown where none is."""
        return self.began is not None and not self.failed and not self.unfinished

    @property
    def rate(self) -> float | None:
        """Pictures a second of the last run; None where it has done none."""
        return self.written / self.seconds if self.written and self.seconds > 0 else None

    @classmethod
    def read_all(cls, folder: Path) -> list[Status]:
        """Of each ledger in a folder: one, or one a shard. Raises NoInputError where there is none, and as `read`."""
        if not folder.is_dir():
            raise NoInputError(f"{named(folder)}: {'is no folder' if folder.exists() else 'no such folder'}")
        paths = sorted(folder.glob(f"{Path(NAME).stem}*{Path(NAME).suffix}"))
        if not paths:
            raise NoInputError(f"{named(folder)}: no ledger in it; `restore` keeps one in a folder of outputs")
        return [cls.read(path) for path in paths]

    @classmethod
    def read(cls, path: Path) -> Status:
        """Of a ledger. Raises ImageError for one that is damaged, of a newer darnet, or unreadable."""
        with _opened(path) as base:
            run = base.execute(LAST).fetchone()
            counts = Counter(become for _, become, _ in _pictures(base, path.parent, run and run["digest"]))
            done, others = counts[DONE] + counts[OUTDATED], (counts[FAILED], counts[UNFINISHED], counts[GONE])
            if run is None:
                return cls(path, done, *others)
            written, each, ended = base.execute(RATE, (run["run"], DONE)).fetchone()
            began, settings = run["began_ns"] / 1e9, json.loads(run["settings"])
            took = 0.0 if ended is None else max(0.0, ended - began)
            return cls(path, done, *others, began, settings, counts[OUTDATED], written, took, each, counts[EARLIER])

    def not_done(self) -> Iterator[NotDone]:
        """Every picture that is not done, by the place of its output. Raises as `read`."""
        with _opened(self.path) as base:
            run = base.execute(LAST).fetchone()
            for entry, become, reason in _pictures(base, self.path.parent, run and run["digest"]):
                if become not in {DONE, OUTDATED}:
                    output = None if entry.place.endswith(FOLDER) else str(self.path.parent / entry.place)
                    yield NotDone(entry.name, output, become, reason)


def _pictures(base: sqlite3.Connection, folder: Path, digest: str | None) -> Iterator[tuple[Entry, str, str | None]]:
    """Every entry by its place, what became of it, and why; `digest`: of the last run's settings."""
    last = b""
    while rows := base.execute(SOME, (last,)).fetchall():
        last = rows[-1]["place"]
        for entry in map(Entry.read, rows):
            yield entry, *_become(entry, folder, digest)


def _become(entry: Entry, folder: Path, digest: str | None) -> tuple[str, str | None]:
    """What became of a picture, and why: what a run as the last one would find."""
    if entry.status == FAILED:
        failed = FAILED if entry.digest in {None, digest} else EARLIER  # None: of a folder, under whatever settings
        return GONE if _is_gone(os.fsencode(entry.source.path)) else failed, entry.reason
    if entry.status == RUNNING:  # somebody may be writing it
        return UNFINISHED, None
    standing, source = Standing.of(entry, folder), Path(entry.source.path)
    wanted = entry.digest if entry.status == DONE else digest
    if standing.is_done(wanted, source if os.path.lexists(source) else None):
        return DONE if entry.digest == digest else OUTDATED, None
    return (FAILED, standing.reason) if standing.foreign and entry.status == DONE else (UNFINISHED, None)


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
    with speaking(path), ExitStack() as held:
        base = held.enter_context(closing(connect(path, writable=writable)))
        if not base.execute("PRAGMA page_count").fetchone()[0]:  # a run began, and could note nothing
            base = held.enter_context(closing(sqlite3.connect(":memory:")))
            base.executescript(TABLES)
        else:
            check(base, path)
        yield base
