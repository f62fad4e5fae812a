"""darnet.cli.report: what --report holds, also when a run is broken off."""

from __future__ import annotations

import gc
import json
import weakref
from pathlib import Path

from darnet.images.image import Image
from darnet.restore.restorer import Restorer


def test_settings_and_model(pictures, restore, tiny_system):
    pictures("a.png")
    restore("a.png", "-s", "0.5", "--ext", "webp", "-t", "32", "--report", "deep/report.json")
    report = json.loads(Path("deep/report.json").read_text())
    assert report["model"] == str(tiny_system)
    expected = {"strength": 0.5, "ext": "webp", "tile": "32", "precision": "auto", "as": [], "dry_run": False}
    assert expected.items() <= report["settings"].items()
    assert not list(Path("deep").glob(".*"))


def test_an_interrupted_run_reports_what_it_did(pictures, restore, monkeypatch):
    pictures("a.png")
    pictures("b.png")
    whole = Restorer.__call__

    def interrupted(self: Restorer, source: Path, **options: object) -> object:
        if source.name == "b.png":
            raise KeyboardInterrupt
        return whole(self, source, **options)

    monkeypatch.setattr(Restorer, "__call__", interrupted)
    assert restore("a.png", "b.png", "--report", "report.json").code == 130
    assert [entry["output"] for entry in json.loads(Path("report.json").read_text())["pictures"]] == ["a.restored.png"]
    assert not Path("b.restored.png").exists()


def test_a_report_that_cannot_be_written_stops_before_the_work(pictures, restore):
    pictures("a.png")
    ran = restore("a.png", "--report", "a.png/report.json")
    assert (ran.code, ran.out) == (1, "")
    assert "not a directory" in ran.err
    assert not Path("a.restored.png").exists()


def test_no_picture_is_kept_for_the_report(pictures, restore, monkeypatch):
    """A folder may hold more than memory does: when a picture is read, all before it are gone."""
    for name in ("a.png", "b.png", "c.png"):
        pictures(name)
    whole, known, alive = Restorer.__call__, list[weakref.ref[Image]](), list[int]()

    def watched(self: Restorer, source: Path, **options: object) -> object:
        gc.collect()
        alive.append(sum(image() is not None for image in known))
        result = whole(self, source, **options)
        known.extend(weakref.ref(image) for image in (result.source, result.restored))
        return result

    monkeypatch.setattr(Restorer, "__call__", watched)
    assert restore("a.png", "b.png", "c.png", "--report", "report.json").code == 0
    assert alive == [0, 0, 0]
    assert all(entry["result"]["changed"] for entry in json.loads(Path("report.json").read_text())["pictures"])
