"""What a command that goes through pictures says: lines to stdout, trouble and progress to stderr, an exit code."""

from __future__ import annotations

import json
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from darnet.cli.flags import spoken
from darnet.cli.lines import Line, tell, visible
from darnet.cli.pace import Pace
from darnet.errors import NoInputError, explain
from darnet.notices import overheard

if TYPE_CHECKING:
    from darnet.jobs import Done

Item = TypeVar("Item")
#: What rich calls the first task of a `Progress`, which here is the only one.
FIRST = 0
#: The outcome of a picture that no line is said about.
ALREADY = "done already"


@dataclass
class Attempt:
    """One picture's turn: the reason why it failed, if it did, and what else a reader should know of it."""

    error: str | None = None
    warnings: list[str] = field(default_factory=list)

    def warn(self, text: str) -> None:
        """Something a reader should know although nothing failed."""
        self.warnings.append(text)


@dataclass
class Bar:
    """How many pictures are done. `progress`: rich's, None where nobody watches; `describe`: what it says of one."""

    progress: Any = None
    describe: Callable[[Any], str] = lambda _: ""
    total: int = 0

    def expect(self, pictures: int) -> None:
        """So many pictures more."""
        self.total += pictures
        if self.progress:
            self.progress.update(FIRST, total=self.total)

    def advance(self, done: object) -> None:
        """One picture is done."""
        if self.progress:
            self.progress.update(FIRST, advance=1, description=self.describe(done))


@dataclass
class Session:
    """A run over pictures in which one failure does not end the others."""

    quiet: bool = False
    verbose: bool = False
    lines: TextIO | None = None  # where lines about pictures go; None: stdout
    exit_codes: list[int] = field(default_factory=list)  # one per failure
    outcomes: dict[str, Counter[str]] = field(default_factory=dict)  # what was done -> of which kind -> to how many
    told: int = 0  # outcomes
    left_out: int = 0  # of folders, since it is no picture
    pace: Pace = field(default_factory=Pace)

    def say(self, line: str | Line) -> None:
        """A line about a picture."""
        if not self.quiet:
            stream = self.lines or sys.stdout
            print(line.on(stream) if isinstance(line, Line) else visible(line), file=stream, flush=True)

    def count(self, outcome: str, kind: str = "") -> None:
        """One picture more of which the closing summary says this."""
        self.outcomes.setdefault(outcome, Counter())[kind] += 1

    def warn(self, name: str, text: str) -> None:
        """Something a reader should know although nothing failed."""
        if not self.quiet:
            tell(f"{visible(name)}: warning: {spoken(text)}", "yellow")

    def note(self, text: str) -> None:
        """Something about the run that a reader should know."""
        if not self.quiet:
            tell(visible(text))

    def detail(self, name: str, text: str) -> None:
        """What only --verbose shows."""
        if self.verbose:
            tell(f"{visible(name)}: {text}")

    def fail(self, name: str, reason: str, exit_code: int = 1) -> None:
        """Count a failure and say why, in one line."""
        self.exit_codes.append(exit_code)
        tell(f"{visible(name)}: {spoken(reason)}", "red")

    def leave_out(self, found: Sequence[tuple[str, str]]) -> None:
        """What lies in a folder and is no picture, each with the reason; that is no failure."""
        self.left_out += len(found)
        for name, reason in found if not self.quiet else ():
            tell(f"{visible(name)}: left out: {spoken(reason)}", "yellow")

    @contextmanager
    def attempt(self, name: str, path: Path | None = None) -> Iterator[Attempt]:
        """Whatever goes wrong inside is this picture's failure, and nobody else's."""
        attempt = Attempt()
        try:
            with overheard() as said:
                try:
                    yield attempt
                finally:
                    for warning in said:
                        attempt.warn(warning.beside(path))
                    for text in attempt.warnings:
                        self.warn(name, text)
        except Exception as error:
            reason, exit_code = explain(error, path)
            attempt.error = spoken(reason)
            self.fail(name, reason, exit_code)
            if self.verbose:
                traceback.print_exc()

    @contextmanager
    def listening(self, name: str, path: Path | None = None) -> Iterator[None]:
        """What is said of pictures inside is told, under this name; `path`: the file that is called so."""
        with overheard() as said:
            try:
                yield
            finally:
                for warning in said:
                    self.warn(name, warning.beside(path))

    def each(self, items: Iterable[Item], total: int) -> Iterator[Item]:
        """The items, with a progress bar where there are several."""
        with self.bar(lambda _: str(self.pace)) if total > 1 else nullcontext(Bar()) as bar:
            bar.expect(total)
            for item in items:
                yield item
                bar.advance(item)

    @contextmanager
    def bar(self, describe: Callable[[Any], str] = lambda _: "") -> Iterator[Bar]:
        """A progress bar on stderr where somebody is watching; `describe`: what it says of the picture done last."""
        if self.quiet or not sys.stderr.isatty():
            yield Bar()
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
        # rich would send stdout through its console, which is stderr: right on a terminal, wrong in a pipe.
        watched = sys.stdout.isatty()
        with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=watched) as progress:
            progress.add_task("", total=0)
            yield Bar(progress, describe)

    def finish(self, total: int, *, stopped: bool = False, elsewhere: int = 0) -> int:
        """The exit code, after a summary where there is something to sum up.

        `stopped`: by the first failure. `elsewhere`: pictures that other machines restore; of a few, all may be.
        """
        failed = len(self.exit_codes)
        if not total and not elsewhere:
            return NoInputError.exit_code
        if self.pace.spent and total > 1:
            self.detail(f"{total} pictures", self.pace.shares)
        done = self.outcomes or elsewhere
        if (total > 1 or self.left_out or elsewhere or ALREADY in self.outcomes) and (
            failed or (done and not self.quiet)
        ):
            tell(self._summary(total, stopped=stopped, elsewhere=elsewhere), "red" if failed else "green")
        if not failed:
            return 0
        codes = set(self.exit_codes)
        return codes.pop() if len(codes) == 1 else 1

    def _summary(self, total: int, *, stopped: bool, elsewhere: int) -> str:
        """`10 pictures: 9 repaired (5 noise, 4 haze), 1 left alone, in 3.2 s`; failures first."""
        failed = len(self.exit_codes)
        heads = [f"{failed} of {total} inputs failed"] if failed else []
        heads += ["stopped at the first failure"] if stopped else []
        done = []
        for outcome, kinds in self.outcomes.items():
            listed = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common() if kind)
            done.append(f"{kinds.total()} {outcome}" + (f" ({listed})" if listed else ""))
        if done:
            said = f"{', '.join(done)}, in {self.pace.seconds:.1f} s"
            said += f" ({self.pace})" if self.pace.pictures > 1 else ""
            heads.append(said if failed else f"{total} picture{'s' * (total > 1)}: {said}")
        heads += [f"{self.left_out} left out of folders"] if self.left_out else []
        heads += [f"{elsewhere} left to other shards"] if elsewhere else []
        return "; ".join(heads)


def as_json(document: Mapping[str, Any]) -> str:
    """One line of JSON."""
    return json.dumps(document)


def as_user(done: Done) -> Done:
    """What became of a picture, with flags in place of parameters."""
    treatment, error = done.treatment, done.error
    if treatment is not None:
        treatment = replace(treatment, warnings=tuple(map(spoken, treatment.warnings)))
    return replace(done, treatment=treatment, error=None if error is None else spoken(error))
