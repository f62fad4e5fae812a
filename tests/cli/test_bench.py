"""darnet bench."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from darnet import registry
from darnet.benchmark import suites


@pytest.fixture
def bench(darnet, tiny_system, sets_root):
    return lambda *arguments: darnet("bench", *arguments, "--data", sets_root, "--model", tiny_system)


def test_json_says_how_every_figure_was_taken(bench, tiny_system, sets_root):
    ran = bench("noise", "--model", "identity", "--limit", 2, "--protocol", "kair", "--json")
    assert (ran.code, ran.err) == (0, "")
    document = json.loads(ran.out)
    assert document["suite"] == "noise"
    options = f"--model identity --model {tiny_system} --protocol kair --limit 2"
    assert document["command"] == f"darnet bench noise --data ROOT {options}"
    assert document["protocol"]["name"] == "kair"
    assert {row["protocol"] for row in document["rows"]} == {document["protocol"]["digest"]}
    assert {(row["method"], row["level"], row["n"]) for row in document["rows"]} == {
        (method, level, 2) for method in ("identity", str(tiny_system)) for level in (15, 25, 50)
    }
    keys = {"psnr", "ssim", "params", "gmacs_256", "ms_per_megapixel", "peak_mb", "per_image"}
    assert all(keys <= row.keys() for row in document["rows"])
    assert document["commit"] is None or document["commit"]
    assert document["machine"]["cores"] >= 1


def test_help_names_every_suite(darnet):
    """Written twice: what help needs must not import torch."""
    told = " ".join(darnet("bench", "--help").out.partition("Arguments")[2].partition("Options")[0].split())
    listed = told.partition("A kind of damage, or ")[2].partition(".")[0].split(", ")
    assert {*listed} | {kind.name for kind in registry.own_kinds()} == {*suites.known()}
    assert len({*listed}) == len(listed)


@pytest.mark.usefixtures("in_this_process")
def test_tables_files_and_a_page(bench, tmp_path):
    page, report = tmp_path / "new" / "page.html", tmp_path / "report.json"
    ran = bench("router", "--set", "CBSD68", "--limit", 1, "--html", page, "--report", report, "--quiet", "-j", 1)
    assert ran.code == 0
    assert "| is, called |" in ran.out
    document = json.loads(report.read_text())
    assert document["suite"] == "router"
    assert document["command"].startswith("darnet bench router --data ROOT --model ")
    assert document["command"].endswith(" --set CBSD68 --limit 1")
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [path.name for path in page.parent.iterdir()] == ["page.html"]
    files = {"--html": page, "--report": report}
    before = {file: file.read_bytes() for file in files.values()}
    for option, other in zip(files, reversed(files.values()), strict=True):  # each in the place of the other
        refused = bench("router", "--set", "CBSD68", "--limit", 1, option, other)
        assert (refused.code, refused.out) == (1, "")
        assert refused.err == f"darnet: {other}: exists already and is no such report of darnet's; give another name\n"
    assert bench("router", "--set", "CBSD68", "--limit", 1, "--html", page, "--report", report, "-j", 1).code == 0
    assert {file: file.read_bytes()[:9] for file in before} == {file: data[:9] for file, data in before.items()}


@pytest.mark.usefixtures("in_this_process")
def test_tasks_stand_beside_those_of_the_papers(bench, tiny_system, tmp_path):
    page, report = tmp_path / "page.html", tmp_path / "report.json"
    ran = bench("5-task", "--limit", 1, "--html", page, "--report", report)
    assert ran.code == 0
    assert "| DaAIR | 6 | as printed (DaAIR) | 31.97 / 0.980 |" in ran.out
    assert f"| {tiny_system} | " in ran.out
    left_out = [line.split(": ")[1] for line in ran.err.splitlines()]
    assert left_out == ["haze", "motion", "lowlight"]
    document = json.loads(report.read_text())
    assert {(row["kind"], row["n"]) for row in document["rows"]} == {("rain", 1), ("noise", 1)}
    assert document["overall"][0]["method"] == str(tiny_system)
    assert "as printed (SLER-IR)" in page.read_text(encoding="utf-8")


def test_a_damaged_picture_is_named_and_the_exit_code_says_so(darnet, sets_root, tmp_path):
    root = Path(shutil.copytree(sets_root, tmp_path / "sets"))
    (root / "CBSD68" / "1.png").write_bytes(b"x")
    ran = darnet("bench", "blur", "--data", root, "--model", "identity", "--json")
    assert ran.code == 1
    assert len(ran.err.splitlines()) == 3
    assert "CBSD68/1.png: " in ran.err
    assert [row["n"] for row in json.loads(ran.out)["rows"]] == [2, 2, 2]


@pytest.mark.usefixtures("in_this_process")
def test_what_is_left_out_is_named(darnet, sets_root):
    ran = darnet(
        "bench",
        "overexposure",
        "--data",
        sets_root,
        "--model",
        "identity",
        "--model",
        "ffdnet",
        "--peers",
        "--limit",
        1,
    )
    assert ran.code == 0
    assert ran.err == "darnet: ffdnet: left out: not meant for overexposure\n"
    assert "| divide |" in ran.out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nois"], 2, "no suite called 'nois'; did you mean 'noise'?"),
        (["noise", "--protocol", "kari"], 2, "no protocol called 'kari'; did you mean 'kair'?"),
        (["noise", "--set", "CBSD86"], 2, "no set of suite noise called 'CBSD86'; did you mean 'CBSD68'?"),
        (["noise", "--set", "Urban100"], 3, "Urban100: no pictures of this test set"),
        (["haze", "--set", "SOTS-indoor"], 3, "SOTS-indoor"),
        (["3-task", "--set", "LOLv1"], 2, "no set of suite 3-task called 'LOLv1'"),
        (["5-task", "--set", "LOLv1"], 3, "LOLv1: no such test set"),
        (["noise", "--limit", "0"], 2, "limit"),
        (["noise", "--html", "."], 1, ".: is a directory"),
        (["noise", "--html", "x", "--report", "x"], 2, "--html and --report: both would be x"),
        (["noise", "--device", "tpu"], 2, "--device tpu"),
        (["noise", "--model", "nobody"], 2, "no method called 'nobody'"),
    ],
)
def test_bad_requests_end_before_anything_is_measured(bench, arguments, code, said):
    ran = bench(*arguments)
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err
    assert len(ran.err.splitlines()) == 1


def test_damaged_weights(darnet, sets_root, damaged_system):
    ran = darnet("bench", "noise", "--data", sets_root, "--model", damaged_system)
    assert (ran.code, ran.out) == (4, "")
    assert "sha256" in ran.err
