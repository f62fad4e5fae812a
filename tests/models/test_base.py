from __future__ import annotations

import torch

from darnet.images.geometry import area_means
from darnet.models.base import channels_last


def test_a_thumbnail_keeps_the_mean_whatever_the_aspect() -> None:
    pictures = torch.rand(2, 3, 96, 64)
    thumbnail = area_means(pictures, 32)
    assert thumbnail.shape == (2, 3, 32, 32)
    torch.testing.assert_close(thumbnail.mean(dim=(2, 3)), pictures.mean(dim=(2, 3)))
    assert area_means(torch.rand(1, 3, 5, 3), 32).shape == (1, 3, 32, 32)  # smaller than the thumbnail


def test_channels_last_keeps_the_values() -> None:
    convolution = torch.nn.Conv2d(3, 5, 3)
    before = convolution.weight.detach().clone()
    channels_last(convolution)
    assert convolution.weight.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(convolution.weight, before)
