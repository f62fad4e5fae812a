"""Standing: whether what a ledger says was done still is; for who goes on from there, and for who only reads it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from darnet.errors import named
from darnet.jobs.ledger import DONE, WAITING, Entry
from darnet.jobs.paths import place
from darnet.jobs.traces import is_whole, unchanged


@dataclass(frozen=True)
class Standing:
    """What lies where the files of an `entry` were written.

    `there`: whether anything does; `as_written`: all of them, as they were, and nothing else. `foreign`: what somebody
    else has put there, which is not replaced unasked; `changed`: in place of what was written.
    """

    entry: Entry
    there: bool
    as_written: bool
    foreign: Path | None
    changed: bool

    @classmethod
    def of(cls, entry: Entry, folder: Path, wanted: Sequence[Path] = ()) -> Standing:
        """Of an entry of the ledger of a `folder`; `wanted`: what else may be written now."""
        known = {place(folder / trace.path): trace for trace in entry.files}
        paths = {at: folder / trace.path for at, trace in known.items()} | {place(path): path for path in wanted}
        there = {at: path for at, path in paths.items() if os.path.lexists(path)}
        others = {at: path for at, path in there.items() if at not in known or not known[at].fits(path)}
        foreign = [at for at, path in others.items() if at not in known or is_whole(path, known[at])]
        as_written = bool(known) and not others and known.keys() <= there.keys()
        first = foreign[0] if foreign else None
        return cls(entry, bool(there), as_written, None if first is None else paths[first], first in known)

    def is_done(self, digest: str | None, source: Path | None) -> bool:
        """Whether nothing is left to do under settings of this digest with an input; None where it is away."""
        as_wanted = self.entry.status in {DONE, WAITING} and self.entry.digest == digest
        return self.as_written and as_wanted and (source is None or unchanged(self.entry.source, source))

    @property
    def reason(self) -> str:
        """Why what was changed stays as it is."""
        assert self.foreign is not None
        return f"{named(self.foreign)}: somebody has changed it since it was written; `overwrite=True` replaces it"
