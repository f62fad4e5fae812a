"""Tables of Markdown, and how figures are written into their cells. What nobody knows is a dash."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(title: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (title, ["---"] * len(title), *lines))


def pair(psnr: float | None, ssim: float | None) -> str:
    """PSNR / SSIM, as papers print them."""
    return f"{number(psnr, '.2f')} / {number(ssim, '.3f')}"


def with_interval(mean: float | None, edges: tuple[float, float] | None, style: str) -> str:
    """A mean with its 95 % interval."""
    text = number(mean, style)
    return text if edges is None else f"{text} [{edges[0]:{style}}, {edges[1]:{style}}]"


def number(value: float | None, style: str) -> str:
    """A number in a format such as `.2f`."""
    return "–" if value is None else f"{value:{style}}"


def millions(count: int | None) -> str:
    """Parameters, in millions."""
    return number(None if count is None else count / 1e6, ".2f")


def counted(pictures: int, failed: int) -> str:
    """How many pictures were measured, and how many could not be."""
    return f"{pictures}{failures(failed)}"


def failures(count: int) -> str:
    """What stands after a figure that lacks some pictures."""
    return f" ({count} failed)" if count else ""


def damage(kind: str, level: float | None, way: str) -> str:
    """`noise 15, JPEG 85`."""
    named = kind + ("" if level is None else f" {level:g}")
    return ", ".join(part for part in (named, way) if part)


def percent(share: float) -> str:
    """A share of one."""
    return f"{100 * share:.2f} %"
