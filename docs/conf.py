"""Sphinx builds the documentation from Markdown, without the network."""

from __future__ import annotations

project = "darnet"
author = "The darnet contributors"
project_copyright = "The darnet contributors, Apache-2.0"

extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
# The README links to folders and files of the repository, for which there is no page here.
suppress_warnings = ["myst.xref_missing"]

html_theme = "furo"
html_title = "darnet"
