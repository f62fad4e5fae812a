"""Tables of Markdown that several suites share."""

from __future__ import annotations

from collections.abc import Sequence

from darnet.benchmark.protocol import Protocol
from darnet.benchmark.report.cells import counted, damage, millions, number, table, with_interval
from darnet.benchmark.rows import Row, one_protocol


def closed(protocol: Protocol, *tables: str) -> str:
    """Tables one below the other, and last how their figures were taken."""
    return "\n\n".join([*tables, f"Protocol {protocol}."])


def plain(rows: Sequence[Row]) -> str:
    """One line a row: means with 95 % intervals, and what they cost. Raises DarnetError for mixed protocols."""
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
            row.method,
            row.set,
            damage(row.kind, None, row.way),
            number(row.level, "g"),
            with_interval(row.psnr, row.psnr_interval, ".2f"),
            with_interval(row.ssim, row.ssim_interval, ".4f"),
            counted(row.n, row.failed),
            row.told or "–",
            millions(row.params),
            number(row.gmacs_256, ".1f"),
            number(row.ms_per_megapixel, ".0f"),
            number(row.peak_mb, ".0f"),
        )
        for row in rows
    ]
    return table(title, lines)
