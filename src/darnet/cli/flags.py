"""Parameters, and functions, as a user of the command line knows them.

Errors and warnings of the core name a parameter in backticks, with its value where that matters: `kinds=['haze']`. Here
it becomes its flag, `--as haze`: that of the command that is run, or of another where that command has none. So an
option of a command is called what the parameter is that it ends in. A function that a text names becomes its command.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

from darnet.parameters import ESCAPED, PARAMETER, value_of

#: Functions of the core that a text of it may name, and what does the same on the command line.
COMMANDS = {"`assembly.add`": "`darnet experts add`"}
#: What is looked for beside it: a backtick of a file's name (`darnet.errors.named`), and functions.
SPOKEN = rf"{ESCAPED}|(?P<function>{'|'.join(map(re.escape, COMMANDS))})|{PARAMETER}"


#: The command line that is run.
_run: ContextVar[tuple[str, ...]] = ContextVar("run", default=())


@contextmanager
def running(arguments: Sequence[str]) -> Iterator[None]:
    """What is said inside is about this command line."""
    before = _run.set(tuple(arguments))
    try:
        yield
    finally:
        _run.reset(before)


def spoken(text: str) -> str:
    """A text of the core, with flags in place of parameters: those of the command that is run (`running`).

    What of its command line the text repeats is left as it was given.

    >>> with running(["restore", "a.jpg"]):
    ...     print(spoken("`strength=2`: expected 0 to 1"))
    --strength 2: expected 0 to 1
    """
    arguments = _run.get()
    values = [part for argument in arguments for part in (argument, argument.partition("=")[2]) if "`" in part]
    given = "|".join(map(re.escape, values)) or "(?!)"

    def say(found: re.Match[str]) -> str:
        if found["escaped"]:
            return "`"
        if found["function"]:
            return COMMANDS[found["function"]]
        return _flag(found, arguments) if found["name"] else found[0]

    return re.sub(rf"{given}|{SPOKEN}", say, text)


def _flag(found: re.Match[str], arguments: tuple[str, ...]) -> str:
    option = next((known[found["name"]] for known in _options(arguments) if found["name"] in known), None)
    if option is None:
        return found[0]
    value = value_of(found["value"])
    if isinstance(value, bool):
        return str((option.opts if value else option.secondary_opts)[-1])
    flag = next(flag for flag in option.opts if flag.startswith("--"))
    if isinstance(value, dict):
        value = ",".join(f"{name}={one:g}" for name, one in value.items())
    values = value if isinstance(value, list) else [value]
    return " ".join(flag if one is None else f"{flag} {one}" for one in values)


def _options(arguments: Sequence[str]) -> list[dict[str, Any]]:
    """The options of the command that is run, of its group, and of all others, by the names of their parameters."""
    known = commands()

    def nearness(name: str) -> list[bool]:
        return [word == argument for word, argument in zip(name.split(), arguments, strict=False)]

    return [known[name] for name in sorted(known, key=nearness, reverse=True)]


@cache
def commands() -> dict[str, dict[str, Any]]:
    """Every command with its options, in the order of the help."""
    from darnet.cli.app import build

    found: dict[str, Any] = {}
    for name, command in vars(build())["commands"].items():
        inner = getattr(command, "commands", {})
        found |= {f"{name} {part}": member for part, member in inner.items()} if inner else {name: command}
    return {name: {one.name: one for one in command.params if _is_option(one)} for name, command in found.items()}


def _is_option(parameter: Any) -> bool:
    return any(name.startswith("--") for name in parameter.opts)
