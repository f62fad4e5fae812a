"""Which real pairs are measured as which kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from darnet.benchmark import suites
from darnet.benchmark.methods import ORACLE
from darnet.benchmark.suite import Request
from darnet.benchmark.suites.real import SETS, cases, missing
from darnet.errors import NoInputError, UsageError

PAIRS = {
    "PolyU": {"a_0": "a_0", "a_1": "a_1"},
    "SICE": {"0073_o0075": "0073", "0073_u0071": "0073", "0228_o0229": "0228"},
    "GoPro-like": {"00": "00"},
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real")
    rng = np.random.default_rng(0)
    for name, pairs in PAIRS.items():
        for degraded, clean in pairs.items():
            for place, stem in (("input", degraded), ("target", clean)):
                path = folder / name / place / f"{stem}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(path)
    return folder


def test_an_exposure_series_holds_two_kinds(root: Path) -> None:
    found = {(case.kind, case.set): [] for case in cases(root)}
    for case in cases(root):
        found[case.kind, case.set].append((case.name, case.clean.stem))
    assert found == {
        ("noise", "PolyU"): [("a_0.png", "a_0"), ("a_1.png", "a_1")],
        ("overexposure", "SICE"): [("0073_o0075.png", "0073"), ("0228_o0229.png", "0228")],
        ("lowlight", "SICE"): [("0073_u0071.png", "0073")],
        ("motion", "GoPro-like"): [("00.png", "00")],
    }


def test_sets_and_limits(root: Path) -> None:
    assert {case.set for case in cases(root, ("SICE",))} == {"SICE"}
    assert [case.name for case in cases(root, ("PolyU",), 1)] == ["a_0.png"]
    assert len(cases(root, limit=1)) == 4  # of each part
    assert set(missing(cases(root))) == {*SETS} - {*PAIRS}


def test_what_is_missing_or_does_not_fit_is_named(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no set of suite real called 'CBSD68'"):
        cases(root, ("CBSD68",))
    with pytest.raises(NoInputError, match="RENOIR: no such test set"):
        cases(root, ("RENOIR",))
    with pytest.raises(NoInputError, match="none of the sets of suite real is there"):
        cases(tmp_path)


@pytest.mark.usefixtures("in_this_process")
def test_the_suite(root: Path, tiny_system: Path) -> None:
    name = str(tiny_system)
    document = suites.run(Request("real", root, (name, "gaussian")))
    assert document.failures == ()
    assert {*document.left_out} == {*SETS} - {*PAIRS}
    rows = {(gain.method, gain.set, gain.kind): gain for gain in document.found.gains}
    assert {method for method, *_ in rows} == {name, f"{name}{ORACLE}", "gaussian"}
    assert rows["gaussian", "PolyU", "noise"].told == "kind"
    assert rows["gaussian", "PolyU", "noise"].gain_db > 0.3  # white noise against white noise
    assert ("gaussian", "SICE", "lowlight") not in rows
    assert rows[name, "all", ""].n == 6
    assert rows[name, "PolyU", "noise"].found == 2
    assert rows[name, "SICE", "lowlight"].found == 0  # it calls everything noise
    text = suites.markdown(document)
    assert "| gaussian | kind | PolyU | noise |" in text
    assert document.part.protocol.digest in text
