"""Write every figure that the README and docs/benchmarks.md quote, from benchmarks/*.json.

python scripts/readme.py
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from darnet.benchmark import suites
from darnet.benchmark.report.cells import damage, pair, table
from darnet.benchmark.report.html import frontier
from darnet.benchmark.rows import Row
from darnet.benchmark.suite import AnyDocument

README, PAGE, FOLDER = Path("README.md"), Path("docs/benchmarks.md"), Path("benchmarks")
FRONTIER = Path("docs/frontier.svg")
#: What the drawing is of: noise of this σ, and the time of a picture with such sides.
SIGMA_255, SIDE_PX = 25, 1024
BEGIN, END = "<!-- figures: scripts/readme.py -->", "<!-- /figures -->"
KINDS = {
    "noise": "noise σ",
    "blur": "Gaussian blur σ",
    "overexposure": "overexposure gain",
    "jpeg": "JPEG quality",
    "motion": "motion blur, path of px",
}
#: Real damage, and damage of published test sets.
SETS = {"rain": "Rain100L", "haze": "SOTS-indoor", "lowlight": "LOLv1", "motion": "GoPro-like"}
#: Who else stands in the README's table, by kind.
PEERS = {"noise": "ffdnet", "blur": "wiener", "overexposure": "divide"}
NAMES = {"ffdnet": "FFDNet", "wiener": "Wiener filter", "divide": "division by the gain"}
TITLES = {
    "table1": "Table I of DaR-Net: denoising",
    "table2": "Table II of DaR-Net: three phases",
    "3-task": "Three tasks of the all-in-one papers",
    "5-task": "Five tasks of the all-in-one papers",
    "study-daair": "Parts of DaAIR in small, after 1900 steps each",
    "study-slerir": "Parts of SLER-IR in small, after 1900 steps each",
    "study-3-task": "The same and those of DaAIR's study, on three of their tasks",
    "composite": "Several kinds of damage at once, and damage in one part",
    "real": "Real damage: pairs of photos",
    "stored": "Damage that went through a JPEG file",
    "sensor": "Noise of a sensor, through a JPEG file",
    "exposure": "Too much and too little light",
    "clean": "Clean photos, which must stay as they are",
    "graphics": "Made pictures that are no photos, which must stay as they are",
    "noise": "Noise, clipped",
    "noise-kair": "Noise, float",
    "noise-peers": "Noise, with the slow peers, on 12 photos",
    "blur": "Gaussian blur",
    "blur-peers": "Gaussian blur, with the slow peers, on 12 photos",
    "overexposure": "Overexposure",
    "haze": "Haze",
    "rain": "Rain",
    "motion": "Motion blur",
    "lowlight": "Low light",
    "jpeg": "JPEG",
    "end-to-end": "The price of a wrong diagnosis",
    "router": "Router",
    "speed": "Speed",
}

Documents = Mapping[str, AnyDocument]


def read() -> Documents:
    """Every document of benchmarks/, by name."""
    return {path.stem: suites.read(path) for path in sorted(FOLDER.glob("*.json"))}


def figures(documents: Documents) -> str:
    """The README's table, the router in a sentence, and where all of it comes from."""
    lines = []
    for kind, name in KINDS.items():
        rows = _rows(documents, kind, "CBSD68")
        for level in sorted({level for _, level in rows}):
            lines.append((f"{name} {level:g}", *_cells(rows, level, PEERS.get(kind))))
    for kind, name in SETS.items():
        rows = _rows(documents, kind, name)
        lines.append((f"{kind}: {name}, {rows['darnet', None].n} pairs", *_cells(rows, None, None)))
    lines += [line for suite in ("stored", "real") if suite in documents for line in _people_have(documents[suite])]
    router, first = documents["router"].found.router["darnet"], documents["noise"]
    (speed,) = (row for row in against_time(documents) if row.method == "darnet")
    machine = first.machine
    return "\n".join(
        [
            table(
                (
                    "CBSD68, all 68 photos",
                    "damaged: dB / SSIM",
                    "darnet: dB / SSIM",
                    "a peer that is told the severity",
                ),
                lines,
            ),
            "",
            f"The router names {100 * router.accuracy:.1f} % of {router.pictures} pictures rightly (CBSD68 and "
            "McMaster, clean and with each of eight kinds of damage at three severities), and calls "
            f"{100 * router.clean_called_damaged:.1f} % of the clean ones damaged; "
            f"{100 * router.false_repairs:.1f} % so surely that they are repaired. "
            f"A picture of 1024×1024 pixels takes {speed.ms_per_megapixel * 1.024**2:.0f} ms by torch in float32, "
            "diagnosis included.",
            "",
            f"![Denoising quality against time]({FRONTIER})",
            "",
            f"Noise of σ {SIGMA_255} on CBSD68, against the time of a picture of {SIDE_PX}×{SIDE_PX} pixels on every "
            "core, in one run. `%` names who runs the networks; what is hollow is told the severity.",
            "",
            f"Protocol {first.part.protocol}. Commit {first.commit}, {machine['cores']} cores of "
            f"{machine['machine']}, torch {machine['torch']}, {machine['device']}. More figures, other protocols and "
            "the commands are in [benchmarks](docs/benchmarks.md).",
        ]
    )


def _people_have(document: AnyDocument) -> list[tuple[str, ...]]:
    """What people really have: damage under JPEG, and real pairs; with diagnosis."""
    found: dict[tuple[Any, ...], dict[str, Row]] = {}
    for row in document.part.rows:
        found.setdefault(row.place, {})[row.method] = row
    lines = []
    for (name, kind, level, way), rows in found.items():
        if name in SETS.values():  # stands above
            continue
        if document.suite == "real":
            what = f"real {kind}: {name}, {rows['darnet'].n} pairs"
        else:
            what = damage(kind, level, way)
        lines.append((what, *(pair(rows[m].psnr, rows[m].ssim) for m in ("identity", "darnet")), "–"))
    return lines


def _rows(documents: Documents, kind: str, name: str) -> dict[tuple[str, float | None], Row]:
    return {(row.method, row.level): row for row in documents[kind].part.rows if row.set == name}


def _cells(rows: Mapping[tuple[str, float | None], Row], level: float | None, peer: str | None) -> tuple[str, str, str]:
    damaged, restored, other = (
        pair(row.psnr, row.ssim) if (row := rows.get((method, level))) else "–"
        for method in ("identity", "darnet", peer or "")
    )
    return damaged, restored, f"{other} ({NAMES[peer]})" if peer else other


def page(documents: Documents) -> str:
    """docs/benchmarks.md: every document as tables."""
    lines = [
        "# Benchmarks",
        "",
        "Written by `scripts/measure ROOT` from `benchmarks/*.json`, which hold the figures of every single picture.",
        "What a protocol is, and how to measure your own weights: [protocols](protocols.md),",
        "[how to measure](how-to/measure.md).",
        "Intervals are 95 % bootstrap intervals of the mean over pictures. `told` is what a method knows beforehand.",
        "`ms/MP` counts whatever else the machine did: compare times in the table of speed, which is measured alone.",
    ]
    for name, title in TITLES.items():
        if name not in documents:  # nobody has measured it yet
            continue
        document = documents[name]
        machine = ", ".join(f"{key} {value}" for key, value in document.machine.items())
        lines += ["", f"## {title}", "", suites.markdown(document), ""]
        lines += [f"`{document.command}`, commit {document.commit}; {machine}."]
    return "\n".join(lines) + "\n"


def against_time(documents: Documents) -> list[Row]:
    """Who denoises how well, as `noise` found, and in which time on every core, as `speed` did."""
    paces = [pace for pace in documents["speed"].found.paces if pace.size_px == SIDE_PX]
    cores = max(pace.threads for pace in paces)
    times = {pace.method: pace.ms_per_megapixel for pace in paces if pace.threads == cores}
    rows = [row for row in documents["noise"].part.rows if (row.set, row.level) == ("CBSD68", SIGMA_255)]
    return [replace(row, ms_per_megapixel=times[row.method]) for row in rows if row.method in times]


def updated(readme: str, documents: Documents) -> str:
    """The README with its figures replaced."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{figures(documents)}\n{END}{after}"


def main() -> None:
    """Write the files."""
    documents = read()
    README.write_text(updated(README.read_text(encoding="utf-8"), documents), encoding="utf-8")
    PAGE.write_text(page(documents), encoding="utf-8")
    FRONTIER.write_text(frontier(against_time(documents)), encoding="utf-8")


if __name__ == "__main__":
    main()
