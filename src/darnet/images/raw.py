"""Camera raw files: what a sensor saw, for which darnet is no developer. Many of them begin as a TIFF file does."""

from __future__ import annotations

import re
from pathlib import Path

ADVICE = "is a camera raw file, which darnet does not develop; export it as TIFF or JPEG first"
#: Canon (CR2, CR3), Olympus, Panasonic, Fujifilm, Sigma and Minolta, by their first bytes.
SIGNATURE = re.compile(rb"II\*\0.{4}CR\x02\0|II(RO|RS|U\0)|FUJIFILMCCD-RAW|....ftypcrx |FOVb|\0MRM", re.DOTALL)
#: Those whose first bytes are a TIFF file's, by how their names end.
SUFFIXES = frozenset({".3fr", ".arw", ".dng", ".erf", ".iiq", ".kdc", ".nef", ".nrw", ".pef", ".srw"})


def is_raw(head: bytes) -> bool:
    """Whether a file with these first bytes is one."""
    return SIGNATURE.match(head) is not None


def is_called_raw(path: Path) -> bool:
    """Whether a file is called as one."""
    return path.suffix.lower() in SUFFIXES
