from __future__ import annotations

import json

import numpy as np
import pytest

from darnet.images.image import Image
from darnet.registry import kinds_of
from darnet.restore.diagnosis import Diagnosis
from darnet.restore.result import Result, Step

SEEN = Diagnosis({"clean": 0.05, "noise": 0.93, "blur": 0.02}, {"noise": 24.3, "blur": 1.23})


BOTH = Diagnosis({"jpeg": 0.71, "clean": 0.07, "noise": 0.93, "haze": 0.5}, {"noise": 24.3, "jpeg": 38.1, "haze": 1.0})


def test_the_label_is_the_most_certain_kind() -> None:
    assert (SEEN.label, SEEN.confidence, SEEN.severity) == ("noise", 0.93, 24.3)


def test_several_kinds_may_be_present() -> None:
    assert BOTH.present == ("noise", "jpeg")
    assert BOTH.suspected == ("noise", "jpeg", "haze")
    assert (BOTH.label, BOTH.confidence) == ("noise", 0.93)
    document = BOTH.to_dict()
    assert document["present"] == ["noise", "jpeg"]
    assert document["severities"] == {"noise": 24.3, "jpeg": 38.1}
    assert document["scores"] == BOTH.scores


def test_clean_is_that_nothing_is_present() -> None:
    """Also where no kind is called so, and where a kind is even."""
    nothing = Diagnosis({"noise": 0.2, "blur": 0.5}, {"blur": 1.0})
    assert (nothing.label, nothing.confidence, nothing.severity, nothing.present) == ("clean", 0.5, None, ())
    assert str(nothing) == "clean 50 %"
    assert Diagnosis({"noise": 0.4, "clean": 0.6}).confidence == 0.6


@pytest.mark.parametrize(
    ("diagnosis", "text"),
    [
        (SEEN, "noise 93 % (σ ≈ 24)"),
        (Diagnosis({"blur": 1.0}, {"blur": 1.234}), "blur 100 % (σ ≈ 1.2)"),
        (Diagnosis({"overexposure": 0.6}, {"overexposure": 1.759}), "overexposure 60 % (gain ≈ 1.76)"),
        (BOTH, "noise 93 % (σ ≈ 24), jpeg 71 % (quality ≈ 38)"),
        (Diagnosis({"clean": 0.99}), "clean 99 %"),
        (Diagnosis({"moiré": 0.8}, {"moiré": 3.0}), "moiré 80 %"),  # a kind whose severity has no symbol
    ],
)
def test_one_line_for_a_reader(diagnosis: Diagnosis, text: str) -> None:
    assert str(diagnosis) == text


def test_a_result_explains_itself_in_json() -> None:
    picture = Image.of(np.zeros((2, 3), np.uint8))
    result = Result(picture, (Step(SEEN, "noise", 0.5), Step(None, None, 0.1)), 0.7, picture, picture, ("careful",))
    document = json.loads(json.dumps(result.to_dict()))
    assert document["steps"][0]["diagnosis"]["label"] == "noise"
    step = {"diagnosis": None, "plan": [], "expert": None, "share": 1.0, "note": "", "seconds": 0.1}
    assert document["steps"][1] == step
    assert document["experts"] == ["noise"]
    assert document["changed"] is False
    assert document["warnings"] == ["careful"]
    assert result.diagnosis is SEEN


def test_a_plain_string_is_one_kind() -> None:
    assert kinds_of("noise") == kinds_of(["noise"]) == ("noise",)
    assert kinds_of(()) == ()
    assert kinds_of(kind for kind in ("rain", "blur")) == ("rain", "blur")
