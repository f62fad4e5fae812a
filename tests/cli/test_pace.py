"""darnet.cli.pace: how fast pictures are done, and what the time goes to."""

from __future__ import annotations

from darnet.cli.pace import Pace
from darnet.jobs import Done


def test_pictures_and_megapixels_a_second_of_what_did_not_fail(monkeypatch):
    monkeypatch.setattr(Pace, "seconds", 4.0)
    pace = Pace()
    assert str(pace) == ""
    for _ in range(2):
        pace.add(Done("a.jpg", pixels=12_000_000, seconds={"read": 1.0, "repair": 2.5}))
    pace.add(Done("b.jpg", error="damaged", exit_code=1, seconds={"read": 0.5}))
    assert str(pace) == "0.5 pictures/s, 6 MP/s"
    assert pace.shares == "read 2.5 s, repair 5.0 s at work in 4.0 s"
