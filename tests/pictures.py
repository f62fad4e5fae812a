"""Which formats can be written here: some need an extra, or a libvips that was built with them."""

from __future__ import annotations

from pathlib import Path

from darnet.errors import ImageError
from darnet.images.formats import SUFFIXES, check_available


def _available(format: str) -> bool:
    try:
        check_available(Path("x"), format)
    except ImageError:
        return False
    return True


#: Suffixes of files that can be written and read here, and their formats.
AVAILABLE = {suffix: format for suffix, format in SUFFIXES.items() if _available(format)}
