"""Decibels before and after, and how many pictures lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from darnet import store
from darnet.benchmark.gains import BESIDE, damage, gains, markdown, methods
from darnet.benchmark.methods import ORACLE
from darnet.benchmark.peers import INPUT, PEERS
from darnet.errors import DarnetError


def row(method: str, psnr: dict[str, float | None], **changed: Any) -> dict[str, Any]:
    images = [{"name": name, "psnr": value} for name, value in psnr.items()]
    counts = {"n": len(images), "failed": 0, "left_alone": 0, "told": None, "protocol": "p"}
    where = {"method": method, "set": "A", "kind": "noise", "level": 15.0, "way": "JPEG 85"}
    return {**where, **counts, "per_image": images, **changed}


def test_gains_are_means_over_the_pictures_of_both() -> None:
    rows = [
        row(INPUT, {"a": 20.0, "b": 30.0, "c": 25.0}),
        row("m", {"a": 26.0, "b": 29.0, "c": None}, left_alone=1),
    ]
    entry, whole = gains(rows)
    assert (entry["in"], entry["out"], entry["gain_db"], entry["n"]) == (25, 27.5, 2.5, 2)
    assert (entry["worse"], entry["changed"], entry["found"]) == (1, 2, None)
    assert (whole["set"], whole["gain_db"], whole["worse"]) == ("all", 2.5, 1)


@pytest.mark.parametrize(("after", "worse"), [(29.71, 0), (29.69, 1), (40.0, 0)])
def test_less_than_a_third_of_a_decibel_is_not_worse(after: float, worse: int) -> None:
    entry, _ = gains([row(INPUT, {"a": 30.0}), row("m", {"a": after})])
    assert entry["worse"] == worse


def test_the_same_kind_on_two_ways_is_kept_apart() -> None:
    rows = [
        row(method, {"a": psnr + stored}, way=way)
        for method, psnr in ((INPUT, 20.0), ("m", 25.0))
        for way, stored in (("JPEG 85", 0.0), ("", 7.0))
    ]
    first, second, whole = gains(rows)
    assert [(entry["way"], entry["in"], entry["out"]) for entry in (first, second)] == [
        ("JPEG 85", 20, 25),
        ("", 27, 32),
    ]
    assert (whole["n"], whole["gain_db"]) == (2, 5)


def test_a_kind_may_be_found_beside_another() -> None:
    psnr = {"a": 30.0, "b": 30.0, "c": 30.0}
    named = row("m", psnr)
    for image, present in zip(named["per_image"], (["jpeg", "noise"], ["jpeg"], []), strict=True):
        image["present"] = present
    entry, whole = gains([row(INPUT, psnr), named])
    assert entry["found"] == whole["found"] == 1


def test_a_method_without_figures_has_none() -> None:
    entry, whole = gains([row(INPUT, {"a": 30.0}), row("m", {"a": None}, failed=1, n=0)])
    assert (entry["in"], entry["gain_db"], entry["n"], whole["failed"]) == (None, None, 0, 1)
    assert "| 0 (1 failed) |" in markdown([entry], [])


def test_rows_of_two_protocols_never_meet() -> None:
    rows = [row(INPUT, {"a": 30.0}), row("m", {"a": 30.0}, protocol="q")]
    with pytest.raises(DarnetError, match="different protocols"):
        markdown(gains(rows), rows)


def test_a_damage_in_words() -> None:
    assert damage({"kind": "noise", "level": 15.0, "way": "JPEG 85"}) == "noise 15, JPEG 85"
    assert damage({"kind": "blur", "level": None, "way": "disk of 3 px"}) == "blur, disk of 3 px"
    assert damage({"kind": "haze", "level": None}) == "haze"


def test_a_system_is_measured_told_the_kind_as_well(tiny_system: Path) -> None:
    name = str(tiny_system)
    assert methods(()) == (INPUT, store.DEFAULT, f"{store.DEFAULT}{ORACLE}")
    assert methods((name,)) == (INPUT, name, f"{name}{ORACLE}")
    alone = ("gaussian", str(tiny_system / "noise"), "weights.pth", f"{store.DEFAULT}:again", f"{name}@run")
    assert methods(alone) == (INPUT, *alone)
    assert methods((INPUT, f"{name}{ORACLE}", name)) == (INPUT, f"{name}{ORACLE}", name)


def test_who_stands_beside_is_known() -> None:
    assert {name for names in BESIDE.values() for name in names} <= {*PEERS}
