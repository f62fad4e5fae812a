"""Unseen: the folders that a run could not look into, so that its ledger does not say that all is done."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from darnet.jobs.job import Done
from darnet.jobs.ledger import FAILED, FOLDER, Entry, Ledger
from darnet.jobs.outputs import Task
from darnet.jobs.traces import Trace


@dataclass(frozen=True)
class Unseen:
    """What a run could not look into, and what it looked into instead.

    `failed`: what became of it, by path. `searched`: the folders that pictures of the run were found in; `recursive`:
    and in those below.

    >>> Unseen({}, frozenset({"/in"}), recursive=True).is_searched("/in/other")
    True
    """

    failed: dict[str, Done] = field(default_factory=dict)
    searched: frozenset[str] = frozenset()
    recursive: bool = False

    @classmethod
    def of(cls, missing: Iterable[Done], tasks: Iterable[Task], *, recursive: bool) -> Unseen:
        """Of what a job is missing, and its tasks: folders, and what lies in a searched one."""
        roots = {task.source.folder for task in tasks}
        searched = cls({}, frozenset(os.path.realpath(root) for root in roots if root is not None), recursive=True)
        found = {os.path.realpath(done.input): done for done in missing}
        failed = {
            path: done
            for path, done in found.items()
            if os.path.isdir(path) or searched.is_searched(path)  # noqa: PTH112  is_dir raises in a forbidden folder
        }
        return cls(failed, searched.searched, recursive)

    def is_searched(self, path: str) -> bool:
        """Whether the run has looked, or tried to look, into a folder."""
        around = {path, *(map(str, Path(path).parents) if self.recursive else ())}
        return not self.searched.isdisjoint(around)

    def tell(self, ledger: Ledger) -> None:
        """Note it, in place of what earlier runs could not look into, and this one could. Raises as `Ledger` does."""
        before = {entry.source.path: entry for entry in ledger.folders()}
        news = [
            Entry(path + FOLDER, done.input, Trace(path, 0, 0), FAILED, done.error)
            for path, done in self.failed.items()
            if path not in before or before[path].reason != done.error
        ]
        over = [entry.place for path, entry in before.items() if path not in self.failed and self.is_searched(path)]
        ledger.renew(over, news)
