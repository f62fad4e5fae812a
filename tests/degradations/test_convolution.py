from __future__ import annotations

import torch
from torch import Generator
from torch.nn import functional as F

from darnet.degradations.convolution import convolve


def test_it_is_the_convolution_each_sample_with_its_kernel() -> None:
    rng = Generator().manual_seed(0)
    pictures, kernels = torch.rand(2, 3, 20, 17, generator=rng), torch.rand(2, 5, 5, generator=rng)
    found = convolve(pictures, kernels)
    assert found.shape == (2, 3, 16, 13)
    for picture, kernel, answer in zip(pictures, kernels, found, strict=True):
        wanted = F.conv2d(picture[:, None], kernel.flip(0, 1)[None, None])[:, 0]
        torch.testing.assert_close(answer, wanted, atol=1e-4, rtol=0)
