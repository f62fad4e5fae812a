"""What a system is made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from darnet.errors import UnknownNameError
from darnet.systems.listing import parts, size_bytes, summary


def test_a_system_is_its_router_and_its_experts(tiny_system: Path) -> None:
    found = parts(str(tiny_system))
    assert list(found) == ["router", "noise", "blur", "overexposure"]
    noise = summary("noise", found["noise"])
    assert (noise["role"], noise["name"], noise["kind"], noise["handles"]) == (
        *("noise", "tiny-noise", "compact-unet"),
        ["noise"],
    )
    assert noise["parameters"] > 0
    assert noise["bytes"] == sum(path.stat().st_size for path in found["noise"].iterdir()) == size_bytes(found["noise"])


def test_no_system_says_what_there_is() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'darnet'"):
        parts("darnett")
