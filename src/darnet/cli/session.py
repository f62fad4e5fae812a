"""What a command that goes through pictures says: lines to stdout, trouble and progress to stderr, an exit code."""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO, TypeVar

from darnet.cli.flags import spoken
from darnet.cli.lines import Line, tell
from darnet.errors import NoInputError, explain

Item = TypeVar("Item")


@dataclass
class Attempt:
    """One picture's turn; `error` is the reason why it failed."""

    error: str | None = None


@dataclass
class Session:
    """A run over pictures in which one failure does not end the others."""

    quiet: bool = False
    verbose: bool = False
    fail_fast: bool = False
    lines: TextIO | None = None  # where lines about pictures go; None: stdout
    exit_codes: list[int] = field(default_factory=list)  # one per failure
    outcomes: dict[str, Counter[str]] = field(default_factory=dict)  # what was done -> of which kind -> to how many
    started: float = field(default_factory=time.perf_counter)

    @property
    def stopped(self) -> bool:
        """Whether a failure has ended the run."""
        return self.fail_fast and bool(self.exit_codes)

    def say(self, line: str | Line) -> None:
        """A line about a picture."""
        if not self.quiet:
            stream = self.lines or sys.stdout
            print(line.on(stream) if isinstance(line, Line) else line, file=stream, flush=True)

    def count(self, outcome: str, kind: str = "") -> None:
        """One picture more of which the closing summary says this."""
        self.outcomes.setdefault(outcome, Counter())[kind] += 1

    def warn(self, name: str, text: str) -> None:
        """Something a reader should know although nothing failed."""
        if not self.quiet:
            tell(f"{name}: warning: {spoken(text)}", "yellow")

    def detail(self, name: str, text: str) -> None:
        """What only --verbose shows."""
        if self.verbose:
            tell(f"{name}: {text}")

    def fail(self, name: str, reason: str, exit_code: int = 1) -> None:
        """Count a failure and say why, in one line."""
        self.exit_codes.append(exit_code)
        tell(f"{name}: {spoken(reason)}", "red")

    @contextmanager
    def attempt(self, name: str, path: Path | None = None) -> Iterator[Attempt]:
        """Whatever goes wrong inside is this picture's failure, and nobody else's."""
        attempt = Attempt()
        try:
            yield attempt
        except Exception as error:
            reason, exit_code = explain(error, path)
            attempt.error = spoken(reason)
            self.fail(name, reason, exit_code)
            if self.verbose:
                traceback.print_exc()

    def each(self, items: Iterable[Item], total: int) -> Iterator[Item]:
        """The items, with a progress bar where somebody is watching; ends early with --fail-fast."""
        if self.quiet or total < 2 or not sys.stderr.isatty():
            yield from self._until_stopped(items)
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
        # rich would send stdout through its console, which is stderr: right on a terminal, wrong in a pipe.
        watched = sys.stdout.isatty()
        with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=watched) as progress:
            task = progress.add_task("", total=total)
            for item in self._until_stopped(items):
                yield item
                progress.advance(task)

    def finish(self, total: int) -> int:
        """The exit code, after a summary where there is something to sum up."""
        failed = len(self.exit_codes)
        if not total:
            return NoInputError.exit_code
        if total > 1 and (failed or (self.outcomes and not self.quiet)):
            tell(self._summary(total), "red" if failed else "green")
        if not failed:
            return 0
        codes = set(self.exit_codes)
        return codes.pop() if len(codes) == 1 else 1

    def _until_stopped(self, items: Iterable[Item]) -> Iterator[Item]:
        """No item is asked for after a failure that ends the run: asking for it may be the work."""
        remaining = iter(items)
        while not self.stopped:
            try:
                yield next(remaining)
            except StopIteration:
                return

    def _summary(self, total: int) -> str:
        """`10 pictures: 9 repaired (5 noise, 4 haze), 1 left alone, in 3.2 s`; failures first."""
        failed = len(self.exit_codes)
        heads = [f"{failed} of {total} inputs failed"] if failed else []
        heads += ["stopped at the first failure"] if self.stopped else []
        done = []
        for outcome, kinds in self.outcomes.items():
            listed = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common() if kind)
            done.append(f"{kinds.total()} {outcome}" + (f" ({listed})" if listed else ""))
        if done:
            said = f"{', '.join(done)}, in {time.perf_counter() - self.started:.1f} s"
            heads.append(said if failed else f"{total} pictures: {said}")
        return "; ".join(heads)


def as_json(document: Mapping[str, Any]) -> str:
    """One line of JSON."""
    return json.dumps(document)
