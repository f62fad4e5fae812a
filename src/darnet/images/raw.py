"""Camera raw files: what a sensor saw. LibRaw develops them, which an extra brings. Many begin as a TIFF file does."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from darnet.errors import ImageError, MissingPackageError, one_line
from darnet.images.scratch import Array
from darnet.registry import optional

#: Canon (CR2, CR3), Olympus, Panasonic, Fujifilm, Sigma and Minolta, by their first bytes.
SIGNATURE = re.compile(rb"II\*\0.{4}CR\x02\0|II(RO|RS|U\0)|FUJIFILMCCD-RAW|....ftypcrx |FOVb|\0MRM", re.DOTALL)
#: Those whose first bytes are a TIFF file's, by how their names end.
SUFFIXES = frozenset({".3fr", ".arw", ".dng", ".erf", ".iiq", ".kdc", ".nef", ".nrw", ".pef", ".srw"})
#: How it is developed: the camera's own white balance, no brightening by what is in the picture.
WAY = {"use_camera_wb": True, "no_auto_bright": True, "output_bps": 16}


def is_raw(head: bytes) -> bool:
    """Whether a file with these first bytes is one."""
    return SIGNATURE.match(head) is not None


def is_called_raw(path: Path) -> bool:
    """Whether a file is called as one."""
    return path.suffix.lower() in SUFFIXES


def library(path: Path) -> Any:
    """Who develops. Raises ImageError, which says how to install it or what to do without."""
    try:
        return optional("rawpy", "raw")
    except MissingPackageError as error:
        raise ImageError(path, f"is a camera raw file, which {error}; or export it as TIFF or JPEG") from None


def advice(path: Path) -> ImageError:
    """What to raise of a file that is called as one and is no TIFF file that can be read."""
    try:
        library(path)
    except ImageError as error:
        return error
    return ImageError(path, "damaged or unknown camera raw file")


def develop(path: Path, file: BinaryIO, check: Callable[[int, int], None]) -> Array:
    """The upright picture, (H, W, 3), sRGB, uint16. `check`: is told height and width before it is developed.

    Raises ImageError, naming `path`, for a file that cannot be.
    """
    rawpy = library(path)
    file.seek(0)
    try:
        with rawpy.imread(file) as opened:
            check(opened.sizes.height, opened.sizes.width)
            values: Array = opened.postprocess(**WAY)
    except rawpy.LibRawError as error:  # which says it in bytes
        said = b" ".join(part for part in error.args if isinstance(part, bytes)).decode(errors="replace").lower()
        raise ImageError(path, f"damaged or unknown camera raw file ({said})") from None
    except (OSError, ValueError) as error:
        raise ImageError(path, f"damaged or unknown camera raw file ({one_line(error)})") from None
    return np.ascontiguousarray(values)
