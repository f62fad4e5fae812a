"""The kind that means none."""

from __future__ import annotations

import torch
from torch import Generator

from darnet.degradations.clean import CLEAN


def test_clean_pictures_stay_as_they_are_and_nothing_speaks_against_that() -> None:
    (clean,) = CLEAN.severities["clean"]
    pictures = torch.rand(2, 3, 8, 8, generator=Generator().manual_seed(0))
    assert torch.equal(clean.apply(pictures, clean.draw(2, Generator()), Generator()), pictures)
    assert CLEAN.written(0.0) == "" and CLEAN.stage is None and CLEAN.concern is None
