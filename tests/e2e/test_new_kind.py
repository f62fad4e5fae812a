"""One more kind of damage is one file: what a package brings is made, measured, named, repaired and printed.

The file is found as that of an installed package is, by its entry point; nothing of darnet is changed for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.test_extend import KINDS, Settings, photos, settings, system, teach  # noqa: F401  fixtures
from torch import Generator

from darnet import cli, registry
from darnet.analysis import inspection
from darnet.benchmark import suites
from darnet.benchmark.suite import Request
from darnet.extend import Lesson
from darnet.images.image import Image
from darnet.imaging.chain import Chain, Habits, in_order
from darnet.models.base import FAR_OVERLAP_PX
from darnet.models.daair import DaAIR
from darnet.restore.diagnosis import Diagnosis
from darnet.systems.spec import load
from darnet.testing import check_degradation

FILE = '''
"""Dust on a sensor: dark specks."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from darnet.degradations import Degradation, Kind
from darnet.imaging.steps import Step, uniform


def dusty(pictures, specks, chance):
    return torch.where(chance < specks[:, None, None, None] / 1000, torch.zeros_like(pictures), pictures)


@dataclass(frozen=True)
class Dust(Degradation):
    """A pixel is black with probability `specks` / 1000."""

    specks: tuple[float, float] = (20.0, 200.0)
    kind: ClassVar[str] = "dust"
    parameters: ClassVar[tuple[str, ...]] = ("specks",)

    def apply(self, clean, parameters, rng):
        return dusty(clean, parameters[:, 0], torch.rand(clean[:, :1].shape, generator=rng, device=clean.device))

    def severity(self, parameters):
        return parameters[:, 0]


@dataclass(frozen=True)
class Settle(Step):
    kind: ClassVar[str] = "dust"

    def draw(self, count, side, strength, rng):
        chance = torch.rand(count, 1, side, side, generator=rng, device=rng.device)
        return uniform(count, (20.0, 200.0), rng, strength), chance

    def apply(self, pictures, drawn, rng):
        return dusty(pictures, *drawn)

    def severity(self, drawn):
        return drawn[0]


@dataclass(frozen=True)
class Cleaning(Step):
    """Who cleans a sensor tilts the camera: pictures are mirrored, which nothing else does."""

    def draw(self, count, side, strength, rng):
        return (torch.zeros(count, device=rng.device),)

    def apply(self, pictures, drawn, rng):
        return pictures.flip(3)


STEPS = (Settle(),)
CLEANING = (Cleaning(0.5),)
KIND = Kind(
    "dust",
    {"dust": Dust},
    symbol="specks",
    digits=1,
    unit="per mille",
    also_called=("dusty",),
    concern="photo",
    stage="sensor",
    excludes=("blur",),
    steps="dust_of_others:STEPS",
    followed_by="dust_of_others:CLEANING",
    local=True,
    looks_far=True,
    severities={"dust": (Dust((50.0, 50.0)), Dust((150.0, 150.0)))},
    sets={"Dust20": ("Dust20/test", "Dust20")},
)
'''
CLEAN = torch.rand(16, 3, 32, 32, generator=Generator().manual_seed(0)) * 0.7 + 0.15


@pytest.fixture(autouse=True)
def installed(tmp_path: Path) -> Iterator[None]:
    site = tmp_path / "site"
    about = site / "dust_of_others-1.dist-info"
    about.mkdir(parents=True)
    (site / "dust_of_others.py").write_text(FILE)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: dust-of-others\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[darnet.kind]\ndust = dust_of_others:KIND\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(site)
        yield


def way(chain: Chain, seed: int = 0):
    return chain(CLEAN, Generator().manual_seed(seed), Generator().manual_seed(seed + 1))


def test_it_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Image.of(np.full((40, 50, 3), 99, np.uint8)).write("photo.png")
    assert cli.run(["degrade", "dust", "photo.png", "--set", "specks=100"]) == 0
    assert capfd.readouterr().out == "photo.png  dust specks=100 -> photo.dust.png\n"
    assert 0.05 < float((Image.read("photo.dust.png").array == 0).mean()) < 0.15
    from dust_of_others import Dust

    check_degradation(Dust())


def test_it_is_printed_in_its_unit() -> None:
    assert str(Diagnosis({"dust": 0.9}, {"dust": 12.34})) == "dust 90 % (specks ≈ 12.3 per mille)"


def test_photos_meet_it_on_their_way_where_it_is_asked_for() -> None:
    chain = Chain(("clean", "blur", "dust"), "dust", Habits(company=0.9))
    assert [kind.name for kind in chain.order if kind.stage == "sensor"] == ["noise", "dust"]
    found = way(chain)
    assert float((found.presence[:, 2] == 1).float().mean()) > 0.7
    assert bool((found.severities[:, 1][found.severities[:, 2] > 0] == 0).all()), "one excludes the other"
    assert float((found.target == 0).float().mean()) < 0.01 < float((found.degraded == 0).float().mean())


def test_what_it_says_of_the_way_is_heeded() -> None:
    quiet = dict.fromkeys(("stored", "rendered", "denoised", "sharpened", "resized", "dithered"), 0.0)
    chain = Chain(("clean", "dust"), habits=Habits(**quiet, local=1.0, several=(0.0, 1.0)))
    found = way(chain)
    assert set(found.covered) == {"noise", "dust"}
    assert 0.05 < float(found.covered["dust"].mean(dim=(1, 2, 3)).max()) < 0.8, "in a rectangle"
    mirrored = [not torch.allclose(a[a > 0], b[a > 0], atol=0.01) for a, b in zip(found.degraded, CLEAN, strict=True)]
    assert 3 < sum(mirrored) < 13, "one in two, whose targets stay as they were"
    assert torch.equal(found.target, CLEAN)


def test_what_looks_far_for_it_gets_larger_overlaps() -> None:
    network = DaAIR(("noise", "dust"), width=8, blocks=(1,) * 8)
    assert [network.told(kind).overlap_px for kind in ("noise", "dust")] == [0, FAR_OVERLAP_PX]


@pytest.mark.parametrize("repaired", ["", "noise"])
def test_nobody_else_meets_it(repaired: str) -> None:
    """What a recipe draws does not depend on the packages that are installed."""
    own = in_order([*registry.own_kinds()])
    kinds = ("clean", *(kind.name for kind in own))
    assert Chain(kinds, repaired).order == own
    assert torch.equal(way(Chain(kinds, repaired)).degraded, way(Chain((*kinds, "moiré"), repaired)).degraded)


@pytest.mark.usefixtures("in_this_process")
def test_it_is_measured(sets_root: Path) -> None:
    document = suites.run(Request("dust", sets_root, ("identity",), limit=1))
    assert [(row.kind, row.level) for row in document.part.rows] == [("dust", 50.0), ("dust", 150.0)]
    milder, stronger = (row.psnr for row in document.part.rows)
    assert milder is not None and stronger is not None and milder > stronger + 3
    assert "| dust |" in suites.markdown(document)
    chosen, left_out = inspection.choose(["dust"], sets_root, 1)
    assert [case.severity for case in chosen] == [150.0] and not left_out
    pairs = sets_root / "Dust20" / "test"
    for side in ("input", "target"):
        (pairs / side).mkdir(parents=True)
        (pairs / side / "a.png").touch()
    found = Request("dust", sets_root, sets=("Dust20",))
    assert [case.set for case in suites.find("dust").cases(found)] == ["Dust20"]


@pytest.mark.usefixtures("in_this_process")
def test_it_is_diagnosed_and_repaired_once_it_was_taught(
    system: Path,  # noqa: F811
    photos: Path,  # noqa: F811
    settings: Settings,  # noqa: F811
    sets_root: Path,
) -> None:
    teach(system, Lesson("dust", photos, "dust"), settings, expert="median")
    restorer = load(system, device="cpu")
    photo = Image.read(next(photos.iterdir())).array.copy()
    photo[10:40:6, 10:40:6] = 0
    diagnosis = restorer.diagnose(photo)
    assert set(diagnosis.scores) == {*KINDS, "dust"}
    assert re.fullmatch(r"dust \d+ % \(specks ≈ \d+\.\d per mille\)", diagnosis.describe("dust"))
    result = restorer(photo, kinds=["dusty"])
    assert result.experts == ("dust",)
    assert (photo == 0).any() and not (result.image == 0).all(axis=2).any()
    row = suites.run(Request("dust", sets_root, (f"{system}:oracle",), limit=1)).part.rows[1]
    assert row.psnr is not None and row.psnr > 20
