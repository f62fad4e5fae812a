"""What all figures of `darnet inspect` share: matplotlib, of the `bench` extra, and colours."""

from __future__ import annotations

import io
from typing import Any

from darnet import registry

QUIET = "#777777"
#: Told apart by readers who are colour-blind, too (Okabe and Ito 2008).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")
DPI = 120


def need() -> Any:
    """The class Figure of matplotlib. Raises MissingPackageError."""
    return registry.optional("matplotlib.figure", "bench").Figure


def png(figure: Any) -> bytes:
    """The file."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    return drawn.getvalue()
