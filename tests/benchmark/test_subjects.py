from __future__ import annotations

import pytest
import torch

from darnet.benchmark.subjects import LONGEST_PX, Subject, centre
from darnet.engines.pytorch import TorchBackend
from darnet.errors import DarnetError
from darnet.models.base import Context, Model, Output


class Mean(Model):
    """It makes the mean of the whole picture."""

    kinds = ("noise", "rain")
    multiple_of = 4

    def __init__(self) -> None:
        super().__init__()
        self.views = lambda pictures: pictures.mean(dim=(2, 3), keepdim=True)

    def encode(self, views: torch.Tensor) -> Context:
        return Context({"views": views})

    def forward(
        self, degraded: torch.Tensor, context: Context | None = None, box: torch.Tensor | None = None
    ) -> Output:
        assert context is not None
        return Output(context.encoded["views"].expand_as(degraded))


SUBJECT = Subject("mean", ("noise", "rain"), TorchBackend(Mean(), "cpu"))


def test_the_centre_of_a_large_picture_is_seen_and_the_whole_is_known() -> None:
    pixels = torch.zeros(3, LONGEST_PX + 10, 50)
    pixels[:, :5] = 1  # cut off
    pixels[:, 5] = 0.25  # the first row that is left
    assert centre(pixels).shape == (3, LONGEST_PX, 50)
    assert bool((centre(pixels)[:, 0] == 0.25).all())
    image = SUBJECT(pixels).image
    assert image is not None
    assert image.shape == (1, 3, LONGEST_PX, 52)
    assert float(image.mean()) == pytest.approx(float(pixels.mean()))


def test_an_answer_that_is_not_finite_is_an_error() -> None:
    with pytest.raises(DarnetError, match=r"mean.*not finite"):
        SUBJECT(torch.full((3, 8, 8), torch.nan))


def test_an_expert_has_the_name_of_its_kind_where_there_is_one_for_each() -> None:
    assert SUBJECT.expert(1, 2) == "rain"
    assert SUBJECT.expert(1, 3) == "1"
