"""Write the README's table of figures from benchmarks/darnet.json; with --check, only say whether it is up to date.

python scripts/readme.py [--check]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

README, BENCHMARK = Path("README.md"), Path("benchmarks/darnet.json")
BEGIN, END = "<!-- figures: scripts/readme.py -->", "<!-- /figures -->"
SYMBOLS = {"noise": "noise σ", "blur": "Gaussian blur σ", "overexposure": "overexposure gain"}


def table(benchmark: dict[str, Any]) -> str:
    """Markdown: the CBSD68 rows, then the router, then where the figures come from."""
    lines = ["| CBSD68, all 68 photos | damaged: dB / SSIM | restored: dB / SSIM |", "|---|---|---|"]
    for row in benchmark["rows"]:
        if row["suite"] == "CBSD68" and row["kind"] != "clean":
            damaged, restored = (f"{row[f'psnr{k}']:.2f} / {row[f'ssim{k}']:.3f}" for k in ("_in", ""))
            lines.append(f"| {SYMBOLS[row['kind']]} {row['level']:g} | {damaged} | {restored} |")
    router = benchmark["router"]
    lines += [
        "",
        f"The router names {100 * router['accuracy']:.1f} % of {router['pictures']} pictures rightly (CBSD68 and "
        "McMaster, clean and damaged as above), and calls "
        f"{100 * router['clean_called_damaged']:.1f} % of the clean ones damaged.",
        "",
        f"Protocol: {benchmark['protocol']}; SSIM with an 11×11 Gaussian window; diagnosis included. "
        f"`{benchmark['command']}`, commit {benchmark['commit']}, {benchmark['machine']}.",
    ]
    return "\n".join(lines)


def updated(readme: str, benchmark: dict[str, Any]) -> str:
    """The README with its figures replaced."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table(benchmark)}\n{END}{after}"


def main() -> int:
    """Exit code 1 where --check finds a difference."""
    readme = README.read_text(encoding="utf-8")
    wanted = updated(readme, json.loads(BENCHMARK.read_text(encoding="utf-8")))
    if "--check" in sys.argv[1:]:
        return int(readme != wanted)
    README.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
