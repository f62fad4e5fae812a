"""What a file holds, and how it coded its samples, as far as that is more than its format: another is coded alike."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from darnet.errors import ImageError
from darnet.images.arrays import Channels, Metadata

#: Which pictures of a file are meant: the only one, which it is refused for having not; the first; all.
Pages: TypeAlias = Literal["one", "first", "all"]


#: Transfer functions whose numbers are no sRGB (ITU-T H.273).
HDR = {16: "PQ", 18: "HLG"}
GAIN_MAP_LOST = "the gain map of an HDR picture is not kept: its repair is what the file shows without it"


def taken_for_srgb(transfer: int) -> str:
    """What is to be said of colours of an HDR transfer function."""
    return f"its colours are HDR ({HDR[transfer]}); they are repaired as if they were sRGB"


def refuse_several(path: Path, count: str, pages: Pages) -> None:
    """Raise ImageError for a file with so many pictures, of which one can be read, unless that is what is wanted."""
    if pages == "one":
        raise ImageError(path, f"has {count} pages; only single pictures are restored")
    if pages == "all":
        raise ImageError(path, f"has {count} pages, of which the first alone can be restored: `first=True`")


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

#: Why a file cannot be read: nothing is in it; its end is missing, or something between.
EMPTY, INCOMPLETE = "the file is empty", "damaged or incomplete"
#: What libraries say of files that may be whole, and that they do not know.
UNKNOWN = re.compile("unsupported|not supported|not configured|not implemented", re.IGNORECASE)


def unreadable(title: str, reason: str) -> str:
    """What a file of a format is that cannot be read, by what a library says of it.

    >>> unreadable("TIFF", "tiled separate planes not supported"), unreadable("TIFF", "seek error")
    ('TIFF file of a kind that is not supported', 'damaged or incomplete TIFF file')
    """
    return f"{title} file of a kind that is not supported" if UNKNOWN.search(reason) else f"{INCOMPLETE} {title} file"


@dataclass(frozen=True, eq=False)
class Content:
    """What a file holds: channels in its depth, ICC profile, fields (`Image.metadata`), and how it is coded.

    `more`: whether it holds others that were left. `developed`: whether it was raw, and is no such file's content.
    """

    channels: Channels
    profile: bytes | None
    metadata: Metadata
    coding: Coding = USUAL
    more: bool = False
    developed: bool = False
