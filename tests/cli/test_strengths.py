"""How strengths are told on the command line."""

from __future__ import annotations

import pytest

from darnet.cli.strengths import told
from darnet.restore.strength import Strength


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
