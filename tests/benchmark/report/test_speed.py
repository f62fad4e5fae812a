from __future__ import annotations

from darnet.benchmark.report.speed import Pace, Peak, Speed, markdown, way

FOUND = Speed(
    (Peak("fp32", 1, 71.6),),
    (
        Pace("darnet", 256, 1, ms_per_megapixel=812.4, peak_mb=431, gmacs_per_megapixel=65.3, share_of_peak=0.4321),
        Pace("nlm", 256, 1, ms_per_megapixel=90.1, peak_mb=300, joules_per_megapixel=1.25),
    ),
)


def test_what_nobody_knows_is_a_dash() -> None:
    told = markdown(FOUND).splitlines()
    assert "| fp32 | 1 | 72 |" in told
    assert "| darnet | 1 | 256 | 812 | 65 | 43.21 % | – | 431 |" in told
    assert "| nlm | 1 | 256 | 90 | – | – | 1.2 | 300 |" in told


def test_it_is_read_back() -> None:
    assert Speed.from_dict(FOUND.to_dict()) == FOUND
    assert way(1) != way(2)
