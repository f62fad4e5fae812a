"""The command line: argv in, one line a picture out, and an exit code that a script can rely on.

0 all done · 1 some inputs failed · 2 usage · 3 no usable input · 4 weights · 5 resource limit · 130 interrupted
· 143 terminated.
Nothing heavy is imported before a command runs, so that `darnet --help` answers at once.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from darnet.cli import streams
from darnet.cli.flags import running, spoken
from darnet.cli.lines import tell
from darnet.errors import DarnetError, UsageError, explain

#: By Ctrl-C, and by SIGTERM.
ENDED = {130: "interrupted", 143: "terminated"}


def main() -> None:
    """Run `darnet` with the arguments of the process, and end the process."""
    streams.take()
    exit_code = streams.finish(run(sys.argv[1:]))
    gc.freeze()  # else Python looks through all that is there for garbage once more, before all of it goes
    sys.exit(exit_code)


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; what goes wrong is one line on stderr."""
    with running(arguments):
        try:
            return _run(arguments)
        finally:
            gc.unfreeze()  # what `no_collection` set aside: whoever runs a command may run on


def _run(arguments: Sequence[str]) -> int:
    import typer

    from darnet.cli.app import build

    try:
        _refuse_empty(arguments)
        # Commands return their exit code; --help, --version and an interrupt come back the same way.
        answer = build()(list(arguments), prog_name="darnet", standalone_mode=False)
    except DarnetError as error:
        return _complain(spoken(str(error)), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        answer = 130
    except Exception as error:
        # typer's own errors, which are usage errors; their class moved between its versions, the method did not.
        if hasattr(error, "format_message"):
            return _explain(error)
        if {"-v", "--verbose"} & set(arguments):
            raise
        return _complain(*explain(error))
    if answer in ENDED:
        return _complain(ENDED[answer], answer)
    return answer if isinstance(answer, int) else 0


def _refuse_empty(arguments: Sequence[str]) -> None:
    """Raise UsageError for an argument or value that is empty: a shell's unset variable, which a path takes for `.`."""
    for before, argument in pairwise(["darnet", *arguments]):
        if not argument:
            raise UsageError(f"'' after {before}: an empty argument names no file, folder or value")
        if argument.startswith("--") and argument.endswith("=") and "=" not in argument[:-1]:
            raise UsageError(f"{argument} is empty; give a value or leave it out")


def _explain(error: Any) -> int:
    """A usage error of typer's, and where to read on; a command that was given nothing at all answers with its help."""
    text = error.format_message().strip().replace(": Value error, ", ": ")  # pydantic's, which typer asks
    if "\n" in text:
        print(text, file=sys.stderr)
        return UsageError.exit_code
    command = getattr(getattr(error, "ctx", None), "command_path", "darnet")
    return _complain(text and f"{text.rstrip('.')}; {command} -h says what there is", UsageError.exit_code)


def _complain(text: str, exit_code: int) -> int:
    if text:
        tell(text, "red")
    return exit_code
