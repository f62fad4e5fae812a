"""Fail when a module or a function has grown past what is read in one sitting."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

MAX_LINES = 300
#: Of what a function does: a signature with an option a line, and a docstring, are read otherwise.
MAX_BODY_LINES = 40


def main() -> int:
    found = [complaint for path in sorted(Path("src").rglob("*.py")) for complaint in complaints(path)]
    for complaint in found:
        print(complaint, file=sys.stderr)
    return 1 if found else 0


def complaints(path: Path) -> Iterator[str]:
    """What of a file is too long."""
    text = path.read_text(encoding="utf-8")
    lines = len(text.splitlines())
    if lines > MAX_LINES:
        yield f"{path}: {lines} lines, at most {MAX_LINES} are allowed"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[ast.get_docstring(node) is not None :]
            lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            if lines > MAX_BODY_LINES:
                yield f"{path}:{node.lineno}: {node.name} has {lines} lines, at most {MAX_BODY_LINES} are allowed"


if __name__ == "__main__":
    sys.exit(main())
