"""libvips images <-> plain arrays, and the fields that say what their files say about them.

Importing this module does not import pyvips.
"""

from __future__ import annotations

import re
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from darnet.errors import DarnetError, ImageError, ResourceError, is_out_of_memory
from darnet.images import density
from darnet.images.arrays import GREY, GREY_ALPHA, Metadata
from darnet.images.scratch import Array

DELAYS = "delays"  # milliseconds that each frame is shown, as text: `100 200 100`; of libvips, `delay`
KEPT = ("exif-data", "xmp-data", "iptc-data", "photoshop-data", "image-description", "loop")
UNKNOWN_TO_VIPS = ("png-text", "png-colour", "png-hdr", "jpeg-segments", "nclx", "tiff-tags", DELAYS)
# What would contradict other pixels: old thumbnail, orientation and size. libvips writes the last two anew.
STALE = re.compile(r"orientation|jpeg-thumbnail-data|exif-ifd1-|exif-ifd0-(Orientation|Image(Width|Length))$")
# libtiff has no memory for the tables of a file, which are smaller than the file: one that is damaged asks for none,
# or for more than there can be.
LIBTIFF_TABLE = re.compile(r"allocate memory for .*\(\d+ elements of \d+ bytes each\)")
XMP_ORIENTATION = re.compile(rb"""(tiff:Orientation(?:\s*=\s*["']|>\s*))[2-8]""")


def vips_failed(path: Path, error: Any, what: str) -> DarnetError:
    """What to raise where libvips failed: ResourceError where memory ran out, else ImageError.

    It says `what`, and why.
    """
    if is_out_of_memory(error) and not LIBTIFF_TABLE.search(str(error)):
        return ResourceError("out of memory", path)
    reason = complaint(error)
    return ImageError(path, f"{what} ({reason})" if reason else what)


def complaint(error: Any) -> str:
    """The last of the lines that libvips complains in, without the name of its module; empty where there is none."""
    lines = [line.strip() for line in error.detail.splitlines() if re.search("[a-z]{3}", line)]
    return lines[-1].partition(": ")[2] or lines[-1] if lines else ""


def to_vips(values: Array, fields: Metadata) -> Any:
    """A libvips image over (H, W, 1..4) values, with header fields; it keeps `values` alive and does not copy them."""
    import pyvips

    height, width, bands = values.shape
    sample = {"uint8": "uchar", "uint16": "ushort", "float32": "float"}[values.dtype.name]
    colours = {"uchar": "srgb", "ushort": "rgb16", "float": "scrgb"}[sample]
    greys = {"uchar": "b-w", "ushort": "grey16", "float": "b-w"}[sample]
    image = pyvips.Image.new_from_memory(np.ascontiguousarray(values).data, width, height, bands, sample)
    image = image.copy(interpretation=greys if bands in {GREY, GREY_ALPHA} else colours)
    kinds = {bytes: pyvips.GValue.blob_type, str: pyvips.GValue.gstr_type, int: pyvips.GValue.gint_type}
    for name in fields.keys() - {*density.FIELDS, *UNKNOWN_TO_VIPS}:
        image.set_type(kinds[type(fields[name])], _spelt(name), fields[name])
    for name in header_fields(image):  # setting exif-data has unfolded it into fields, and removing a field edits it
        if STALE.match(name):
            image.remove(name)
    if DELAYS in fields:
        image.set_type(pyvips.GValue.array_int_type, "delay", [int(one) for one in str(fields[DELAYS]).split()])
    across, down = density.of(fields) or density.shape(fields)  # properties of a libvips image, not fields
    if unit := str(fields.get(density.UNIT, "" if density.of(fields) else density.SHAPE)):
        image.set_type(pyvips.GValue.gstr_type, density.UNIT, unit)
    return image.copy(xres=float(across), yres=float(down))


def header(image: Any, side: Metadata, *, turned: bool) -> Metadata:
    """What a libvips image's file says about it, but for its density, to be written back by `to_vips`.

    `side`: what else was read of that file, which holds. `turned`: its orientation was applied, so that XMP must not
    name it either.
    """
    fields = set(header_fields(image))
    kept = {name: image.get(_spelt(name)) for name in fields if name.startswith(KEPT)} | {**side}
    if turned and "xmp-data" in kept:
        kept["xmp-data"] = without_orientation(kept["xmp-data"])
    if "delay" in fields:
        kept[DELAYS] = " ".join(map(str, image.get("delay")))
    return kept


def without_orientation(xmp: bytes) -> bytes:
    """XMP of a picture that is upright by now."""
    return XMP_ORIENTATION.sub(rb"\g<1>1", xmp)


def header_fields(image: Any) -> list[str]:
    """The names of a libvips image's fields; a byte that is no UTF-8 is a surrogate.

    A keyword of a PNG comment is Latin-1, of which pyvips' own list knows nothing: it raises.
    """
    from pyvips import ffi, glib_lib, vips_lib

    listed = vips_lib.vips_image_get_fields(image.pointer)
    names = []
    for index in count():
        if listed[index] == ffi.NULL:
            break
        names.append(ffi.string(listed[index]).decode(errors="surrogateescape"))
        glib_lib.g_free(listed[index])
    glib_lib.g_free(listed)
    return names


def _spelt(field: str) -> bytes:
    """A field's name as its bytes were."""
    return field.encode(errors="surrogateescape")
