"""What tests of jobs share."""

from __future__ import annotations

from pathlib import Path

import pytest

from darnet import RestorerSpec


@pytest.fixture
def spec(tiny_system: Path) -> RestorerSpec:
    """Who restores: a system of tiny networks."""
    return RestorerSpec(system=str(tiny_system), device="cpu")
