"""What was found, as one HTML file that needs nothing else: tables, quality against time, the worst pictures.

Needs the `bench` extra (jinja2, matplotlib).
"""

from __future__ import annotations

import io
import math
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import astuple
from importlib.resources import files
from itertools import pairwise
from multiprocessing import get_context
from typing import Any, NamedTuple

import numpy as np

from darnet.benchmark.cases import Case
from darnet.benchmark.documents import Part
from darnet.benchmark.peers import INPUT
from darnet.benchmark.report.cells import damage
from darnet.benchmark.rows import PerImage, Row
from darnet.benchmark.run import pictures
from darnet.benchmark.suite import AnyDocument, AnySuite, Request
from darnet.errors import UsageError

Array = np.ndarray[Any, Any]

WORST = 5
CROP_PX = 112
#: Over more than this factor of times, ticks between the powers of ten run into each other.
FEW_DECADES = 200
#: How much of a panel a name takes, along and up, and the height of a line of them, in points.
NAME, LINE_PT = (0.35, 0.08), 9
LABELS = ("damaged", "restored", "clean")
#: However surely a picture is named wrongly, one that was damaged is worse.
NOT_TOUCHED = 1e3


class Poor(NamedTuple):
    """A picture that a method did badly on, and how badly."""

    method: str
    case: Case
    caption: str


def html(document: AnyDocument, request: Request, suite: AnySuite) -> str:
    """The page of what a suite found. The pictures it shows are restored once more.

    Raises UsageError where the extra is missing.
    """
    jinja2 = need()
    from markdown_it import MarkdownIt

    template = jinja2.Template(files(__package__).joinpath("html.jinja").read_text("utf-8"), autoescape=True)
    page: str = template.render(
        suite=document.suite,
        commit=document.commit,
        machine=", ".join(f"{name} {value}" for name, value in document.machine.items()),
        left_out=[f"{name}: {reason}" for name, reason in document.left_out.items()],
        failures=[" ".join(map(str, astuple(failure))) for failure in document.failures],
        tables=MarkdownIt("commonmark", {"html": False}).enable("table").render(suite.tables(document)),
        frontier="\n".join(frontier(part.rows) for part in document.parts) if suite.ranked else "",
        worst=_sections(document, request, suite.cases(request)) if suite.shown else [],
    )
    return page


def frontier(rows: Sequence[Row]) -> str:
    """PSNR against milliseconds per megapixel, a panel a set and damage, as SVG; empty where nothing was timed."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

    panels: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        if row.psnr is not None and row.ms_per_megapixel:
            panels.setdefault(row.place, []).append(row)
    if not panels:
        return ""
    columns = min(3, len(panels))
    lines = -(-len(panels) // columns)
    figure = Figure(figsize=(4.2 * columns, 3.4 * lines), layout="constrained")
    for axes, points in zip(figure.subplots(lines, columns, squeeze=False).flat, panels.values(), strict=False):
        axes.set(xscale="log", xlabel="ms per megapixel", ylabel="PSNR, dB")
        axes.set_title(f"{points[0].set}: {_damage(points[0])}", fontsize=10)
        axes.grid(visible=True, alpha=0.3)
        axes.margins(0.3, 0.22)
        placed = _by_time(points)
        few = placed[-1][0] < FEW_DECADES * placed[0][0]
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
        for (x, y, point), line in zip(placed, _lines(placed), strict=True):
            axes.plot(x, y, "o", color="#1f5fa8", fillstyle="none" if point.told else "full")
            above = (0, 6 + LINE_PT * line)
            axes.annotate(point.method, (x, y), above, textcoords="offset points", ha="center", fontsize=8)
    for axes in figure.axes[len(panels) :]:
        axes.remove()
    drawn = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "darnet"}):
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    return drawn.getvalue()[drawn.getvalue().index("<svg") :]


def _by_time(points: Iterable[Row]) -> list[tuple[float, float, Row]]:
    """(milliseconds, decibels, whose), the fastest first."""
    placed = [(point.ms_per_megapixel or 0.0, point.psnr or 0.0, point) for point in points]
    return sorted(placed, key=lambda item: item[:2])


def _lines(placed: Sequence[tuple[float, float, Row]]) -> list[int]:
    """How many lines above its point each name stands: one above the last one's, where they would overlap."""
    span = math.log(placed[-1][0] / placed[0][0]) or 1.0
    height = max(y for _, y, _ in placed) - min(y for _, y, _ in placed) or 1.0
    lines = [0]
    for (x, y, _), (later, other, _) in pairwise(placed):
        close = math.log(later / x) < NAME[0] * span and abs(other - y) < NAME[1] * height
        lines.append(lines[-1] + 1 if close else 0)
    return lines


def worst(rows: Sequence[Row], chosen: Iterable[Case]) -> dict[str, list[Poor]]:
    """For each method the five pictures that it brought least to, or that it named wrongly with most confidence.

    Gain is over the damaged picture where that was measured too, else PSNR itself counts.
    """
    known = {(case.set, case.kind, case.severity, case.way, case.name): case for case in chosen}
    inputs = {(*row.place, image.name): image.psnr for row in rows if row.method == INPUT for image in row.per_image}
    found: dict[str, list[tuple[float, Poor]]] = {}
    for row in rows:
        for image in row.per_image if row.method != INPUT else ():
            key = (*row.place, image.name)
            judged = _judged(row, image, inputs.get(key))
            if judged is not None and key in known:
                badness, caption = judged
                found.setdefault(row.method, []).append((badness, Poor(row.method, known[key], caption)))
    return {method: _worst_of(poor) for method, poor in found.items()}


def _worst_of(entries: Iterable[tuple[float, Poor]]) -> list[Poor]:
    """The worst first; of one picture under several severities only the worst."""
    distinct: dict[tuple[str, str], Poor] = {}
    for _, poor in sorted(entries, key=lambda entry: (-entry[0], entry[1].caption)):
        distinct.setdefault((poor.case.set, poor.case.name), poor)
    return list(distinct.values())[:WORST]


def _judged(row: Row, image: PerImage, before: float | None) -> tuple[float, str] | None:
    """How bad an answer is (more is worse), in a number and in words; None for a good one or none."""
    confidence, psnr = image.confidence or 0.0, image.psnr
    called = f", called {image.label} ({100 * confidence:.0f} %)" if image.label is not None else ""
    what = f"{row.set}/{image.name}, {_damage(row)}{called}"
    if psnr is None:
        wrong = image.label not in (None, row.kind)
        return (confidence - NOT_TOUCHED, what) if wrong else None
    if before is None:
        return -psnr, f"{what}: {psnr:.2f} dB"
    return before - psnr, f"{what}: {before:.2f} → {psnr:.2f} dB ({psnr - before:+.2f})"


def _damage(row: Row) -> str:
    return damage(row.kind, row.level, row.way)


def _sections(document: AnyDocument, request: Request, chosen: Sequence[Case]) -> list[dict[str, Any]]:
    """The worst pictures of every method, part by part."""
    # In a process: what a method loads does not stay in this one. And in one: each is loaded once.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return [section for part in document.parts for section in _sections_of(part, request, chosen, pool)]


def _sections_of(part: Part, request: Request, chosen: Sequence[Case], pool: Executor) -> Iterator[dict[str, Any]]:
    """The worst pictures of every method, with crops where the restored picture is furthest off."""
    for method, entries in worst(part.rows, chosen).items():
        shown = [pool.submit(pictures, method, request.device, part.protocol, entry.case) for entry in entries]
        figures = [
            {"caption": entry.caption, "crops": crops(future.result())}
            for entry, future in zip(entries, shown, strict=True)
        ]
        title = f"{method}: the {len(figures)} worst, protocol {part.protocol.name}"
        yield {"title": title, "pictures": figures}


def crops(shown: Sequence[Array]) -> list[dict[str, str]]:
    """The same square of the damaged, the restored and the clean picture, around the largest error."""
    damaged, restored, clean = shown
    height, width = (min(CROP_PX, side) for side in clean.shape[:2])
    error = np.square(restored.astype(np.int64) - clean).sum(axis=2)
    sums = np.pad(error.cumsum(0).cumsum(1), ((1, 0), (1, 0)))  # summed-area table
    boxes = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    top, left = np.unravel_index(boxes.argmax(), boxes.shape)
    region = slice(top, top + height), slice(left, left + width)
    found = [{"label": label, "source": _png(image[region])} for label, image in zip(LABELS, shown, strict=True)]
    return [crop for crop in found if crop["label"] != "restored" or not np.array_equal(restored, damaged)]


def _png(array: Array) -> str:
    import PIL.Image

    buffer = io.BytesIO()
    PIL.Image.fromarray(np.ascontiguousarray(array)).save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{b64encode(buffer.getvalue()).decode()}"


def need() -> Any:
    """The library jinja2, if it and matplotlib are installed. Raises UsageError."""
    try:
        import jinja2
        import matplotlib  # noqa: F401  asked for early, used late
    except ImportError as error:
        raise UsageError(f"a page needs {error.name}: pip install 'darnet[bench]'") from error
    return jinja2
