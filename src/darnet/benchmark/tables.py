"""What was found, as Markdown: a table a suite, and the tables of papers with their rows beside ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from darnet.benchmark import composite, gains, untouched
from darnet.benchmark.cells import number, pair, percent, table, with_interval
from darnet.benchmark.rows import one_protocol
from darnet.benchmark.tasks import TASKS, tasks

Row = dict[str, Any]

SIGMAS = (15.0, 25.0, 50.0)
#: Table I of DaR-Net, PSNR and SSIM at σ 15, 25, 50 as it prints them. None: not given.
PAPER_TABLE1: Mapping[str, tuple[tuple[float, float | None], ...]] = {
    "AirNet": ((33.92, 0.933), (31.26, 0.888), (28.00, 0.797)),
    "Restormer": ((31.96, None), (29.51, None), (26.62, None)),
    "PromptIR": ((33.98, 0.933), (31.31, 0.888), (28.06, 0.799)),
    "DaAIR": ((33.92, 0.930), (31.26, 0.884), (28.00, 0.792)),
    "MoCE-IR": ((34.08, 0.933), (31.42, 0.888), (28.16, 0.798)),
    "MEASNet": ((34.12, 0.935), (31.46, 0.892), (28.19, 0.803)),
    "DaR-Net": ((33.55, 0.933), (31.03, 0.890), (27.65, 0.804)),
}
#: What the figures of both tables are means over.
PAPER_SET, PAPER_PICTURES = "CBSD68", 68
#: Which of them belong beside which protocol: DaR-Net's figures fit the grey photos, the others are clipped colour.
PAPER_PROTOCOL: Mapping[str, tuple[str, ...]] = {
    "darnet": ("DaR-Net",),
    "promptir": ("AirNet", "Restormer", "PromptIR", "DaAIR", "MEASNet"),
    "moceir": ("MoCE-IR",),
}
#: Table II of DaR-Net: corrupted, then phases 1 to 3.
PAPER_TABLE2: Mapping[str, tuple[str, ...]] = {
    "noise": ("20.48 / .391", "31.03 / .890", "31.03 / .890", "31.03 / .890"),
    "blur": ("26.07 / .744", "26.07 / .744", "30.20 / .906", "30.20 / .906"),
    "overexposure": ("11.98 / .768", "11.98 / .768", "11.98 / .768", "20.44 / .891"),
}


def markdown(document: Mapping[str, Any]) -> str:
    """The tables of a document of any suite. Raises DarnetError where rows of different protocols would meet."""
    suite = document["suite"]
    if suite == "table1":
        return "\n\n".join(table1(part) for part in document["parts"])
    if suite == "table2":
        return table2(document)
    if suite in TASKS:
        return tasks(document)
    for name, write in (("gains", gains.markdown), ("touched", untouched.markdown)):
        if name in document:
            return f"{write(document[name], document['rows'])}\n\nProtocol {document['protocol']['text']}."
    parts = [plain(document["rows"])] if suite != "router" else []
    if suite == "end-to-end":
        parts.append(prices(document["prices"]))
    parts += [router(name, figures) for name, figures in document.get("router", {}).items()]
    if suite == composite.SUITE:
        parts += [*composite.path_tables(document["paths"]), composite.described(document["levels"])]
    return "\n\n".join([*parts, f"Protocol {document['protocol']['text']}."])


def plain(rows: Sequence[Row]) -> str:
    """One line a row: means with 95 % intervals, and what they cost."""
    one_protocol(rows)
    title = (
        "method",
        "set",
        "kind",
        "level",
        "PSNR, dB [95 %]",
        "SSIM [95 %]",
        "n",
        "told",
        "M params",
        "GMAC",
        "ms/MP",
        "MB",
    )
    lines = [
        (
            row["method"],
            row["set"],
            row["kind"],
            number(row["level"], "g"),
            with_interval(row, "psnr", ".2f"),
            with_interval(row, "ssim", ".4f"),
            f"{row['n']}" + (f" ({row['failed']} failed)" if row["failed"] else ""),
            row["told"] or "–",
            number(None if row["params"] is None else row["params"] / 1e6, ".2f"),
            number(row["gmacs_256"], ".1f"),
            number(row["ms_per_megapixel"], ".0f"),
            number(row["peak_mb"], ".0f"),
        )
        for row in rows
    ]
    return table(title, lines)


def prices(found: Sequence[Row]) -> str:
    """What a wrong diagnosis costs."""
    lines = [
        (
            entry["method"],
            entry["set"],
            f"{entry['kind']} {number(entry['level'], 'g')}",
            f"{entry['psnr']:.2f}",
            f"{entry['oracle']:.2f}",
            f"{entry['price_db']:.2f}",
            str(entry["misrouted"]),
        )
        for entry in found
    ]
    return table(("method", "set", "damage", "diagnosed, dB", "oracle, dB", "price, dB", "misrouted"), lines)


def router(name: str, figures: Mapping[str, Any]) -> str:
    """Confusion matrix (rows are the truth) and what follows from it."""
    confusion = figures["confusion"]
    kinds = sorted({*confusion, *(kind for named in confusion.values() for kind in named)})
    lines = [(kind, *(str(confusion[kind].get(named, 0)) for named in kinds)) for kind in kinds if kind in confusion]
    facts = [f"{name}: {percent(figures['accuracy'])} of {figures['pictures']} pictures named rightly"]
    facts.append(f"expected calibration error {percent(figures['calibration_error'])}")
    if figures["clean_called_damaged"] is not None:
        facts.append(f"clean called damaged {percent(figures['clean_called_damaged'])}")
        facts.append(f"clean that would be repaired {percent(figures['false_repairs'])}")
    return f"{table(('is, called', *kinds), lines)}\n\n{'; '.join(facts)}."


def table1(document: Mapping[str, Any]) -> str:
    """Denoising, the paper's rows beside ours; one table a protocol."""
    one_protocol(document["rows"])
    name = document["protocol"]["name"]
    lines = []
    for method in PAPER_PROTOCOL.get(name, ()):
        figures = PAPER_TABLE1[method]
        cells = [f"{psnr:.2f} / {'–' if ssim is None else f'{ssim:.3f}'}" for psnr, ssim in figures]
        mean = sum(psnr for psnr, _ in figures) / len(figures)
        lines.append((method, "as the DaR-Net paper prints it", *cells, f"{mean:.2f}"))
    for (method, set_name), rows in _grouped(document["rows"]):
        found = {row["level"]: row for row in rows}
        cells = [pair(found[sigma]["psnr"], found[sigma]["ssim"]) if sigma in found else "–" for sigma in SIGMAS]
        known = [found[sigma]["psnr"] for sigma in SIGMAS if sigma in found and found[sigma]["psnr"] is not None]
        mean_db = f"{sum(known) / len(known):.2f}" if len(known) == len(SIGMAS) else "–"
        lines.append((f"{method}, {measured_on(set_name, rows)}", name, *cells, mean_db))
    title = ("method", "protocol", *(f"σ {sigma:g}: dB / SSIM" for sigma in SIGMAS), "mean dB")
    return f"{table(title, lines)}\n\nProtocol {document['protocol']['text']}."


def table2(document: Mapping[str, Any]) -> str:
    """Continual learning, a phase a column; where a phase does not know a damage, that damage stays."""
    one_protocol(document["rows"])
    columns = ["identity", *document["phases"]]
    found = {(row["kind"], row["method"], row["set"]): row for row in document["rows"]}
    sets = dict.fromkeys(row["set"] for row in document["rows"])
    lines = []
    for kind, paper in PAPER_TABLE2.items():
        level = next((row["level"] for row in document["rows"] if row["kind"] == kind), None)
        lines.append((f"{kind} {number(level, 'g')}", "paper", "as printed", *paper))
        for name in sets:
            cells = [_phase(found.get((kind, column, name)), kind, phase) for phase, column in enumerate(columns)]
            own = [row for row in document["rows"] if (row["kind"], row["set"]) == (kind, name)]
            lines.append(("", f"ours, {measured_on(name, own)}", document["protocol"]["name"], *cells))
    title = ("damage", "whose", "protocol", "corrupted", "phase 1", "phase 2", "phase 3")
    named = "; ".join(f"phase {phase}: `{name}`" for phase, name in enumerate(document["phases"], start=1))
    notes = f"{named}. In brackets: pictures that were misrouted. Protocol {document['protocol']['text']}."
    return f"{table(title, lines)}\n\n{notes}"


def measured_on(name: str, rows: Iterable[Row]) -> str:
    """A set, and how many of its pictures the mean is over where that is not what the paper's figures are of."""
    counts = sorted({row["n"] for row in rows})
    if name == PAPER_SET and counts in ([], [PAPER_PICTURES]):
        return name
    paper = f"of {PAPER_PICTURES}" if name == PAPER_SET else f"for {PAPER_PICTURES} of {PAPER_SET}"
    return f"{name} ({' or '.join(map(str, counts))} pictures {paper}: not comparable)"


def _phase(row: Row | None, kind: str, phase: int) -> str:
    if row is None:
        return "–"
    wrong = sum(image.get("label") not in (None, kind) for image in row["per_image"])
    return f"{pair(row['psnr'], row['ssim'])}" + (f" ({wrong} of {row['n']})" if phase and wrong else "")


def _grouped(rows: Iterable[Row]) -> list[tuple[tuple[str, str], list[Row]]]:
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row["method"], row["set"]), []).append(row)
    return list(found.items())
