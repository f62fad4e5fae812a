"""darnet.jobs.report: what a report holds, and what it never replaces."""

from __future__ import annotations

import json
import os
import tracemalloc
from pathlib import Path

import pytest

from darnet import RestorerSpec, Tiles, restore_many
from darnet.errors import ImageError, UsageError
from darnet.jobs import Done, Encoding, Job, Report, check_report


def test_a_report_is_enough_to_do_it_again(pictures, tiny_system):
    pictures("a.png")
    spec = RestorerSpec(system=str(tiny_system), device="cpu", tiles=Tiles(32, 16))
    kept = Report(Job(("noise",), 0.5, Encoding("webp")), "out", spec)
    for done in restore_many(["a.png", "gone.png"], kept.output, spec, kept.job):
        kept.add(done)
    kept.write(Path("deep/report.json"))
    report = json.loads(Path("deep/report.json").read_text())
    assert not list(Path("deep").glob(".*"))
    assert report["darnet"]
    assert report["model"] == str(tiny_system)
    settings = report["settings"]
    assert RestorerSpec.model_validate(settings.pop("restorer")) == spec
    assert settings.pop("output") == "out"
    assert Job(**settings | {"encoding": Encoding(**settings["encoding"])}) == kept.job
    gone, done = report["pictures"]
    assert gone == {
        "input": "gone.png",
        "output": None,
        "already": False,
        "result": None,
        "error": "no such file or folder",
    }
    assert (done["input"], done["output"], done["error"]) == ("a.png", "out/a.webp", None)
    assert (done["result"]["experts"], done["result"]["changed"]) == (["noise"], True)


def test_a_report_of_a_restorer_whose_spec_nobody_knows():
    document = Report(Job()).to_dict()
    assert (document["model"], document["settings"]["restorer"]) == (None, None)


@pytest.mark.parametrize("number", [0, 1, 2, 600])
def test_what_is_written_picture_by_picture_is_json_as_it_would_be_at_once(pictures, number):
    report = Report(Job())
    for _ in range(number):
        report.add(Done("line\u2028\x0b\nnull.jpg", error='a\n    null "]}', exit_code=1))
    report.write("report.json")
    assert Path("report.json").read_text() == json.dumps(report.to_dict(), indent=2) + "\n"
    assert len(json.loads(Path("report.json").read_bytes())["pictures"]) == number


def test_memory_does_not_grow_with_the_pictures_of_a_report(pictures):
    report, used = Report(Job()), list[int]()
    tracemalloc.start()
    for number in range(3 * 4096):
        report.add(Done(f"{number}.jpg", f"out/{number}.jpg", error="x" * 200))
        if not (number + 1) % 4096:
            used.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.reset_peak()
    report.write("report.json")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert used[2] < used[0] + 100_000
    assert peak < used[2] + 1_000_000
    assert Path("report.json").stat().st_size > 3_000_000


def test_a_report_replaces_no_picture_of_its_run(pictures):
    pictures("a.png")
    Path("link.json").symlink_to("a.png")
    tasks = Job().plan(["a.png"], "out.png").tasks
    for path in ("a.png", "out.png", "link.json"):
        with pytest.raises(UsageError, match=f"`report='{path}'`: that is a picture of this run"):
            check_report(Path(path), tasks)
    for path, reason in (
        ("a.png/report.json", "not a directory"),
        ("/proc/report.json", "no such file"),
        ("-", "expected a file"),
    ):
        with pytest.raises(UsageError, match=f"`report='{path}'`: {reason}"):
            check_report(Path(path), tasks)
    check_report(Path("new/report.json"), tasks)
    assert not Path("new").exists()


@pytest.mark.parametrize("content", [b"photo", b'{"darnet": 1}', b"{}"])
def test_a_report_replaces_reports_alone(pictures, content):
    Report(Job()).write("report.json")
    Path("empty.json").touch()
    Path("other.json").write_bytes(content)
    os.mkfifo("pipe")
    for path in ("report.json", "empty.json"):
        check_report(Path(path), ())
        Report(Job(strength=0.5)).write(path)
        assert json.loads(Path(path).read_text())["settings"]["strength"] == 0.5
    for path, reason in (("other.json", "is no such report of darnet's"), ("pipe", "not a regular file")):
        with pytest.raises(UsageError, match=reason):
            check_report(Path(path), ())
        with pytest.raises(ImageError, match=reason):
            Report(Job()).write(path)
    assert Path("other.json").read_bytes() == content
