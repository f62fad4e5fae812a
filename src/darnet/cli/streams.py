"""The streams of the process: what is wrong with stdin or stdout is an error that names it, said once."""

from __future__ import annotations

import io
import os
import sys
from typing import Any, Literal, TypeAlias

from darnet.cli.lines import tell
from darnet.errors import DarnetError, refusal

Name: TypeAlias = Literal["stdin", "stdout", "stderr"]


class Stream(io.FileIO):
    """A stream of the process; `given`: whether there is one, or it was closed before the process began.

    Its first failure raises DarnetError, what comes after it is lost without a word: it is over, and Python writes once
    more what is left when the process ends. Where stderr fails nobody can be told.
    """

    def __init__(self, name: Name, descriptor: int, *, given: bool) -> None:
        super().__init__(descriptor, "r" if name == "stdin" else "w", closefd=False)
        self.called, self.given, self.failed = name, given, name == "stderr"

    def readall(self) -> bytes:
        """All that comes. Raises DarnetError."""
        self._check_given()
        try:
            return super().readall() or b""
        except OSError as error:
            raise DarnetError(f"{self.called}: {refusal(error)}") from None

    def write(self, data: Any, /) -> int:
        """Write some of it, and say how much. Raises DarnetError."""
        if self.failed and not self.given:
            return len(data)
        self._check_given()
        try:
            return super().write(data)
        except OSError as error:
            if self.failed:
                return len(data)
            self.failed = True
            raise DarnetError(f"{self.called}: {refusal(error)}") from None

    def _check_given(self) -> None:
        if not self.given:
            self.failed = True
            raise DarnetError(f"{self.called} is closed")


def take() -> None:
    """Put a `Stream` under each of the three; one that is closed gets a descriptor that no file is given meanwhile."""
    names: tuple[Name, ...] = ("stdin", "stdout", "stderr")
    for name in names:
        known = getattr(sys, name)
        if known is not None and not isinstance(known, io.TextIOWrapper):
            continue  # somebody's own, who calls us from Python
        descriptor = os.open(os.devnull, os.O_RDWR) if known is None else known.fileno()
        raw = Stream(name, descriptor, given=known is not None)
        encoding = "utf-8" if known is None else known.encoding
        buffer = io.BufferedReader(raw) if name == "stdin" else io.BufferedWriter(raw)
        # A file name or a σ that the terminal cannot show is escaped.
        text = io.TextIOWrapper(buffer, encoding, "backslashreplace", line_buffering=name == "stderr" or raw.isatty())
        setattr(sys, name, text)


def finish(exit_code: int) -> int:
    """Write what is left for stdout; the exit code, which is another where that fails."""
    try:
        sys.stdout.flush()
    except DarnetError as error:
        tell(str(error), "red")
        return exit_code or error.exit_code
    return exit_code
