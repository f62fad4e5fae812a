"""What `sphere` found, drawn as PNG: a point a picture, a colour and a sign a damage (SLER-IR §3.3)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from darnet.analysis.drawing import COLOURS, DPI, need, png

Summary = Mapping[str, Any]  # of `darnet.analysis.sphere.summary`
Signs = Mapping[str, tuple[str, str]]  # kind -> colour and sign

#: Beside the colour, so that damages can be told apart in print, too.
SIGNS = ("o", "^", "s", "D", "v", "P", "X", "*", "<", ">")
LARGE_INCHES, SMALL_INCHES, LEGEND_INCHES = 5.0, 2.4, 0.4
COLUMNS = 4
#: Room around the outermost point.
MARGIN = 1.15
#: Of so many centres a plane shows exactly which one is nearest.
EXACT = 3
FAINT = "#bbbbbb"


def draw_sphere(models: Sequence[Summary]) -> bytes:
    """For each model all stages together, and beside it each by itself."""
    kinds = list(dict.fromkeys(kind for model in models for kind in model["pictures"]))
    signs = {kind: (COLOURS[n % len(COLOURS)], SIGNS[n % len(SIGNS)]) for n, kind in enumerate(kinds)}
    rows = [-(-len(model["places"]) // COLUMNS) for model in models]
    heights = [max(LARGE_INCHES, SMALL_INCHES * count) + 0.4 for count in rows]
    widths = (LARGE_INCHES, COLUMNS * SMALL_INCHES)
    figure = need()(figsize=(sum(widths), sum(heights) + LEGEND_INCHES), layout="constrained", dpi=DPI)
    *parts, below = figure.subfigures(len(models) + 1, 1, height_ratios=(*heights, LEGEND_INCHES))
    for part, model, count in zip(parts, models, rows, strict=True):
        left, right = part.subfigures(1, 2, width_ratios=widths)
        _view(left.subplots(), {"name": "all stages together", **model["together"]}, model["cases"], signs, 18)
        panels = right.subplots(count, COLUMNS, squeeze=False)
        for index, axes in enumerate(panels.flat):
            if index < len(model["places"]):
                _view(axes, model["places"][index], model["cases"], signs, 7)
            else:
                axes.set_axis_off()
        part.suptitle(f"{model['model']}: {model['vectors']}, coloured by damage", fontsize=11, x=0.005, ha="left")
    ground = below.subplots()
    ground.set_axis_off()
    marks = [_points(ground, ([], []), look, 30) for look in signs.values()]
    below.legend(marks, kinds, loc="center", fontsize=9, frameon=False, ncols=len(kinds), handletextpad=0.2)
    return png(figure)


def _view(axes: Any, view: Summary, cases: Sequence[Mapping[str, Any]], signs: Signs, size: int) -> None:
    reach = max(math.hypot(*point) for point in view["points"]) * MARGIN or 1.0
    if view["centres"]:
        _centres(axes, view["centres"], reach)
    for kind, look in signs.items():
        own = [point for point, case in zip(view["points"], cases, strict=True) if case["kind"] == kind]
        _points(axes, ([x for x, _ in own], [y for _, y in own]), look, size)
    small = size < 10
    axes.set_title(view["name"], fontsize=9 if small else 11, pad=3)
    told = f"nearest centre {view['nearest']:.0%}, silhouette {view['silhouette']:.2f}"
    axes.set_xlabel(f"{told}\n{view['explained']:.0%} of the variance is drawn", fontsize=7 if small else 9, labelpad=3)
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), xticks=[], yticks=[], aspect="equal")
    axes.spines[:].set_color(FAINT)


def _centres(axes: Any, centres: Sequence[Sequence[float]], reach: float) -> None:
    """The outline of the sphere, where each expert's centre is or in which direction, and where its realm ends."""
    from matplotlib.patches import Circle

    axes.add_patch(Circle((0, 0), 1, fill=False, color=FAINT, linewidth=0.8))
    if 1 < len(centres) <= EXACT:
        for number in range(len(centres)):
            angle = (2 * number + 1) * math.pi / len(centres)
            way = ([0, 2 * reach * math.cos(angle)], [0, 2 * reach * math.sin(angle)])
            axes.plot(*way, color=FAINT, linewidth=0.8, linestyle="--", zorder=0)
    for number, (x, y) in enumerate(centres):
        far = max(math.hypot(x, y), 1e-9)
        scale = min(1.0, reach / MARGIN / far)
        axes.annotate(str(number), (x * scale, y * scale), ha="center", va="center", fontsize=9, fontweight="bold")


def _points(axes: Any, where: tuple[list[float], list[float]], look: tuple[str, str], size: int) -> Any:
    colour, sign = look
    return axes.scatter(*where, s=size, c=colour, marker=sign, linewidths=0, alpha=0.75)
