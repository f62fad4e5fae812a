"""Damage on the way that photos take: what a file did to it, and what light and sensor do.

A way is a degradation of one severity and what comes after it; its kind is that of the degradation, which a method may
be told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from darnet.benchmark.camera import Defocus, LongExposure, SensorNoise, ShortExposure
from darnet.benchmark.cases import DEFAULT_SETS, PHOTO_SETS, Case, damaged
from darnet.benchmark.protocol import Step
from darnet.benchmark.report.gains import Gains
from darnet.benchmark.suite import Suite
from darnet.benchmark.suites.gains import gaining
from darnet.degradations import Degradation, GaussianBlur, GaussianNoise, Jpeg, Overexposure
from darnet.errors import UnknownNameError

JPEG_75, JPEG_85, JPEG_90 = (Jpeg((quality, quality)) for quality in (75.0, 85.0, 90.0))
#: Where film begins to saturate, in linear light.
SHOULDER = 0.5


class Way(NamedTuple):
    """`title` says what the severity does not: what comes after the damage, or what sort of damage it is.

    has_severity: whether its severity says all that its title does not.
    """

    title: str
    degradation: Degradation
    after: tuple[Step, ...] = ()
    has_severity: bool = True

    def cases(self, root: Path, set_name: str, limit: int | None) -> list[Case]:
        """The photos of a set that took this way. Raises NoInputError."""
        found = damaged(self.degradation, root, set_name, limit)
        return [
            replace(case, way=self.title, after=self.after, severity=case.severity if self.has_severity else None)
            for case in found
        ]


#: JPEG files halve their colour (4:2:0) at these qualities, as nearly every camera and editor does.
WAYS: Mapping[str, tuple[Way, ...]] = {
    "stored": (
        Way("JPEG 85", GaussianNoise((15.0, 15.0)), (JPEG_85,)),
        Way("JPEG 85", GaussianBlur((1.5, 1.5)), (JPEG_85,)),
        Way("JPEG 85", Overexposure((1.5, 1.5)), (JPEG_85,)),
        Way("disk of 3 px", Defocus(), has_severity=False),
        Way("disk of 3 px, JPEG 85", Defocus(), (JPEG_85,), has_severity=False),
        Way("", JPEG_75),
    ),
    "sensor": (
        Way("400 electrons, JPEG 90", SensorNoise(), (JPEG_90,), has_severity=False),
        Way("400 electrons, Bayer, JPEG 90", SensorNoise(bayer=True), (JPEG_90,), has_severity=False),
    ),
    "exposure": (
        Way("EV +1, JPEG 90", LongExposure(), (JPEG_90,), has_severity=False),
        Way("EV +1 with a shoulder, JPEG 90", LongExposure(shoulder=SHOULDER), (JPEG_90,), has_severity=False),
        Way("EV −2, JPEG 90", ShortExposure(), (JPEG_90,), has_severity=False),
    ),
}
#: Who stands beside: those that need no severity, or whose severity is known.
BESIDE: Mapping[str, tuple[str, ...]] = {
    "stored": ("nlm-blind", "gaussian", "wiener-jpeg", "wiener-blind", "divide"),
    "sensor": ("nlm-blind", "gaussian"),
}


def cases(suite: str, root: Path, sets: Sequence[str] = (), limit: int | None = None) -> list[Case]:
    """The cases of a suite, way by way: CBSD68, or the photo sets that are named; at most `limit` of a set and way.

    Raises UnknownNameError for a set that is none of photos, NoInputError for one that is not there.
    """
    for name in sets:
        if name not in PHOTO_SETS:
            raise UnknownNameError(f"set of suite {suite}", name, PHOTO_SETS)
    return [case for way in WAYS[suite] for name in sets or DEFAULT_SETS for case in way.cases(root, name, limit)]


def _suite(name: str) -> Suite[Gains]:
    return gaining(name, lambda request: cases(name, *request.pictures), BESIDE.get(name, ()))


def suites() -> tuple[Suite[Gains], ...]:
    """One for each sort of way."""
    return tuple(map(_suite, WAYS))
