"""darnet.cli.pace: how fast pictures are done, and what the time goes to."""

from __future__ import annotations

from darnet.cli.pace import Pace
from darnet.jobs import Done
from darnet.timeline import Span


def took(name: str, seconds: float, *inner: Span) -> Span:
    return Span(name, "", 0, int(seconds * 1e9), 1, 1, inner)


def test_pictures_and_megapixels_a_second_of_what_did_not_fail(monkeypatch):
    monkeypatch.setattr(Pace, "seconds", 4.0)
    pace = Pace()
    assert str(pace) == ""
    for _ in range(2):
        timeline = (took("repair", 2.5, took("diagnose", 0.5)), took("open", 1.0))
        pace.add(Done("a.jpg", pixels=12_000_000, timeline=timeline))
    pace.add(Done("b.jpg", error="damaged", exit_code=1, timeline=(took("open", 0.5),)))
    assert str(pace) == "0.5 pictures/s, 6 MP/s"
    assert pace.shares == "open 2.50 s, diagnose 1.00 s, repair 4.00 s at work in 4.0 s"
