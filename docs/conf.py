"""Sphinx builds the documentation from Markdown and docstrings, without the network."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

project = "darnet"
author = "The darnet contributors"
project_copyright = "The darnet contributors, Apache-2.0"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
default_role = "code"  # docstrings quote code as Markdown does
autodoc_member_order = "bysource"
autodoc_default_options = {"special-members": "__call__"}

html_theme = "furo"
html_title = "darnet"

ROOT = Path(__file__).parents[1]
#: Files of the repository that have a page here.
PAGES = {"ARCHITECTURE.md": "architecture.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
LINK = re.compile(r"\]\(([\w./-]+)\)")


def to_pages(app: Any, path: Path, docname: str, content: list[str]) -> None:
    """Turn links of an included file, which are relative to the repository, into those of a page of this folder."""
    content[0] = LINK.sub(lambda link: f"]({_target(link[1])})", content[0])


def _target(link: str) -> str:
    if link in PAGES or not (ROOT / link).exists():
        return PAGES.get(link, link)
    return link.removeprefix("docs/") if link.startswith("docs/") else f"../{link}"


def setup(app: Any) -> None:
    """A link that leads nowhere is a warning, and so an error of `make check`."""
    app.connect("include-read", to_pages)
