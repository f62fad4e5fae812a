"""IPTC, as each format wraps it: TIFF as it is; JPEG, and PNG as ImageMagick writes it, in a resource of Photoshop's.

IPTC-NAA Information Interchange Model 4; Adobe, Photoshop file formats, image resources.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

PHOTOSHOP, RESOURCE, IPTC = b"Photoshop 3.0\0", b"8BIM", 0x0404


def bare(data: bytes) -> bytes:
    r"""What is wrapped; what is not, as it is; nothing where there is none among Photoshop's resources.

    >>> bare(wrapped(b"\x1c\x02\x50\0\1a"))
    b'\x1c\x02P\x00\x01a'
    """
    resources = data.removeprefix(PHOTOSHOP)
    if not resources.startswith(RESOURCE):
        return data
    return next((content for number, content in _resources(resources) if number == IPTC), b"")


def wrapped(data: bytes) -> bytes:
    """As a resource of Photoshop's; what is wrapped, as it is, with the resources beside it."""
    resources = data.removeprefix(PHOTOSHOP)
    if resources.startswith(RESOURCE):
        return resources
    return RESOURCE + struct.pack(">HHI", IPTC, 0, len(data)) + data + bytes(len(data) % 2)


def _resources(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The number and content of each; those before the damage where there is any."""
    at = 0
    while data[at : at + 4] == RESOURCE and len(data) >= at + 12:
        number, name = struct.unpack_from(">HB", data, at + 4)
        start = at + 6 + (name + 2) // 2 * 2
        if len(data) < start + 4:
            return
        (length,) = struct.unpack_from(">I", data, start)
        yield number, data[start + 4 : start + 4 + length]
        at = start + 4 + length + length % 2
