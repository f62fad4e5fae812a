from __future__ import annotations

import json

import numpy as np
import pytest

from darnet.diagnosis import Diagnosis, Result, Step
from darnet.image import Image

SEEN = Diagnosis({"clean": 0.05, "noise": 0.93, "blur": 0.02}, {"noise": 24.3, "blur": 1.23})


def test_the_label_is_the_most_probable_kind() -> None:
    assert (SEEN.label, SEEN.confidence, SEEN.level) == ("noise", 0.93, 24.3)


@pytest.mark.parametrize(
    ("diagnosis", "text"),
    [
        (SEEN, "noise 93 % (σ ≈ 24)"),
        (Diagnosis({"blur": 1.0}, {"blur": 1.234}), "blur 100 % (σ ≈ 1.2)"),
        (Diagnosis({"overexposure": 0.5}, {"overexposure": 1.759}), "overexposure 50 % (gain ≈ 1.76)"),
        (Diagnosis({"clean": 0.99}), "clean 99 %"),
        (Diagnosis({"moiré": 0.8}, {"moiré": 3.0}), "moiré 80 %"),  # a kind whose level has no symbol
    ],
)
def test_one_line_for_a_reader(diagnosis: Diagnosis, text: str) -> None:
    assert str(diagnosis) == text


def test_a_result_explains_itself_in_json() -> None:
    picture = Image.of(np.zeros((2, 3), np.uint8))
    result = Result(picture, (Step(SEEN, "noise", 0.5), Step(None, None, 0.1)), 0.7, picture, picture, ("careful",))
    document = json.loads(json.dumps(result.to_dict()))
    assert document["steps"][0]["diagnosis"]["label"] == "noise"
    assert document["steps"][1] == {"diagnosis": None, "expert": None, "seconds": 0.1}
    assert document["experts"] == ["noise"]
    assert document["changed"] is False
    assert document["warnings"] == ["careful"]
    assert result.diagnosis is SEEN
