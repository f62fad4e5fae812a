"""Where figures come from: the commit and the machine. Without them a figure is not quoted."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import darnet
from darnet.engines.devices import environment, pick_device


def provenance(device: str) -> dict[str, Any]:
    """JSON form of both."""
    return {"commit": commit(), "machine": {**environment(pick_device(device)), "cores": os.cpu_count()}}


def commit() -> str | None:
    """The commit that darnet is run from, marked where the package differs from it; None outside a checkout."""
    folder = str(Path(darnet.__file__).parent)

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "__init__.py")  # not the checkout of something that darnet is installed in
        changed = git("status", "--porcelain", "--", ".")
        return git("rev-parse", "--short=10", "HEAD") + ("-dirty" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None
