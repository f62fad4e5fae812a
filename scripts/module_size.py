"""Fail when a module has grown past what is read in one sitting."""

from __future__ import annotations

import sys
from pathlib import Path

MAX_LINES = 300


def main() -> int:
    sizes = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in Path("src").rglob("*.py")}
    too_long = {path: lines for path, lines in sorted(sizes.items()) if lines > MAX_LINES}
    for path, lines in too_long.items():
        print(f"{path}: {lines} lines, at most {MAX_LINES} are allowed", file=sys.stderr)
    return 1 if too_long else 0


if __name__ == "__main__":
    sys.exit(main())
