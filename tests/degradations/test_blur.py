from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage.filters import gaussian
from torch import Generator, Tensor

from darnet.degradations import GaussianBlur
from darnet.degradations.blur import gaussian_kernels


def blur(clean: Tensor, *sigmas: float) -> Tensor:
    return GaussianBlur((0, max(sigmas))).apply(clean, torch.tensor(sigmas)[:, None], Generator())


def test_the_blur_is_scikit_images() -> None:
    picture = np.random.default_rng(0).random((37, 31, 3))
    wanted = gaussian(picture, sigma=1.5, mode="mirror", truncate=4.0, channel_axis=2)
    given_ = torch.from_numpy(picture.transpose(2, 0, 1)).float()[None]
    np.testing.assert_allclose(blur(given_, 1.5)[0].numpy().transpose(1, 2, 0), wanted, atol=1e-5)


@given(sigma=st.floats(0.0, 4.0))
def test_kernels_sum_to_one_and_are_symmetric(sigma: float) -> None:
    kernel = gaussian_kernels(torch.tensor([sigma]), 16)
    assert float(kernel.sum()) == pytest.approx(1, abs=1e-5)
    torch.testing.assert_close(kernel, kernel.flip(1))


def test_no_blur_is_the_identity_and_grey_stays_grey() -> None:
    x = torch.rand(1, 3, 9, 7, generator=Generator().manual_seed(0))
    torch.testing.assert_close(blur(x, 0.0), x)
    flat = torch.full((1, 3, 5, 6), 0.3)
    torch.testing.assert_close(blur(flat, 3.0), flat)


def test_each_sample_has_its_own_sigma() -> None:
    x = torch.rand(2, 3, 24, 20, generator=Generator().manual_seed(0))
    both = blur(x, 0.8, 2.5)
    torch.testing.assert_close(both[:1], blur(x[:1], 0.8), atol=1e-4, rtol=0)
    torch.testing.assert_close(both[1:], blur(x[1:], 2.5), atol=1e-4, rtol=0)


def test_a_picture_smaller_than_the_kernel_is_blurred() -> None:
    assert blur(torch.rand(1, 3, 1, 2), 3.0).shape == (1, 3, 1, 2)
