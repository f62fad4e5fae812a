"""Strengths as they are written."""

from __future__ import annotations

import pytest

from darnet.errors import UsageError
from darnet.restore.strength import Strength, strength_of


@pytest.mark.parametrize(
    ("given", "luma", "chroma", "meant"),
    [
        ("1", 1.0, 1.0, 1.0),
        ("0.25", 1.0, 1.0, 0.25),
        ("0.25", 0.5, 1.0, Strength(others=0.25, luma=0.5)),
        ("noise=0.5", 1.0, 1.0, Strength({"noise": 0.5})),
        ("noise=0.5, jpeg=1", 1.0, 0.3, Strength({"noise": 0.5, "jpeg": 1.0}, chroma=0.3)),
    ],
)
def test_what_is_given_is_what_is_meant(given, luma, chroma, meant):
    assert strength_of([given], luma, chroma) == meant


@pytest.mark.parametrize(
    "given",
    [
        "",
        "x",
        "2",
        "-1",
        "nan",
        "noise",
        "noise=",
        "=1",
        " =1",
        "noise=2",
        "noise=x",
        "0.5,noise=1",
        "noise=1,",
        "noise=1=1",
        "noise:1",
    ],
)
def test_what_is_no_strength_says_what_is(given):
    with pytest.raises(UsageError) as raised:
        strength_of([given], 1.0, 1.0)
    assert str(raised.value) == f"`strength={given!r}`: expected 0 to 1, or one for each kind: noise=0.5,jpeg=1"


def test_a_kind_is_named_once():
    with pytest.raises(UsageError, match="`strength='noise=1,noise=1'`: a kind is named twice"):
        strength_of(["noise=1", "noise=1"], 1.0, 1.0)


def test_a_strength_may_be_given_kind_by_kind() -> None:
    """None of them is lost, and blanks mean nothing."""
    assert strength_of(["jpeg=0.5", "noise = 0.3"], 1.0, 1.0).by_kind == {"jpeg": 0.5, "noise": 0.3}
    assert strength_of(None, 1.0, 1.0) == 1
    with pytest.raises(UsageError, match="expected 0 to 1"):
        strength_of(["0.5", "noise=0.3"], 1.0, 1.0)
