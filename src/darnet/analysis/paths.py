"""The ways that damages take through a network whose experts have numbers, drawn (SLER-IR, Fig. 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from darnet.analysis.drawing import COLOURS, QUIET

Summary = Mapping[str, Any]  # of `darnet.analysis.inspection.summary`

COLUMNS = 4
PANEL_INCHES, ROW_INCHES = 2.9, 0.36
#: In points: the line that stands for all pictures, and the disc of an expert that serves all.
WIDEST, LARGEST = 7.0, 12.0
#: What less goes through is not drawn.
LEAST_SHARE = 0.005


def inches(model: Summary) -> tuple[float, float]:
    """Width and height of the drawing of a model; 0 by 0 where there is none."""
    if not model["flows"]:
        return 0.0, 0.0
    columns, rows = _grid(model)
    experts = len(next(iter(model["flows"].values()))[0])
    return columns * PANEL_INCHES, rows * (ROW_INCHES * experts + 0.5) + 1.1


def draw(part: Any, model: Summary) -> None:
    """A panel for each damage: stages from left to right, experts from top to bottom."""
    columns, rows = _grid(model)
    panels = part.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    names = [block["name"] for block in model["blocks"]]
    for index, axes in enumerate(panels.flat):
        if index >= len(model["flows"]):
            axes.set_axis_off()
            continue
        kind = list(model["flows"])[index]
        _draw_kind(axes, model, kind, COLOURS[index % len(COLOURS)])
        axes.set_title(kind, fontsize=9, pad=3)
        axes.tick_params(length=0, labelsize=7, labelbottom=index + columns >= len(model["flows"]))
        axes.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor")
    part.suptitle(f"{model['model']}: the way of each damage from expert to expert", fontsize=11, x=0.01, ha="left")


def _draw_kind(axes: Any, model: Summary, kind: str, colour: str) -> None:
    """Lines as wide as the share that goes that way, discs as large as the share that an expert serves."""
    for stage, step in enumerate(model["flows"][kind]):
        for origin, row in enumerate(step):
            for target, share in enumerate(row):
                if share >= LEAST_SHARE:
                    way = ([stage, stage + 1], [origin, target])
                    axes.plot(*way, color=colour, linewidth=WIDEST * share, alpha=0.55, solid_capstyle="butt")
    for stage, block in enumerate(model["blocks"]):
        shares: Sequence[float] = list(block["shares"][kind].values())
        numbers = range(len(shares))
        axes.scatter([stage] * len(shares), numbers, s=4, color=QUIET, zorder=2)
        sizes = [share * LARGEST**2 for share in shares]
        axes.scatter([stage] * len(shares), numbers, s=sizes, color=colour, linewidths=0, zorder=3)
    axes.set(xlim=(-0.6, len(model["blocks"]) - 0.4), ylim=(len(shares) - 0.4, -0.6), yticks=numbers)
    axes.spines[:].set_visible(False)


def _grid(model: Summary) -> tuple[int, int]:
    count = len(model["flows"])
    rows = -(-count // COLUMNS)
    return -(-count // rows), rows
