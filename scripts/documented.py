"""Check the types of every line of Python that the documentation shows, as strictly as the package's own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def lines(page: Path) -> str:
    """All of a page's Python, each line where it stands there, so that complaints name the right one."""
    text = page.read_text(encoding="utf-8")
    kept = [""] * text.count("\n")
    for block in BLOCK.finditer(text):
        first = text[: block.start(1)].count("\n")
        for number, line in enumerate(block[1].splitlines(), first):
            kept[number] = line
    return "\n".join(kept) + "\n"


def main() -> int:
    """mypy's exit code."""
    pages = [Path("README.md"), *sorted(Path("docs").glob("*.md")), *sorted(Path("docs/how-to").glob("*.md"))]
    with TemporaryDirectory() as scratch:
        for page in pages:
            if code := lines(page).strip("\n"):
                name = "_".join(page.with_suffix("").parts).replace("-", "_")
                Path(scratch, f"{name}.py").write_text(lines(page) if code else "", encoding="utf-8")
        files = sorted(map(str, Path(scratch).iterdir()))
        return subprocess.run([sys.executable, "-m", "mypy", *files], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
