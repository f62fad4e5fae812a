"""What the tests of deploy/ share: its files, and the command line in them as darnet reads it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from darnet.cli.app import build
from darnet.images.budget import bytes_of
from darnet.service.limits import Limits

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
#: The number of the image's user, who is given the token.
USER = "10001"
#: Bytes of the process that listens, and of a worker with all that it loads and a small picture: docs/how-to/serve.md.
LISTENER, WORKER = 300e6, 650e6
#: After its time a service ends connections within so long (`LAST_WORDS_SECONDS`), and its workers.
ENDING_SECONDS = 10
SUFFIXES = {"k": 2**10, "m": 2**20, "g": 2**30}


def parsed(arguments: Sequence[str]) -> dict[str, Any]:
    """The options of `darnet serve`, as the command line reads them. Raises typer's errors for what it has not."""
    name, *rest = arguments
    command = build().commands[name]
    assert name == "serve"
    return dict(command.make_context(name, rest).params)


def limits_of(options: dict[str, Any]) -> Limits:
    """What such a service takes."""
    largest = bytes_of(options["max_bytes"], parameter="max_bytes")
    jobs = {name: options[name] for name in ("jobs", "job_files", "keep_seconds")}
    jobs["job_bytes"] = bytes_of(options["job_bytes"], parameter="job_bytes")
    return Limits(options["workers"], options["queue"], options["timeout"], largest, options["max_pixels"], **jobs)


def size(text: str) -> int:
    """Bytes, as containers, systemd and nginx write them: `1500m`."""
    return int(text[:-1]) * SUFFIXES[text[-1].lower()]
