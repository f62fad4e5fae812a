from __future__ import annotations

import io
import re
import sys
from base64 import b64decode
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from benchmark_rows import row
from darnet.benchmark import suites
from darnet.benchmark.cases import Case
from darnet.benchmark.documents import Failure
from darnet.benchmark.report.html import crops, frontier, html, need, worst
from darnet.benchmark.rows import PerImage
from darnet.benchmark.suite import Request
from darnet.benchmark.suites import speed
from darnet.errors import UsageError

pytestmark = pytest.mark.usefixtures("in_this_process")


def case(name: str, severity: float = 25.0) -> Case:
    return Case("CBSD68", name, "noise", severity, Path(name))


def test_the_worst_are_those_that_gained_least() -> None:
    names = "abcdefg"
    before = row("identity", {name: 20.0 + index for index, name in enumerate(names)})
    after = row("darnet", {name: 30.0 for name in names})  # the gain falls from a to g
    found = worst([before, after], [case(name) for name in names])
    assert [poor.case.name for poor in found["darnet"]] == ["g", "f", "e", "d", "c"]
    assert found["darnet"][0].caption.endswith("26.00 → 30.00 dB (+4.00)")
    assert set(found) == {"darnet"}


def test_without_the_damaged_pictures_psnr_itself_counts() -> None:
    found = worst([row("darnet", {"a": 31.0, "b": 29.0})], [case("a"), case("b")])
    assert [poor.case.name for poor in found["darnet"]] == ["b", "a"]


def test_a_picture_is_shown_once_at_its_worst_level() -> None:
    rows = [row("darnet", {"a": 31.0}), row("darnet", {"a": 25.0}, level=50.0)]
    (poor,) = worst(rows, [case("a"), case("a", 50.0)])["darnet"]
    assert poor.case.severity == 50.0


def test_of_a_router_the_surest_mistakes_are_shown() -> None:
    images = (
        PerImage("a", label="noise", confidence=0.9),
        PerImage("b", label="blur", confidence=0.6),
        PerImage("c", label="clean", confidence=0.8),
    )
    found = worst([row("darnet", per_image=images)], [case(name) for name in "abc"])
    assert [poor.case.name for poor in found["darnet"]] == ["c", "b"]
    assert "called clean (80 %)" in found["darnet"][0].caption


def test_a_picture_that_was_touched_is_worse_than_one_that_was_named_wrongly() -> None:
    images = (
        PerImage("a", 40.0, label="noise", confidence=0.7),
        PerImage("b", label="noise", confidence=0.9),
        PerImage("c", 12.0, label="noise", confidence=0.7),
    )
    photos = [Case("CBSD68", name, "clean", None, Path(name)) for name in "abc"]
    found = worst([row("darnet", kind="clean", level=None, per_image=images)], photos)
    assert [poor.case.name for poor in found["darnet"]] == ["c", "a", "b"]


def test_the_frontier_has_a_panel_a_damage_and_a_point_a_method() -> None:
    rows = [row("one", {"a": 30.0}), row("two", {"a": 31.0}), row("one", {"a": 27.0}, level=50.0)]
    drawn = frontier(rows)
    assert drawn.startswith("<svg")
    assert drawn.count(">CBSD68: noise 25<") == drawn.count(">CBSD68: noise 50<") == 1
    assert (drawn.count(">one<"), drawn.count(">two<")) == (2, 1)
    assert frontier(rows) == drawn
    assert frontier([row("one", {"a": 30.0}, psnr=None)]) == ""


def test_names_that_would_overlap_stand_one_above_the_other() -> None:
    def heights(*times: float) -> list[float]:
        """Of each name above its point, in the order of time; points are equally good."""
        rows = [row(f"m{i}", {"a": 30.0}, ms_per_megapixel=time) for i, time in enumerate(times)]
        rows.append(row("far", {"a": 10.0}, psnr=10.0, ms_per_megapixel=max(times) * 10))
        return [float(y) for y in re.findall(r'y="([\d.]+)"[^>]*>m\d<', frontier(rows))]

    apart, close = heights(1.0, 900.0), heights(400.0, 430.0)
    assert apart[0] == pytest.approx(apart[1], abs=0.5)
    assert close[0] - close[1] > 8


@pytest.mark.parametrize("suite", ["noise", "router", "table1", "3-task", "speed", "stored", "clean"])
def test_a_page_needs_nothing_but_itself(
    suite: str, tiny_system: Path, sets_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed, "SIZES_PX", (32,))
    request = Request(suite, sets_root, (str(tiny_system),), sets=("CBSD68",), limit=1)
    page = html(suites.run(request), request, suites.find(suite))
    sources = re.findall(r'(?:src|href)="([^"]*)"', re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL))
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert bool(sources) == (suite != "speed")
    assert ("<svg" in page) == (suite in {"noise", "table1", "3-task", "stored"})
    assert "<table>" in page
    assert "<script" not in page


def test_the_cells_of_a_page_may_break_so_that_no_table_is_cut() -> None:
    """At 1300 px the last columns of `darnet bench noise` lay outside: cells could not break, the page was narrow."""
    style = files("darnet.benchmark.report").joinpath("html.jinja").read_text("utf-8").partition("</style>")[0]
    rules = dict(re.findall(r"([^{}]+)\{([^}]*)\}", style))
    table = {selector.strip(): rule for selector, rule in rules.items()}
    assert "nowrap" not in "".join(table.values())
    assert "max-width: 100%" in table["body"]


def test_a_page_names_failures_and_escapes_them(tiny_system: Path, sets_root: Path) -> None:
    request = Request("noise", sets_root, (str(tiny_system),), limit=1)
    document = suites.run(request)
    failures = (Failure("m", "CBSD68", "<b>.png", 15.0, "damaged"),)
    part = replace(document.part, failures=failures, left_out={"bm3d": "not installed"})
    page = html(replace(document, parts=(part,)), request, suites.find("noise"))
    assert "m CBSD68 &lt;b&gt;.png 15.0 damaged" in page
    assert "left out: bm3d: not installed" in page


def test_crops_lie_where_the_error_is_largest() -> None:
    clean = np.zeros((200, 300, 3), np.uint8)
    restored = clean.copy()
    restored[150:160, 250:260] = 255
    found = {crop["label"]: decoded(crop["source"]) for crop in crops((clean + 1, restored, clean))}
    assert list(found) == ["damaged", "restored", "clean"]
    assert (found["restored"] == 255).sum() == 10 * 10 * 3
    assert found["damaged"].shape == (112, 112, 3)
    assert [crop["label"] for crop in crops((clean, clean, clean))] == ["damaged", "clean"]


def decoded(source: str) -> np.ndarray:
    data = b64decode(source.removeprefix("data:image/png;base64,"))
    return np.asarray(PIL.Image.open(io.BytesIO(data)))


def test_a_page_needs_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(UsageError, match=r"darnet\[bench\]"):
        need()
