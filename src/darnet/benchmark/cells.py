"""Tables of Markdown, and how figures are written into their cells. What nobody knows is a dash."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def table(title: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (title, ["---"] * len(title), *lines))


def pair(psnr: float | None, ssim: float | None) -> str:
    """PSNR / SSIM, as papers print them."""
    return f"{number(psnr, '.2f')} / {number(ssim, '.3f')}"


def with_interval(row: Mapping[str, Any], name: str, style: str) -> str:
    """A mean of a row with its 95 % interval."""
    edges = row[f"{name}_interval"]
    text = number(row[name], style)
    return text if edges is None else f"{text} [{edges[0]:{style}}, {edges[1]:{style}}]"


def number(value: float | None, style: str) -> str:
    """A number in a format such as `.2f`."""
    return "–" if value is None else f"{value:{style}}"


def percent(share: float) -> str:
    """A share of one."""
    return f"{100 * share:.2f} %"
