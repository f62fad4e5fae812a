"""How a file coded its samples, as far as that is more than its format: another file of that format is coded alike."""

from __future__ import annotations

from typing import NamedTuple


class Coding(NamedTuple):
    """`bits` of a sample, a JPEG's `quality`, whether colour is `halved` (4:2:0), whether nothing was lost.

    None: unknown, or what the format does anyway.

    >>> Coding(bits=10).lossless
    False
    """

    bits: int | None = None
    quality: int | None = None
    halved: bool = False
    lossless: bool = False


USUAL = Coding()
