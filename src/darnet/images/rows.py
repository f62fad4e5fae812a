"""Pictures of libvips, read and written some rows at a time where they are large, so that memory is bounded.

H: height; W: width; C: channels. Importing this module does not import pyvips.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from darnet.images import scratch
from darnet.images.scratch import Array
from darnet.images.vips import header_fields


@contextmanager
def opened(codec: str, file: BinaryIO, **options: int) -> Iterator[Any]:
    """The libvips image of a file, which is decoded row by row meanwhile; nobody else may then read in `file`.

    `options`: of libvips' loader, such as `page`, or `n`, pages below each other, -1 for all.

    Raises pyvips.Error or OSError.
    """
    import pyvips

    file.seek(0)
    if isinstance(file, io.BytesIO):
        yield getattr(pyvips.Image, f"{codec}load_buffer")(file.read(), access="sequential", fail_on="error", **options)
        return
    source = pyvips.SourceCustom()  # libvips would map one of a name or descriptor
    source.on_read(file.read)
    source.on_seek(file.seek)
    yield getattr(pyvips.Image, f"{codec}load_source")(source, access="sequential", fail_on="error", **options)


def upright(image: Any) -> Any:
    """A libvips image read row by row, with its orientation applied and its colours made grey or RGB."""
    if "orientation" in header_fields(image) and image.get("orientation") > 1:
        image = _turned(image)
    deep = image.format != "uchar"
    if image.interpretation == "cmyk":
        return image.icc_transform("srgb", embedded=True, input_profile="cmyk", depth=16 if deep else 8)
    if image.interpretation in {"lab", "labs", "labq", "lch", "xyz", "yxy", "hsv", "cmc"}:
        return image.colourspace("rgb16" if deep else "srgb")
    return image


def _turned(image: Any) -> Any:
    """The same as its orientation says. It is read row by row, and turning it needs all of them."""
    import pyvips

    if _size(image) <= scratch.most_bytes():
        return image.copy_memory().autorot()
    kept = pyvips.Image.new_temp_file("%s.v")
    image.write(kept)
    return kept.autorot()


def decoded(image: Any) -> Array:
    """Its samples, (H, W, C). Raises pyvips.Error for a damaged file, ResourceError without room for a large one."""
    import pyvips

    shape = (image.height, image.width, image.bands)
    if _size(image) <= scratch.most_bytes():
        values: Array = image.numpy().reshape(shape)
        return values
    array = scratch.empty(shape, {"uchar": "u1", "ushort": "u2", "float": "f4", "double": "f8"}[image.format])
    region = pyvips.Region.new(image)
    for rows in scratch.strips(array):
        height = len(array[rows])
        part = np.frombuffer(region.fetch(0, rows.start, image.width, height), array.dtype)
        array[rows] = part.reshape(height, *shape[1:])
    return array


def save(image: Any, codec: str, path: Path, options: Mapping[str, Any]) -> None:
    """Write a libvips image of samples that are mapped into a new file. Raises pyvips.Error or OSError."""
    import pyvips

    image.set_progress(True)
    image.signal_connect("eval", lambda *_: scratch.release())
    with path.open("x+b") as file:
        getattr(image, f"{codec}save_target")(pyvips.Target.new_to_descriptor(file.fileno()), **options)


def _size(image: Any) -> int:
    """Bytes of its samples."""
    return int(image.width * image.height * image.bands * {"uchar": 1, "ushort": 2, "double": 8}.get(image.format, 4))
