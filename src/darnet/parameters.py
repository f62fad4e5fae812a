"""Parameters as texts of the core name them, in backticks and as Python writes values: `kinds=['haze']`, `first=True`.

Who speaks to somebody else than a caller from Python says them in that one's words: a command line its flags, a service
the fields of a form. A backtick of a file's name is escaped (`darnet.errors.named`).
"""

from __future__ import annotations

import re
from ast import literal_eval
from collections.abc import Callable
from typing import Any

#: A value, which is written as Python writes it, may hold backticks itself.
LITERAL = r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[^`'"]"""
PARAMETER = rf"`(?P<name>[a-z_]+)(?:=(?P<value>(?:{LITERAL})*))?`"
ESCAPED = r"(?P<escaped>\\`)"


def value_of(written: str | None) -> Any:
    """What was written; a name or a number that is none is a word.

    >>> value_of("['haze']"), value_of("cpu"), value_of(None)
    (['haze'], 'cpu', None)
    """
    try:
        return None if written is None else literal_eval(written)
    except (SyntaxError, ValueError):
        return written


def reworded(text: str, say: Callable[[str, Any], str]) -> str:
    """A text with what `say` makes of each parameter, of which it is told the name, and the value where there is one.

    >>> reworded("`keep=True`: takes room", lambda name, value: f"{name.upper()} {value}")
    'KEEP True: takes room'
    """

    def found(match: re.Match[str]) -> str:
        return "`" if match["escaped"] else say(match["name"], value_of(match["value"]))

    return re.sub(f"{ESCAPED}|{PARAMETER}", found, text)
