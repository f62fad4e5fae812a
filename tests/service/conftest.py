"""Services that tests of this folder ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from darnet.service.access import Access
from darnet.service.limits import Limits
from services import PATIENCE, Serving, serving


@pytest.fixture
def serve(tiny_system: Path) -> Iterator[Callable[..., Serving]]:
    """Starts services that end with the test."""
    with ExitStack() as held:

        def start(limits: Limits | None = None, access: Access | None = None) -> Serving:
            return held.enter_context(serving(tiny_system, limits or Limits(), access or Access()))

        yield start


@pytest.fixture(scope="module")
def service(tiny_system: Path) -> Iterator[Serving]:
    """One service that several tests ask, and none changes."""
    limits = Limits(queue=64, seconds=PATIENCE, max_bytes=300_000, max_pixels=1_000_000)
    with serving(tiny_system, limits, Access()) as running:
        yield running
