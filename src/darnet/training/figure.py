"""Fig. 2 of DaR-Net: validation accuracy after each epoch, phase after phase, and what each phase knows at its end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from darnet import registry

#: What the paper's text gives for the ends of its phases (§IV-C), in percent.
PAPER = (100.0, 99.38, 95.77)


def draw(report: Mapping[str, Any], path: Path) -> None:
    """A PNG of what `darnet.training.continual.summary` gives. Raises MissingPackageError without matplotlib."""
    figure = registry.optional("matplotlib.figure", "train").Figure(figsize=(11, 4.2), layout="constrained", dpi=120)
    curve, matrix = figure.subplots(1, 2, width_ratios=(3, 2))
    _curve(curve, report)
    _matrix(matrix, report)
    figure.savefig(path)


def _curve(axes: Any, report: Mapping[str, Any]) -> None:
    ends = []
    for index, (name, start, values) in enumerate(
        zip(report["phases"], report["starts"], report["validation_accuracy"], strict=True)
    ):
        epochs = range(start + 1, start + len(values) + 1)
        axes.plot(epochs, [100 * value for value in values], "o-", markersize=3, label=f"{name}: validation")
        ends.append(start + len(values))
        if index:
            axes.axvline(start + 0.5, color="0.7", linewidth=0.8)
    axes.plot(ends, [100 * value for value in report["accuracy"]], "kD", label="test part, mean over kinds")
    if len(ends) == len(PAPER):
        axes.plot(ends, PAPER, "x", color="crimson", label="paper, end of phase (STL-10)")
    axes.set(xlabel="epoch", ylabel="accuracy, %", title="One phase after the other")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3)  # beside all points


def _matrix(axes: Any, report: Mapping[str, Any]) -> None:
    kinds = list(report["matrix"][-1])
    rows = [[100 * row[kind] if kind in row else float("nan") for kind in kinds] for row in report["matrix"]]
    axes.imshow(rows, cmap="viridis", vmin=90, vmax=100, aspect="auto")
    for y, row in enumerate(rows):
        for x, value in enumerate(row):
            text = "–" if value != value else f"{value:.1f}"  # noqa: PLR0124  not a number
            axes.text(x, y, text, ha="center", va="center", color="black" if value > 95 else "white", fontsize=9)
    axes.set_xticks(range(len(kinds)), kinds, rotation=30, ha="right", fontsize=8)
    axes.set_yticks(range(len(rows)), [f"after {name}" for name in report["phases"]], fontsize=8)
    transfer = report["backward_transfer"]
    axes.set_title("Test accuracy, %" + ("" if transfer is None else f"\nbackward transfer {transfer:+.2f} points"))
