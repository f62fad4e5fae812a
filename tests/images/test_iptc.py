"""darnet.images.iptc: wrapped and bare, whatever stands beside it."""

from __future__ import annotations

import struct

from darnet.images import iptc

DATA = b"\x1c\x02\x50\0\3abc"


def test_it_comes_back_and_is_wrapped_once() -> None:
    assert iptc.bare(iptc.wrapped(DATA)) == DATA == iptc.bare(DATA)
    assert iptc.wrapped(iptc.wrapped(DATA)) == iptc.wrapped(iptc.PHOTOSHOP + iptc.wrapped(DATA)) == iptc.wrapped(DATA)


def test_other_resources_stay_beside_it() -> None:
    other = b"8BIM" + struct.pack(">H", 1005) + b"\4name\0" + struct.pack(">I", 3) + b"abc\0"
    both = iptc.PHOTOSHOP + other + iptc.wrapped(DATA)
    assert iptc.bare(both) == DATA
    assert iptc.wrapped(both) == other + iptc.wrapped(DATA)
    assert iptc.bare(iptc.PHOTOSHOP + other) == b""
    for end in range(len(iptc.PHOTOSHOP) + 4, len(both)):
        iptc.bare(both[:end])  # nothing is raised
