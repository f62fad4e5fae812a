"""Thumbnails: small JPEG files of pictures, for who looks over many of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from darnet.errors import ImageError, refusal
from darnet.images.arrays import rescale
from darnet.images.formats import FORMATS, HEAD_BYTES, known_format, read_size, regular
from darnet.images.image import Image
from darnet.images.vips import to_vips, vips_failed

#: Of the JPEG files.
QUALITY = 75
#: What is behind pixels that are not opaque: the middle, which is no page's colour.
BEHIND = 128.0


def thumbnail(path: Path, side_px: int) -> bytes:
    """A JPEG file of the picture at `path`, of its first page, upright and in sRGB; no side is longer than `side_px`.

    No more of it is decoded than that needs, where its format allows it. Raises ImageError, and ResourceError where
    memory runs out.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     photo = Image.of(np.zeros((40, 80, 3), np.uint8)).write(Path(folder, "a.png"))
    ...     small = Image.decode(thumbnail(photo, 20))
    >>> small.height, small.width
    (10, 20)
    """
    import pyvips

    read_size(path)  # refuses what nobody should try to decode
    try:
        with regular(path) as file:
            format = known_format(path, file.read(HEAD_BYTES))
        if format in FORMATS and not FORMATS[format].others and format != "tiff":  # of which there are too many sorts
            small = _by_vips(path, side_px)
        else:
            image = Image.read(path, pages="first")
            fields = {"icc-profile-data": image.profile} if image.profile else {}
            array = rescale(image.array, np.dtype(np.uint8))
            small = to_vips(array, fields).thumbnail_image(side_px, height=side_px, size="down", export_profile="srgb")
        small = small.colourspace("srgb")
        if small.hasalpha():
            small = small.flatten(background=BEHIND)
        return bytes(small.jpegsave_buffer(Q=QUALITY, keep="none"))
    except pyvips.Error as error:
        raise vips_failed(path, error, "has no thumbnail") from None
    except OSError as error:
        raise ImageError(path, refusal(error)) from None


def _by_vips(path: Path, side_px: int) -> Any:
    import pyvips

    how = {"height": side_px, "size": "down", "export_profile": "srgb"}
    if str(path).isprintable():
        return pyvips.Image.thumbnail(str(path), side_px, **how)
    return pyvips.Image.thumbnail_buffer(path.read_bytes(), side_px, **how)  # libvips takes no name that is not UTF-8
