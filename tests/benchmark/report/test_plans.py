from __future__ import annotations

from benchmark_rows import cells, row
from darnet.benchmark.report.plans import by_damage, markdown, named, wrong
from darnet.benchmark.rows import PerImage

KIND = "blur+noise+jpeg"


def told(method: str, psnr: float | None, kind: str = KIND, way: str = "") -> object:
    return row(method, kind=kind, way=way, level=None, psnr=psnr)


ROWS = [
    told("darnet", 26.0),
    told("darnet:once", 27.5),
    told("darnet:oracle", 28.0),
    told("darnet:oracle", 30.0, "noise"),  # one kind: no plan is wrong
    told("slerir", 25.0),
    told("darnet:as=noise", 26.5),
    told("darnet:as=jpeg", 27.0),
    told("darnet:as=noise+blur", 27.996),
    told("darnet:as=blur+noise+jpeg", 24.0),
    told("darnet:as=blur", None),
]


def test_wrong_plans_are_wrong_in_one_way_each() -> None:
    assert wrong(["noise"], ["noise"]) == []
    assert wrong(["blur", "noise"], ["noise", "blur"]) == [("blur", "noise"), ("blur",), ("noise",)]
    assert wrong(["blur", "noise", "jpeg"], ["jpeg", "noise", "blur"]) == [
        ("blur", "noise", "jpeg"),
        *(("noise", "blur"), ("jpeg", "blur"), ("jpeg", "noise")),
        *(("jpeg",), ("noise",), ("blur",)),
    ]
    assert wrong(["noise", "jpeg"], ["noise", "jpeg"]) == [("jpeg", "noise"), ("jpeg",), ("noise",)]
    assert named("darnet", ("noise", "blur")) == "darnet:as=noise+blur"


def test_what_plans_cost() -> None:
    lines = [line[3:] for line in cells(markdown(ROWS))]
    assert lines == [
        ["as diagnosed", "–", "26.00", "-2.00", "-1.00"],
        ["one step", "–", "27.50", "-0.50", "+0.50"],
        ["told order", "jpeg, noise, blur", "28.00", "+0.00", "+1.00"],
        ["forwards", "blur, noise, jpeg", "24.00", "-4.00", "-3.00"],
        ["without jpeg", "noise, blur", "28.00", "+0.00", "+1.00"],
        ["jpeg alone", "jpeg", "27.00", "-1.00", "+0.00"],
        ["noise alone", "noise", "26.50", "-1.50", "-0.50"],
        ["blur alone", "blur", "–", "–", "–"],
        ["best single expert", "jpeg", "27.00", "-1.00", "+0.00"],
    ]
    assert {tuple(line[:3]) for line in cells(markdown(ROWS))} == {("darnet", "CBSD68", KIND)}


def test_the_told_order_is_the_one_that_was_followed() -> None:
    """A system may have an order of its own; backwards is then one of the wrong plans."""
    followed = (PerImage("a", 28.0, experts=("noise", "jpeg")),)
    rows = [
        row("darnet:oracle", kind="noise+jpeg", level=None, psnr=28.0, per_image=followed),
        *(told(f"darnet:as={plan}", 27.0, "noise+jpeg") for plan in ("jpeg+noise", "noise", "jpeg")),
    ]
    lines = [line[3:5] for line in cells(markdown(rows))]
    assert lines[:2] == [["told order", "noise, jpeg"], ["backwards", "jpeg, noise"]]


def test_strengths_are_kept_apart() -> None:
    rows = [told("darnet:oracle", 28.0), told("darnet:as=noise", 26.0, way="stronger")]
    assert markdown(rows) == ""
    assert markdown([*rows, told("darnet:oracle", 20.0, way="stronger")]).count("noise+jpeg, stronger |") == 3


def test_methods_stand_beside_each_other() -> None:
    rows = [told("darnet", 1.0, "haze"), told("darnet", 2.0, "blur"), told("other", 3.0, "blur")]
    assert [one.psnr for one in by_damage([*rows, told("other", 4.0, "haze")])] == [1.0, 4.0, 2.0, 3.0]
