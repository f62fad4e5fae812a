"""Ledger: what became of every picture of a folder, in a file beside the outputs; who comes next goes on from there.

The file is SQLite's, with a rollback journal: that is sound on a drive of a network as well, which a write-ahead log is
not, and readers may look meanwhile. A transaction takes 20 ms where a disk is slow. So what became of pictures is
written together with what is begun next, once a second at most.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, field
from errno import EACCES, EPERM, EROFS
from pathlib import Path
from threading import RLock
from typing import Any
from uuid import uuid4
from weakref import finalize

from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError

from darnet.errors import ImageError, fault, one_line, refusal
from darnet.jobs.paths import identities, make
from darnet.jobs.settings import Settings
from darnet.jobs.shard import Shard, named_for
from darnet.jobs.traces import Trace
from darnet.restore.result import Treatment

#: The file; and what is held by whoever writes it. The operating system lets go of it when its holder ends, however
#: that ends: the file stays and means nothing.
NAME, LOCK = ".darnet.sqlite", ".darnet.lock"
#: What SQLite calls the kind of a database's content, and the version of what lies in it.
KIND, VERSION = int.from_bytes(b"drnt"), 1
#: What the settings of a run say, among other things.
PARTS = {"darnet": str, "job": dict, "restorer": dict}
#: Why a run does not go on.
GONE = "the folder is gone, or its ledger is"
#: How long who reads waits for who writes.
PATIENCE_SECONDS = 30.0
#: What is not yet begun, is begun, was done, or failed.
WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"
#: How the place ends of what is no picture, but a folder that could not be looked into.
FOLDER = "/"
TREATMENTS = TypeAdapter(Treatment)
TABLES = """
CREATE TABLE runs (
    run TEXT PRIMARY KEY, began_ns INTEGER NOT NULL, digest TEXT NOT NULL, settings TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE pictures (
    place BLOB PRIMARY KEY,   -- of the output, from the ledger's folder on
    name BLOB NOT NULL,       -- of the input, as it was given
    input BLOB NOT NULL,      -- where it lies
    size INTEGER, mtime_ns INTEGER, sha256 TEXT,    -- of the input
    status TEXT NOT NULL,
    reason TEXT,              -- why it failed
    run TEXT,                 -- who began it last
    digest TEXT,              -- of the settings
    files TEXT NOT NULL DEFAULT '[]',   -- what was written: path from the ledger's folder on, size, mtime_ns, sha256
    treatment TEXT, seconds REAL, ended REAL
) WITHOUT ROWID;
CREATE INDEX states ON pictures (status);
"""
KEPT = """
INSERT INTO pictures (place, name, input, size, mtime_ns, sha256, status, reason, run, digest, files, treatment,
    seconds, ended)
VALUES (:place, :name, :input, :size, :mtime_ns, :sha256, :status, :reason, :run, :digest, :files, :treatment,
    :seconds, :ended)
ON CONFLICT (place) DO UPDATE SET (name, input, size, mtime_ns, sha256, status, reason, run, digest, files,
    treatment, seconds, ended) = (:name, :input, :size, :mtime_ns, :sha256, :status, :reason, :run, :digest,
    :files, :treatment, :seconds, :ended)
"""


@dataclass(frozen=True)
class Entry:
    """What a ledger says of a picture: `place` of its output, from the ledger's folder on, and the `source`.

    `files`: what darnet wrote last, from the folder on; while it is written anew still what it wrote before.
    `run`: who began it last.
    """

    place: str
    name: str
    source: Trace
    status: str
    reason: str | None = None
    run: str | None = None
    digest: str | None = None
    files: tuple[Trace, ...] = ()
    treatment: Treatment | None = None
    ended: float | None = None

    @classmethod
    def read(cls, row: sqlite3.Row) -> Entry:
        """From a row. Raises ValueError for one that darnet did not write."""
        known = {name: row[name] for name in ("size", "mtime_ns", "sha256")}
        source = Trace.read({"path": os.fsdecode(row["input"]), **known})
        try:
            treatment = None if row["treatment"] is None else TREATMENTS.validate_json(row["treatment"])
        except ValidationError as error:
            raise ValueError(": ".join(("treatment", *filter(None, fault(error))))) from None
        files = tuple(map(Trace.read, json.loads(row["files"])))
        names = (os.fsdecode(row["place"]), os.fsdecode(row["name"]))
        kept = {name: row[name] for name in ("status", "reason", "run", "digest", "ended")}
        return cls(*names, source, files=files, treatment=treatment, **kept)

    def row(self) -> dict[str, Any]:
        """What is stored."""
        reason = None if self.reason is None else self.reason.encode(errors="replace").decode()
        return {
            **asdict(self.source),
            "place": os.fsencode(self.place),
            "name": os.fsencode(self.name),
            "input": os.fsencode(self.source.path),
            "status": self.status,
            "reason": reason,
            "run": self.run,
            "digest": self.digest,
            "files": json.dumps([asdict(file) for file in self.files]),
            "treatment": None if self.treatment is None else TREATMENTS.dump_json(self.treatment).decode(),
            "seconds": None if self.treatment is None else self.treatment.seconds,
            "ended": self.ended,
        }


@dataclass
class Ledger:
    """The ledger of a `folder`, or of a `shard` of it, open for a run under `settings`; no other may write it then.

    Where nobody may write it can be read all the same. It is closed by `close`, or when nobody has it any more. Its
    methods raise ImageError where the file is damaged, of a newer darnet, or cannot be read or written. Threads may
    share it.
    """

    folder: Path
    settings: Settings
    shard: Shard | None = None
    run: str = field(default_factory=lambda: uuid4().hex[:16])
    began_ns: int = 0
    _pending: dict[str, Entry] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Open it, and make it where there is none. Raises ImageError."""
        self.path, self._lock_file = (named_for(self.shard, self.folder / name) for name in (NAME, LOCK))
        self._refused, held = "", ExitStack()
        self.close = finalize(self, held.close)
        self._lock, self._written = RLock(), time.monotonic()
        try:
            make(self.folder)
            with self._speaking():
                self._hold(held)
                self._base = connect(self.path, writable=not self._refused)
                held.callback(self._base.close)
                self._identity = identities([self.path])
                self._check()
        except BaseException:
            self.close()
            raise

    def _hold(self, held: ExitStack) -> None:
        """Keep others out, and take the time of the file system, whose clock may be another machine's."""
        lock = FileLock(self._lock_file, timeout=0, thread_local=False)  # another thread may let go of it
        try:
            lock.acquire()
        except Timeout:
            raise ImageError(self.path, "another run is at work on this folder; nothing was done") from None
        except OSError as error:
            if error.errno not in {EACCES, EPERM, EROFS} or not self.path.exists():
                raise ImageError(self._lock_file, refusal(error)) from None
            self._refused = refusal(error)
            return
        held.callback(lock.release)
        os.utime(self._lock_file)
        self.began_ns = self._lock_file.stat().st_mtime_ns

    def _check(self) -> None:
        """Raise ImageError for what is none of ours."""
        if not self._base.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            with self._base:
                self._base.execute("BEGIN IMMEDIATE")
                for statement in TABLES.split(";"):
                    self._base.execute(statement)
                self._base.execute(f"PRAGMA application_id = {KIND}")
                self._base.execute(f"PRAGMA user_version = {VERSION}")
        check(self._base, self.path)
        (found,) = self._base.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError(found)

    def entry(self, place: str) -> Entry | None:
        """What is known of the picture whose output goes there, which was begun by this run or an earlier one."""
        with self._speaking():
            if place in self._pending:
                return self._pending[place]
            found = self._base.execute("SELECT * FROM pictures WHERE place = ?", (os.fsencode(place),)).fetchone()
            return None if found is None else Entry.read(found)

    def interrupted(self) -> list[Entry]:
        """What earlier runs began and did not end."""
        with self._speaking():
            rows = self._base.execute("SELECT * FROM pictures WHERE status = ? AND run <> ?", (RUNNING, self.run))
            return [Entry.read(row) for row in rows]

    def folders(self) -> list[Entry]:
        """Those that could not be looked into."""
        with self._speaking():
            rows = self._base.execute("SELECT * FROM pictures WHERE substr(place, -1) = ?", (FOLDER.encode(),))
            return [Entry.read(row) for row in rows]

    def renew(self, over: Sequence[str], entries: Sequence[Entry]) -> None:
        """Forget places, and note others at once; nothing where nobody may write."""
        if not self._refused:
            with self._speaking(), self._base:
                self._base.executemany("DELETE FROM pictures WHERE place = ?", [(os.fsencode(one),) for one in over])
            self.keep(entries, at_once=True)

    def keep(self, entries: Sequence[Entry], *, at_once: bool = False, every_seconds: float = 1.0) -> None:
        """Note what became of pictures; it is written `at_once`, or when the last time is so long ago."""
        with self._speaking():
            self._pending |= {entry.place: entry for entry in entries}
            if self._pending and (at_once or time.monotonic() - self._written >= every_seconds):
                if self._refused:
                    raise ImageError(self.path, f"the ledger cannot be written: {self._refused}")
                if self._identity != identities([self.path]):
                    raise ImageError(self.folder, GONE)
                run = (self.run, self.began_ns, self.settings.digest, self.settings.document)
                with self._base:  # a run is known by what it does: one that finds everything done leaves no trace
                    self._base.execute("INSERT OR IGNORE INTO runs VALUES (?, ?, ?, ?)", run)
                    self._base.executemany(KEPT, (entry.row() for entry in self._pending.values()))
                self._pending.clear()
                self._written = time.monotonic()

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        """One thread at a time, and errors that name the file."""
        with self._lock, speaking(self.path):
            yield


def connect(path: Path, *, writable: bool = True) -> sqlite3.Connection:
    """A connection to a ledger's file. Raises sqlite3.Error."""
    mode = "rwc" if writable else "ro"
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    base = sqlite3.connect(uri, PATIENCE_SECONDS, uri=True, check_same_thread=False)
    base.row_factory = sqlite3.Row
    return base


def check(base: sqlite3.Connection, path: Path) -> None:
    """Raise ImageError for a database that is no ledger, or one of a newer darnet.

    For a damaged one raises what `speaking` knows. What each row holds is seen when it is read.
    """
    kind, version = (base.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
    if kind != KIND:
        raise ImageError(path, "no ledger of darnet's; move it away")
    if version > VERSION:
        raise ImageError(path, "written by a newer version of darnet, in a format that this one does not know")
    with closing(sqlite3.connect(":memory:")) as new:
        new.executescript(TABLES)
        missing = _columns(new) - _columns(base)
    if missing:
        raise ValueError(f"there is no {min(missing)}")
    for (status,) in base.execute("SELECT DISTINCT status FROM pictures"):
        if status not in {WAITING, RUNNING, DONE, FAILED}:
            raise ValueError(f"a picture is {status!r}")
    for (settings,) in base.execute("SELECT settings FROM runs ORDER BY began_ns DESC LIMIT 1"):
        known = json.loads(settings)
        if not all(isinstance(known.get(name), kind) for name, kind in PARTS.items()):
            raise ValueError("the settings of its last run are none")


def _columns(base: sqlite3.Connection) -> set[str]:
    columns = "SELECT m.name || '.' || c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'"
    return {str(name) for (name,) in base.execute(columns)}


@contextmanager
def speaking(path: Path) -> Iterator[None]:
    """Errors inside are ImageErrors that name the ledger."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise ImageError(path, f"the ledger cannot be read or written: {error}") from None
    except (sqlite3.DatabaseError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ImageError(path, f"damaged ledger ({one_line(error)}); without it nothing is known to be done") from None
    except OSError as error:
        raise ImageError(path, f"the ledger cannot be written: {refusal(error)}") from None
