"""scripts/documented.py: what is checked of a page is its Python, where it stands."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_lines_stand_where_they_stand_on_the_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Title\n\n```python\nx = 1\n```\n\n```sh\nls\n```\n\n```python\n\ny = x\n```\n")
    lines = runpy.run_path(str(ROOT / "scripts" / "documented.py"))["lines"]
    found = lines(page).splitlines()
    assert {number: line for number, line in enumerate(found, 1) if line} == {4: "x = 1", 13: "y = x"}


def test_the_readme_and_the_tutorial_are_among_what_is_checked() -> None:
    lines = runpy.run_path(str(ROOT / "scripts" / "documented.py"))["lines"]
    for name in ("README.md", "docs/tutorial.md", "docs/how-to/add-an-expert.md"):
        assert "darnet.load" in lines(ROOT / name), name
