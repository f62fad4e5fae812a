"""darnet.jobs.sheet: a page that needs nothing else, believes no name, and does not grow in memory."""

from __future__ import annotations

import base64
import io
import re
import tracemalloc
from html.parser import HTMLParser
from pathlib import Path

import PIL.Image
import pytest

from darnet import RestorerSpec, restore_many
from darnet.errors import ImageError, UsageError
from darnet.jobs import Done, Job, check_report
from darnet.jobs.sheet import BEGINNING, SIDE_PX, Sheet
from darnet.timeline import STAGES

NASTY = '<script>alert("1")<script>\'&amp;.png'


class Page(HTMLParser):
    """What is on a page: its tags with their attributes, those that are open, and its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "img", "br", "input"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def images(self) -> list[tuple[str, PIL.Image.Image]]:
        found = [known for tag, known in self.tags if tag == "img"]
        data = [base64.b64decode(known["src"].removeprefix("data:image/jpeg;base64,")) for known in found]
        return [(known["alt"], PIL.Image.open(io.BytesIO(one))) for known, one in zip(found, data, strict=True)]


@pytest.fixture
def sheet(pictures, tiny_system) -> Sheet:
    pictures("in/a.png", side=500)
    pictures(f"in/{NASTY}")
    Path("in/bad.png").write_text("no picture")
    spec = RestorerSpec(system=str(tiny_system), device="cpu")
    sheet = Sheet(Job(), "out", spec)
    for done in restore_many("in", "out", spec):
        sheet.add(done)
    sheet.write("sheet.html")
    return sheet


def test_before_and_after_plan_seconds_and_failures(sheet):
    page = Page(Path("sheet.html"))
    assert page.open == []
    assert [title for title, _ in page.images()] == ["before", "after"] * 2
    sizes = [image.size for _, image in page.images()]
    assert sizes == [(24, 24)] * 2 + [(SIDE_PX, SIDE_PX)] * 2
    assert "3 pictures: 2 repaired, 1 failed" in page.text
    stages = ", ".join(rf"{stage} \d+\.\d\d s" for stage in STAGES)
    assert re.search(rf"noise 98 % \(σ ≈ 24\) → noise \d+\.\d s: {stages}", page.text)
    assert "not a JPEG, PNG" in page.text
    assert "strength: 1.0" in page.text
    assert [known.get("class") for tag, known in page.tags if tag == "article"].count("failed") == 1


def test_it_needs_nothing_else_and_names_are_text(sheet):
    source = Path("sheet.html").read_text()
    page = Page(Path("sheet.html"))
    tags = {tag for tag, _ in page.tags}
    assert not {"script", "link", "iframe"} & tags
    assert all(known["src"].startswith("data:") for tag, known in page.tags if tag == "img")
    assert "http" not in source and "url(" not in source and "@import" not in source
    assert "<script>" in page.text
    assert "prefers-color-scheme: dark" in source


def test_what_is_left_alone_is_shown_once_and_what_is_gone_not_at_all(pictures, tiny_clean_system):
    pictures("in/a.png")
    sheet = Sheet(Job())
    for done in restore_many("in", "out", RestorerSpec(system=str(tiny_clean_system), device="cpu")):
        sheet.add(done)
    sheet.add(Done("gone.png", error="no such file", exit_code=1))
    sheet.write("sheet.htm")
    assert [title for title, _ in Page(Path("sheet.htm")).images()] == ["before and after"]


def test_it_replaces_an_earlier_sheet_and_nothing_else(sheet):
    check_report(Path("sheet.html"), ())
    sheet.write("sheet.html")
    Path("mine.html").write_text("<!doctype html> mine")
    for write in (lambda: sheet.write("mine.html"), lambda: check_report(Path("mine.html"), ())):
        with pytest.raises((ImageError, UsageError), match="no such report of darnet's"):
            write()
    with pytest.raises(UsageError, match="a picture of this run"):
        check_report(Path("in/a.png"), Job().plan(["in"]).tasks)
    assert Path("sheet.html").read_bytes().startswith(BEGINNING)


def test_memory_does_not_grow_with_the_number_of_pictures(pictures):
    pictures("a.png")
    peaks = []
    for number in (20, 200):
        sheet = Sheet(Job())
        tracemalloc.start()
        for _ in range(number):
            sheet.add(Done("a.png", "a.png", error="x" * 1000))
        sheet.write("sheet.html")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert Path("sheet.html").stat().st_size > 400_000
    assert peaks[1] < peaks[0] + 400_000
