from __future__ import annotations

import tomllib
from pathlib import Path

from darnet.version import __version__


def test_the_version_is_the_projects() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert __version__ == project["version"]
