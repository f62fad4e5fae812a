"""Rows and documents of the benchmark that tests make up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from darnet.benchmark.documents import Document, Findings, Nothing, Part
from darnet.benchmark.protocol import PROTOCOLS
from darnet.benchmark.rows import PerImage, Row

PLAIN = Row(
    method="darnet",
    set="CBSD68",
    kind="noise",
    level=25.0,
    way="",
    psnr=31.0,
    psnr_interval=(30.5, 31.5),
    ssim=0.88,
    ssim_interval=None,
    n=68,
    failed=0,
    left_alone=0,
    told=None,
    params=1_230_000,
    gmacs_256=4.56,
    ms_per_megapixel=789.4,
    peak_mb=512,
    protocol="0123456789ab",
    per_image=(),
)


def row(method: str = "darnet", pictures: Mapping[str, float | None] | None = None, **changed: Any) -> Row:
    """A row; `pictures`: name -> PSNR, of which it is then made."""
    images = tuple(PerImage(name, psnr) for name, psnr in (pictures or {}).items())
    counted = {"per_image": images, "n": len(images)} if images else {}
    return replace(PLAIN, method=method, **{**counted, **changed})


def part(protocol: str, *rows: Row) -> Part:
    return Part(PROTOCOLS[protocol], rows)


def document(suite: str, *parts: Part, found: Findings | None = None, in_parts: bool = False) -> Document[Any]:
    return Document(suite, "darnet bench", None, {}, parts, found or Nothing(), in_parts)


def cells(text: str) -> list[list[str]]:
    """The lines of a table, without its title and its rule."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
