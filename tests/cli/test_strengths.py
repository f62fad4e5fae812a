"""Strengths as they are given on the command line, and as they are told."""

from __future__ import annotations

import pytest

from darnet.cli.strengths import strength_of, told
from darnet.errors import UsageError
from darnet.restore.strength import Strength


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
    assert str(raised.value) == f"--strength {given}: expected 0 to 1, or one for each kind: noise=0.5,jpeg=1"


def test_a_kind_is_named_once():
    with pytest.raises(UsageError, match="--strength noise=1,noise=1: a kind is named twice"):
        strength_of(["noise=1", "noise=1"], 1.0, 1.0)


@pytest.mark.parametrize(
    ("strength", "kinds", "text"),
    [
        (1.0, ["noise"], ""),
        (0.5, ["noise", "jpeg"], " at strength 0.5"),
        (Strength({"noise": 0.5}), ["noise"], " at strength 0.5"),
        (Strength({"noisy": 0.5}), ["noise"], " at strength 0.5"),
        (Strength({"noise": 0.5}), ["jpeg"], ""),
        (Strength({"noise": 0.5}), ["noise", "jpeg"], " at strength noise=0.5,jpeg=1"),
        (Strength(luma=0.4), ["noise"], " at luma 0.4"),
        (Strength({"noise": 0.5}, luma=0.4, chroma=0.9), ["noise"], " at strength 0.5, luma 0.4, chroma 0.9"),
    ],
)
def test_what_is_told_is_what_a_picture_had(strength, kinds, text):
    assert told(strength, kinds) == text


def test_a_strength_may_be_given_kind_by_kind() -> None:
    """None of them is lost, and blanks mean nothing."""
    assert strength_of(["jpeg=0.5", "noise = 0.3"], 1.0, 1.0).by_kind == {"jpeg": 0.5, "noise": 0.3}
    assert strength_of(None, 1.0, 1.0) == 1
    with pytest.raises(UsageError, match="expected 0 to 1"):
        strength_of(["0.5", "noise=0.3"], 1.0, 1.0)
