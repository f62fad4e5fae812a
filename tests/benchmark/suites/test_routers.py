"""How systems name damage, and what a wrong diagnosis costs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmark_rows import cells, document, part, row
from darnet.benchmark import suites
from darnet.benchmark.cases import ROUTED, severities
from darnet.benchmark.protocol import PROTOCOLS
from darnet.benchmark.report.routing import Naming, markdown
from darnet.benchmark.report.tables import plain
from darnet.benchmark.rows import PerImage
from darnet.benchmark.suite import Request
from darnet.benchmark.suites.routers import Named, Price, Prices, priced, prices
from darnet.errors import UsageError

NAMING = Naming(10, 0.9, {"clean": {"clean": 4, "noise": 1}}, 0.0123, 0.2, 0.1)


class Counter:
    """Whoever watches: counts."""

    def __init__(self) -> None:
        self.expected = self.done = 0

    def expect(self, pictures: int) -> None:
        self.expected += pictures

    def advance(self, record: object) -> None:
        self.done += 1


def test_a_row_without_an_oracle_beside_it_has_no_price() -> None:
    images = (PerImage("a", 30.0, label="noise"), PerImage("b", 31.0, label="rain"))
    own, told = row("s", psnr=30.5, per_image=images), row("s:oracle", psnr=31.25)
    assert prices([own, told]) == (Price("s", "CBSD68", "noise", 25.0, 30.5, 31.25, 0.75, 1),)
    assert prices([own]) == prices([own, row("s:oracle", psnr=None)]) == prices([own, row("s:oracle", level=1.0)]) == ()


def test_prices_say_what_a_wrong_diagnosis_costs() -> None:
    dear = Price("darnet", "CBSD68", "noise", 25.0, 30.5, 31.0, 0.5, 3)
    first, second = cells(priced([dear, Price("darnet", "CBSD68", "clean", None, 30.5, 31.0, 0.5, 3)]))
    assert first == ["darnet", "CBSD68", "noise 25", "30.50", "31.00", "0.50", "3"]
    assert second[2] == "clean –"


def test_a_document_shows_what_was_found_and_its_protocol() -> None:
    named = Named({"darnet": NAMING})
    last = f"Protocol {PROTOCOLS['kair']}."
    found = document("router", part("kair", row()), found=named)
    assert suites.markdown(found) == f"{markdown('darnet', NAMING)}\n\n{last}"
    found = document("end-to-end", part("kair", row()), found=Prices((), named))
    assert suites.markdown(found) == "\n\n".join([plain([row()]), priced([]), markdown("darnet", NAMING), last])


@pytest.mark.usefixtures("in_this_process")
def test_the_price_of_a_wrong_diagnosis(tiny_system: Path, sets_root: Path) -> None:
    """The tiny system calls everything noise, so all but noise is misrouted."""
    counter = Counter()
    found = suites.run(Request("end-to-end", sets_root, (str(tiny_system),), limit=1), counter)
    assert counter.done == counter.expected == 2 * sum(len(severities(kind)) for kind in ROUTED)
    misrouted = {(price.kind, price.level): price.misrouted for price in found.found.prices}
    assert set(misrouted.values()) == {0, 1}
    assert all(wrong == (kind != "noise") for (kind, _), wrong in misrouted.items())
    for price in found.found.prices:
        assert price.price_db == pytest.approx(price.oracle - price.psnr, abs=2e-3)
    naming = found.found.named.router[str(tiny_system)]
    assert naming.confusion["blur"] == {"noise": 3}
    assert naming.clean_called_damaged == naming.false_repairs == 1
    json.dumps(found.to_dict(), allow_nan=False)


@pytest.mark.usefixtures("in_this_process")
def test_the_router_suite_repairs_nothing(tiny_clean_system: Path, sets_root: Path) -> None:
    found = suites.run(Request("router", sets_root, (str(tiny_clean_system),), sets=("CBSD68",), limit=2))
    assert {row.psnr for row in found.part.rows} == {None}
    naming = found.found.router[str(tiny_clean_system)]
    assert naming.accuracy == round(1 / sum(len(severities(kind)) for kind in ROUTED), 4)
    assert naming.false_repairs == 0
    assert found.machine["torch"]


def test_what_has_no_router_is_refused(tiny_system: Path, sets_root: Path) -> None:
    for method in ("ffdnet", str(tiny_system / "noise")):
        with pytest.raises(UsageError, match="needs a system"):
            suites.run(Request("router", sets_root, (method,), sets=("CBSD68",)))
