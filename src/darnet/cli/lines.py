"""What is said on a terminal: a line a picture, which fits it, and colour, which is nowhere else."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TextIO, TypeAlias

Hue: TypeAlias = Literal["green", "yellow", "red"]

#: Control characters, ends of lines, and what turns the direction of writing.
STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
#: Of a name that is cut in its middle this much is left at least.
SHORTEST_NAME = 12


@dataclass(frozen=True)
class Line:
    """What is said of one picture: `photo.jpg  noise 93 % (σ ≈ 24) -> noise expert  0.8 s -> photo.restored.jpg`.

    A file or a pipe gets all of it. A terminal gets what fits: what the rest tells as well, or nearly, goes first.
    """

    name: str
    verdict: str
    action: str = ""
    output: str = ""
    hue: Hue | None = None  # of the verdict

    def __post_init__(self) -> None:
        """Names may hold anything."""
        object.__setattr__(self, "name", visible(self.name))
        object.__setattr__(self, "output", visible(self.output))
        object.__setattr__(self, "action", visible(self.action))

    def __str__(self) -> str:
        """All of it."""
        return self._with(self.verdict)

    def on(self, stream: TextIO) -> str:
        """As this stream shows it."""
        if not stream.isatty():
            return str(self)
        fitting = self._fitting(shutil.get_terminal_size().columns)
        return fitting._with(coloured(fitting.verdict, self.hue, stream))

    def _with(self, verdict: str) -> str:
        return " -> ".join(part for part in (f"{self.name}  {verdict}", self.action, self.output) if part)

    def _fitting(self, columns: int) -> Line:
        from rich.cells import cell_len

        shorter = self
        for shorter in self._shorter():
            if cell_len(str(shorter)) <= columns:
                return shorter
        room = max(SHORTEST_NAME, cell_len(shorter.name) - cell_len(str(shorter)) + columns)
        return replace(shorter, name=_cut(shorter.name, room))

    def _shorter(self) -> Iterator[Line]:
        """Less and less of it: folders, the output, severities, the action."""
        yield self
        named = replace(self, name=Path(self.name).name, output=_place(self.output, self.name))
        yield named
        yield (told := replace(named, output=""))
        yield (bare := replace(told, verdict=re.sub(r" \([^)]*\)", "", self.verdict)))
        yield replace(bare, action="")


def _place(output: str, name: str) -> str:
    """The folder of an output that is called as its input, else its name."""
    path = Path(output)
    return f"{path.parent}{os.sep}" if output and path.name == Path(name).name else path.name


def _cut(name: str, columns: int) -> str:
    """A name without its middle."""
    from rich.cells import cell_len, set_cell_size

    if cell_len(name) <= columns:
        return name
    tail = set_cell_size(name[::-1], columns // 2)[::-1]
    return f"{set_cell_size(name, columns - columns // 2 - 1)}…{tail}"


def visible(text: str) -> str:
    r"""Text with what would steer a terminal escaped: a name may hold control characters, and turns of direction.

    >>> visible("\x1b[31mred\n.png")
    '\\x1b[31mred\\n.png'
    """
    return STEERING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def coloured(text: str, hue: Hue | None, stream: TextIO) -> str:
    """Text in a colour where a person sees it who has not set NO_COLOR (no-color.org)."""
    if hue is None or not stream.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    from typer import style

    return style(text, fg=hue)


def tell(text: str, hue: Hue | None = None) -> None:
    """One line to stderr, under the program's name."""
    print(coloured("darnet:", hue, sys.stderr), visible(" ".join(text.splitlines())), file=sys.stderr, flush=True)
