"""What `inspection` and `features` found, drawn as PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from darnet.analysis import paths
from darnet.analysis.drawing import COLOURS, DPI, QUIET, need, png
from darnet.analysis.features import Features, Map

Summary = Mapping[str, Any]  # of `darnet.analysis.inspection.summary`

MAP_INCHES, PICTURE_ROWS = 2.2, 2
MOST_COLUMNS = 7
CELL_INCHES, LEAST_PANEL_INCHES = 0.2, 1.2
#: A heatmap of at most this many rows and columns has room for numbers.
NUMBERED = 5
#: Side of the frame in a cell, of the cell's.
FRAME = 0.8


def draw_routing(models: Sequence[Summary]) -> bytes:
    """Accuracy block by block, and below it, for each model, which expert serves which damage (DaAIR, Fig. 6).

    Where experts have numbers, the ways of the damages from stage to stage, too.
    """
    most = max(len(model["blocks"]) for model in models)
    columns = -(-most // -(-most // MOST_COLUMNS))
    sizes = [[_inches(model, columns), paths.inches(model)] for model in models]
    heights = [3.4, *(sum(height for _, height in both) for both in sizes)]
    width = max(9.0, *(width for both in sizes for width, _ in both))
    figure = need()(figsize=(width, sum(heights)), layout="constrained", dpi=DPI)
    curve, *rest = figure.subfigures(len(heights), 1, height_ratios=heights)
    _accuracy(curve, models)
    for part, model, both in zip(rest, models, sizes, strict=True):
        ratios = [height for _, height in both if height]
        heatmaps, *ways = part.subfigures(len(ratios), 1, height_ratios=ratios, squeeze=False).flat
        _shares(heatmaps, model, columns)
        for way in ways:
            paths.draw(way, model)
    return png(figure)


def draw_features(features: Features, title: str) -> bytes:
    """The picture, what came out, and the maps: a row for each part, a column for each stage (DaAIR, Fig. 7).

    Beside the picture are the maps that guide the blocks.
    """
    inner = [found for found in features.maps if not found.guides]
    stages, parts = (list(dict.fromkeys(getattr(found, of) for found in inner)) for of in ("stage", "part"))
    height, width = features.shown.shape[1:]
    ratio = min(max(height / width, 0.4), 2.5)
    shown = {"input": features.shown} | ({} if features.restored is None else {"output": features.restored})
    guides = [found for found in features.maps if found.guides]
    columns, rows = -(-(len(shown) + len(guides)) // PICTURE_ROWS), max(len(parts), PICTURE_ROWS)
    pictures = columns * rows / PICTURE_ROWS  # in widths of a map
    inches = (MAP_INCHES * (len(stages) + pictures + 0.1), (MAP_INCHES * ratio + 0.1) * rows + 0.9)
    figure = need()(figsize=inches, layout="constrained", dpi=DPI)
    left, right = figure.subfigures(1, 2, width_ratios=(pictures, len(stages)))
    # Column by column, so that input stands over output.
    beside = iter(left.subplots(PICTURE_ROWS, columns, squeeze=False).T.flat)
    for name, picture in shown.items():
        axes = next(beside)
        axes.imshow(picture.permute(1, 2, 0).numpy())
        axes.set_title(name, fontsize=11)
        axes.set_axis_off()
    for found, axes in zip(guides, beside, strict=False):
        _map(axes, found, (width, height))
        axes.set_title(f"{found.part} ({found.stage})", fontsize=11)
    for axes in beside:
        axes.set_axis_off()
    panels = right.subplots(len(parts), len(stages), squeeze=False)
    for axes in panels.flat:
        axes.set(xticks=[], yticks=[], aspect=ratio)
        axes.spines[:].set_visible(False)
    for found in inner:
        axes = panels[parts.index(found.part)][stages.index(found.stage)]
        _map(axes, found, (width, height))
        axes.set_xlabel(found.expert or "", fontsize=10, labelpad=3)
    for axes, stage in zip(panels[0], stages, strict=True):
        axes.set_title(stage, fontsize=11)
    for axes, part in zip(panels[:, 0], parts, strict=True):
        axes.set_ylabel(part, fontsize=11)
    figure.suptitle(title, fontsize=11, x=0.005, ha="left")
    figure.supxlabel(_note(guides), fontsize=10, color=QUIET, x=0.995, ha="right")
    return png(figure)


def _note(guides: Sequence[Map]) -> str:
    """How maps are to be read."""
    named = ", ".join(found.part for found in guides)
    less = f" ({named}: of what differs from their mean over the map)" if guides else ""
    return f"Root mean square over the features{less}; each map from its 1st percentile (dark) to its 99th (bright)"


def _map(axes: Any, found: Map, size: tuple[int, int]) -> None:
    """A map where it lies in a picture of a width and a height."""
    low, high = found.limits()
    # Averaged before it is coloured: a mixture of colours means nothing.
    look = {"extent": found.extent, "interpolation_stage": "data"}
    axes.imshow(found.energy.numpy(), "magma", vmin=low, vmax=max(high, low + 1e-9), **look)
    axes.set(xlim=(0, size[0]), ylim=(size[1], 0), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _accuracy(part: Any, models: Sequence[Summary]) -> None:
    """A line for accuracy and one for purity; where experts have no kinds, purity alone."""
    axes = part.subplots()
    longest = max(models, key=lambda model: len(model["blocks"]))
    names = list(dict.fromkeys(block["name"] for model in (longest, *models) for block in model["blocks"]))
    for index, model in enumerate(models):
        for figure, style, fill in (("accuracy", "o-", "full"), ("purity", "o:", "none")):
            known = [block for block in model["blocks"] if block[figure] is not None]
            if known:
                where, values = [names.index(b["name"]) for b in known], [100 * b[figure] for b in known]
                look = {"color": COLOURS[index % len(COLOURS)], "fillstyle": fill, "markersize": 5}
                axes.plot(where, values, style, label=f"{model['model']}: {figure}", **look)
    for chance in {block["chance"] for model in models for block in model["blocks"]}:
        axes.axhline(100 * chance, color=QUIET, linewidth=1, linestyle="--", zorder=0)
        beside = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "va": "center"}
        axes.annotate(f"chance, 1 of {1 / chance:.0f}", (1, 100 * chance), (5, 0), fontsize=7, color=QUIET, **beside)
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor", fontsize=8)
    axes.set(ylim=(-2, 104), xlim=(-0.5, len(names) - 0.5), ylabel="share of pictures, %")
    axes.set_title("Pictures sent to the expert of their kind", loc="left", fontsize=11)
    axes.grid(axis="y", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    part.legend(loc="outside lower center", fontsize=8, frameon=False, ncols=len(models))


def _inches(model: Summary, columns: int) -> tuple[float, float]:
    """Width and height of the heatmaps of a model."""
    experts, lines = max(len(_experts(block)) for block in model["blocks"]), -(-len(model["blocks"]) // columns)
    width, height = (max(LEAST_PANEL_INCHES, CELL_INCHES * cells) for cells in (experts, len(model["pictures"])))
    return columns * (width + 0.15) + 2, lines * (height + 0.35) + 1.4


def _shares(part: Any, model: Summary, columns: int) -> None:
    """A heatmap a block: rows are damages, columns are experts."""
    blocks, image = model["blocks"], None
    lines = -(-len(blocks) // columns)
    panels = part.subplots(lines, columns, squeeze=False)
    for index, axes in enumerate(panels.flat):
        if index >= len(blocks):
            axes.set_axis_off()
            continue
        image = _heatmap(axes, blocks[index])
        axes.set_title(blocks[index]["name"], fontsize=9, pad=3)
        if index % columns:
            axes.set_yticklabels([])
        if index + columns < len(blocks):
            axes.set_xticklabels([])
    part.suptitle(f"{model['model']}: which expert (column) serves which damage (row)", fontsize=11, x=0.01, ha="left")
    bar = part.colorbar(image, ax=panels, pad=0.01, shrink=1 / lines, anchor=(0, 1))
    bar.set_label("share of pictures", fontsize=8)
    bar.ax.tick_params(labelsize=7)


def _heatmap(axes: Any, block: Summary) -> Any:
    """The shares of one block; the expert of a row's own kind has a frame."""
    kinds, experts = list(block["shares"]), _experts(block)
    shares = [[block["shares"][kind][expert] for expert in experts] for kind in kinds]
    image = axes.imshow(shares, "Blues", vmin=0, vmax=1, aspect="auto")
    for y, kind in enumerate(kinds):
        if kind in experts:
            left, right = experts.index(kind) - FRAME / 2, experts.index(kind) + FRAME / 2
            top, bottom = y - FRAME / 2, y + FRAME / 2
            corners = [left, right, right, left, left], [top, top, bottom, bottom, top]
            axes.plot(*corners, color=COLOURS[1], linewidth=0.8)
        if max(len(kinds), len(experts)) <= NUMBERED:
            for x, share in enumerate(shares[y]):
                colour = "white" if share > 0.5 else "black"
                axes.text(x, y, f"{100 * share:.0f}", ha="center", va="center", fontsize=7, color=colour)
    upright = max(map(len, experts)) > 2
    axes.set_xticks(range(len(experts)), experts, rotation=90 if upright else 0, fontsize=7)
    axes.set_yticks(range(len(kinds)), kinds, fontsize=7)
    axes.tick_params(length=0)
    return image


def _experts(block: Summary) -> list[str]:
    return list(next(iter(block["shares"].values())))
