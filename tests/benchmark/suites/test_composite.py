"""Two kinds of damage at once: what is measured, and whose way such a picture takes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmark_rows import row as a_row
from darnet.benchmark import suites
from darnet.benchmark.cases import severities
from darnet.benchmark.methods import Answer, Method
from darnet.benchmark.peers import Identity
from darnet.benchmark.protocol import PROTOCOLS
from darnet.benchmark.rows import PerImage
from darnet.benchmark.suite import Request
from darnet.benchmark.suites import composite
from darnet.benchmark.suites.composite import BOTH, EVERY, NEITHER, alone, cases, paths
from darnet.errors import NoInputError
from darnet.models.abilities import Watched
from darnet.models.base import Context, Output
from darnet.models.cards import Card, save
from darnet.models.slerir import SLERIR
from darnet.routing import Routing

PROMPTIR = PROTOCOLS["promptir"]
KINDS = ["haze+rain", "lowlight+noise", "blur+noise"]


def test_the_damage_comes_in_the_order_of_physics(sets_root: Path) -> None:
    found = cases(sets_root, limit=1)
    assert [case.kind for case in found] == KINDS
    assert [[part.kind for part in case.before] for case in found] == [["haze"], ["lowlight"], ["blur"]]
    assert {case.severity for case in found} == {None}
    assert len(cases(sets_root)) == 9
    with pytest.raises(NoInputError, match="Kodak24"):
        cases(sets_root, ["Kodak24"])


def test_each_kind_is_at_a_level_of_its_own_suite(sets_root: Path) -> None:
    for case in cases(sets_root, limit=1):
        parts = alone(case)
        assert [part.kind for part in parts] == list(case.kinds)
        for part in parts:
            assert part.degradation in severities(part.kind)
            assert (part.name, part.before) == (case.name, ())
    assert composite.severities()["lowlight+noise"] == {"lowlight": 0.25, "noise": 15}


def test_a_composite_is_what_its_kinds_make_one_after_the_other(sets_root: Path) -> None:
    case = cases(sets_root, limit=1)[2]
    observed, clean = case.load(PROMPTIR)
    blurred, noisy = (part.load(PROMPTIR).observed for part in alone(case))
    detail = [float((picture - clean).square().mean()) for picture in (observed, blurred, noisy)]
    assert detail[0] > max(detail[1:])
    assert detail[0] == pytest.approx(detail[1] + detail[2], rel=0.2)  # noise does not depend on what it is added to


class Looks(Watched):
    """Four stages: what is dark, what is rough, what is both, and one that sends all the same way."""

    stages = ("dark", "rough", "dark and rough", "blind")

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 1)

    def encode(self, views: torch.Tensor) -> Context:
        return Context({"views": views})

    def forward(
        self, degraded: torch.Tensor, context: Context | None = None, box: torch.Tensor | None = None
    ) -> Output:
        dark = degraded.mean(dim=(1, 2, 3)) < 0.25
        rough = (degraded[..., 1:] - degraded[..., :-1]).abs().mean(dim=(1, 2, 3)) > 0.03
        chosen = (dark, rough, dark & rough, torch.zeros_like(dark))
        return Output(degraded, tuple(Routing.hard(torch.stack([~c, c], dim=1).float()) for c in chosen))

    def parts(self) -> Mapping[str, Mapping[str, nn.Module]]:
        return {"dark": {"experts": self.layer}}


class Routed(Method):
    def __call__(self, observed: torch.Tensor, case: object) -> Answer:
        return Answer(observed)

    def networks(self, case: object) -> tuple[nn.Module, ...]:
        return (nn.Conv2d(1, 1, 1), Looks())


def test_whose_way_a_composite_takes(sets_root: Path) -> None:
    images = (PerImage("0.png"), PerImage("1.png"), PerImage("2.png", error="no file"))
    row = a_row("looks", kind="lowlight+noise", per_image=images)
    rows = [row, replace(row, method="other"), replace(row, kind="blur+noise", per_image=images[2:])]
    (found,) = paths(rows, {"looks": Routed(), "other": Identity()}, cases(sets_root), PROMPTIR, "cpu")
    assert (found.method, found.kind, found.pictures) == ("looks", "lowlight+noise", 2)
    whose = {stage: max(row, key=row.get) for stage, row in found.places.items() if stage != EVERY}
    assert whose == {"dark": "lowlight", "rough": "noise", "dark and rough": NEITHER, "blind": BOTH}
    assert {max(row.values()) for stage, row in found.places.items() if stage != EVERY} == {1}
    assert found.places[EVERY] == {"lowlight": 0.25, "noise": 0.25, BOTH: 0.25, NEITHER: 0.25}


@pytest.mark.usefixtures("in_this_process")
def test_the_suite(sets_root: Path, tiny_system: Path, tmp_path: Path) -> None:
    config = {"width": 4, "blocks": [1] * 8, "heads": [1] * 4, "expansion": 1.5, "dimension": 8, "crop_px": 16}
    config |= {"degradation": {"width": 4}, "fusion": 0}
    handles = ("haze", "rain", "noise", "lowlight")  # but no blur
    save(SLERIR(**config), Card(name="slerir", kind="slerir", config=config, handles=handles), tmp_path / "slerir")
    names = ("identity", str(tiny_system), str(tmp_path / "slerir"), str(tiny_system / "noise"))
    document = suites.run(Request("composite", sets_root, names, limit=2))
    json.dumps(document.to_dict(), allow_nan=False)
    assert document.failures == ()
    assert list(document.left_out) == [str(tiny_system / "noise")]  # it repairs half of it
    rows = {(row.method, row.kind): row for row in document.part.rows}
    assert {kind for name, kind in rows if name == "identity"} == set(KINDS)
    assert {kind for name, kind in rows if name == names[2]} == set(KINDS[:2])
    for kind in KINDS:
        worst = rows["identity", kind]
        assert worst.n == 2
        assert worst.psnr < 40
    assert [(entry.method, entry.kind) for entry in document.found.paths] == [(names[2], kind) for kind in KINDS[:2]]
    for entry in document.found.paths:
        for row in entry.places.values():
            assert sum(row.values()) == pytest.approx(1, abs=1e-3)
    text = suites.markdown(document)
    assert f"| {names[2]}, CBSD68, haze+rain: expert of | haze | rain | both | neither |" in text
    assert "haze 1.4, then rain 3;" in text
