"""Several kinds of damage at once, and damage in one part: what is measured, and what a wrong plan costs."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from darnet.benchmark import suites
from darnet.benchmark.cases import TOGETHER, Case, severities
from darnet.benchmark.local import MASKS
from darnet.benchmark.protocol import PROTOCOLS
from darnet.benchmark.report.plans import wrong
from darnet.benchmark.suite import Request
from darnet.benchmark.suites import composite
from darnet.benchmark.suites.composite import STRENGTHS, cases
from darnet.benchmark.suites.paths import alone
from darnet.degradations import Jpeg, find_kind
from darnet.degradations.kind import STAGES
from darnet.errors import NoInputError
from darnet.models.cards import Card, save
from darnet.models.slerir import SLERIR

PROMPTIR = PROTOCOLS["promptir"]
PAIRS = ["haze+rain", "lowlight+noise", "blur+noise"]
KINDS = [*PAIRS, "noise+jpeg", "blur+noise+jpeg", "lowlight+noise+jpeg"]


def together(root: Path) -> list[Case]:
    """A photo under every composite."""
    return [case for case in cases(root, limit=1) if TOGETHER in case.kind]


def test_the_damage_comes_in_the_order_of_physics(sets_root: Path) -> None:
    found = together(sets_root)
    assert [(case.kind, case.way) for case in found] == [(kind, way) for way in STRENGTHS for kind in KINDS]
    for case in found:
        assert [part.kind for part in (*case.before, case.degradation)] == list(case.kinds)
        stages = [STAGES.index(find_kind(kind).stage) for kind in case.kinds]
        assert stages == sorted(stages)
    assert {case.severity for case in found} == {None}
    assert len(cases(sets_root)) == 3 * (len(found) + len(MASKS))
    with pytest.raises(NoInputError, match="Kodak24"):
        cases(sets_root, ["Kodak24"])


def test_each_kind_is_at_a_level_of_its_own_suite(sets_root: Path) -> None:
    for case in together(sets_root):
        parts = alone(case)
        assert [part.kind for part in parts] == list(case.kinds)
        for part in parts:
            assert part.degradation in severities(part.kind)
            assert (part.name, part.before) == (case.name, ())


def test_the_pairs_are_those_of_older_documents(sets_root: Path) -> None:
    old = {"haze": 1.4, "rain": 3}, {"lowlight": 0.25, "noise": 15}, {"blur": 1.5, "noise": 15}
    assert [composite.severities()[pair] for pair in PAIRS] == list(old)
    assert [case.way for case in together(sets_root)[:3]] == ["", "", ""]


def test_what_is_stronger_is_further_from_the_photo(sets_root: Path) -> None:
    error = {}
    for case in together(sets_root):
        observed, clean = case.load(PROMPTIR)
        error[case.kind, case.way] = float((observed - clean).square().mean())
    for kind in KINDS:
        for weaker, stronger in pairwise(STRENGTHS):
            assert error[kind, weaker] < error[kind, stronger]


def test_a_composite_is_what_its_kinds_make_one_after_the_other(sets_root: Path) -> None:
    case = next(case for case in together(sets_root) if case.kind == "blur+noise")
    observed, clean = case.load(PROMPTIR)
    blurred, noisy = (part.load(PROMPTIR).observed for part in alone(case))
    detail = [float((picture - clean).square().mean()) for picture in (observed, blurred, noisy)]
    assert detail[0] > max(detail[1:])
    assert detail[0] == pytest.approx(detail[1] + detail[2], rel=0.2)  # noise does not depend on what it is added to


def test_a_file_comes_last_and_holds_what_the_sensor_saw(sets_root: Path) -> None:
    pair = next(case for case in together(sets_root) if case.kind == "noise+jpeg")
    assert isinstance(pair.degradation, Jpeg)
    for protocol, grey in ((PROMPTIR, False), (PROTOCOLS["darnet"], True)):
        observed = pair.load(protocol).observed
        assert torch.equal(observed[0], observed[1]) is grey  # a grey picture has one noise for its channels


@pytest.mark.usefixtures("in_this_process")
def test_the_suite(sets_root: Path, tiny_system: Path, tmp_path: Path) -> None:
    config = {"width": 4, "blocks": [1] * 8, "heads": [1] * 4, "expansion": 1.5, "dimension": 8, "crop_px": 16}
    config |= {"degradation": {"width": 4}, "fusion": 0}
    handles = ("haze", "rain", "noise", "lowlight")  # but no blur
    save(SLERIR(**config), Card(name="slerir", kind="slerir", config=config, handles=handles), tmp_path / "slerir")
    names = ("identity", str(tiny_system), str(tmp_path / "slerir"), str(tiny_system / "blur"))
    document = suites.run(Request("composite", sets_root, names, limit=2))
    written = json.loads(json.dumps(document.to_dict(), allow_nan=False))
    assert suites.from_dict(written) == document
    assert document.failures == ()
    assert list(document.left_out) == [names[3]]  # it repairs a part of it
    rows = {(row.method, row.kind, row.way): row for row in document.part.rows}
    both = [*((kind, way) for way in STRENGTHS for kind in KINDS), *(("noise", mask) for mask in MASKS)]
    assert {(kind, way) for name, kind, way in rows if name == "identity"} == set(both)
    handled = {(kind, way) for kind, way in both if {*kind.split("+")} <= {*handles}}
    assert {(kind, way) for name, kind, way in rows if name == names[2]} == handled
    for place in both:
        worst = rows["identity", *place]
        assert worst.n == 2
        assert worst.psnr < 40
    assert [(entry.method, entry.kind) for entry in document.found.paths] == [(names[2], kind) for kind in PAIRS[:2]]
    for entry in document.found.paths:
        for row in entry.places.values():
            assert sum(row.values()) == pytest.approx(1, abs=1e-3)
    assert {(entry.method, entry.mask) for entry in document.found.local} == {
        (name, mask) for name in names[:3] for mask in list(MASKS)[:-1]
    }
    text = suites.markdown(document)
    assert f"| {names[2]}, CBSD68, haze+rain: expert of | haze | rain | both | neither |" in text
    assert "haze+rain: haze 1.4, then rain 3;" in text
    assert "lowlight+noise+jpeg, stronger: lowlight 0.12, then noise 25, then jpeg 20." in text
    assert "| identity | CBSD68 | blur+noise, stronger | –" in text
    assert "| identity | CBSD68 | noise 25 | corner |" in text
    assert "told order" not in text  # nobody was told a plan


@pytest.mark.usefixtures("in_this_process")
def test_who_is_told_the_kinds_is_told_wrong_plans_too(sets_root: Path, tiny_system: Path) -> None:
    """Of those kinds that it has experts for: noise and blur."""
    name = str(tiny_system)
    document = suites.run(Request("composite", sets_root, (f"{name}:oracle",), limit=1))
    assert document.failures == ()
    told: dict[str, set[str]] = {}
    for row in document.part.rows:
        told.setdefault(row.kind, set()).add(row.method.removeprefix(name))
    wrong_ones = {f":as={'+'.join(plan)}" for plan in wrong(["blur", "noise"], ["noise", "blur"])}
    assert wrong_ones == {":as=blur+noise", ":as=blur", ":as=noise"}
    for kind, methods in told.items():
        assert methods == {":oracle", *(wrong_ones if {"blur", "noise"} <= {*kind.split("+")} else ())}
    text = suites.markdown(document)
    assert f"| {name} | CBSD68 | blur+noise | told order | noise, blur |" in text
    assert f"| {name} | CBSD68 | blur+noise | forwards | blur, noise |" in text


def test_an_older_document_knows_no_local_damage() -> None:
    old = {"levels": {"haze+rain": {"haze": 1.4, "rain": 3.0}}, "paths": []}
    assert composite.Composites.from_dict(old).local == ()


def test_who_is_measured_where_nobody_is_named() -> None:
    (suite,) = composite.suites()
    assert suite.methods == ("identity", "darnet", "darnet:once", "darnet:oracle", "daair", "slerir")
