"""What was done to each picture, as JSON: a line each for --json, one file for --report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from darnet import __version__
from darnet.cli import outputs
from darnet.errors import UsageError


@dataclass(frozen=True)
class Entry:
    """One picture. `output` is None where nothing was written.

    `result` is what `Result.to_dict` says, not the `Result`: that holds the pixels, and a folder has many pictures.
    """

    input: str
    output: str | None
    result: Mapping[str, Any] | None
    error: str | None

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self)


@dataclass
class Report:
    """Everything that one run did, with what is needed to do it again."""

    path: Path | None
    model: str
    settings: dict[str, Any]
    entries: list[Entry] = field(default_factory=list)

    def check(self, jobs: Sequence[outputs.Job]) -> None:
        """Raise UsageError if the report would replace a picture, ImageError if it cannot be written."""
        if self.path is None:
            return
        pictures = [path for job in jobs for path in (job.source.path, job.output)]
        if self.path in pictures or outputs.is_same_file(self.path, pictures):
            raise UsageError(f"--report {self.path}: that is a picture of this run")
        outputs.check_writable(self.path)

    def write(self) -> None:
        """Write the file, if one was asked for. Raises ImageError."""
        if self.path is None:
            return
        document = {
            "darnet": __version__,
            "model": self.model,
            "settings": self.settings,
            "pictures": [entry.to_dict() for entry in self.entries],
        }
        from darnet.images.image import write_bytes

        outputs.make_folder(self.path)
        write_bytes(self.path, (json.dumps(document, indent=2) + "\n").encode())
