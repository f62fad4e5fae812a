"""Laws of kernels and borders."""

import numpy as np
import pytest
import torch
from torch import Generator

from darnet.imaging import optics
from darnet.imaging.light import to_linear, to_srgb

PICTURES = torch.rand(3, 3, 21, 17, generator=Generator().manual_seed(0))


def spread(kernels: torch.Tensor, dim: int) -> torch.Tensor:
    """Standard deviation along rows (1) or columns (2)."""
    reach = kernels.shape[-1] // 2
    place = torch.arange(-reach, reach + 1).float()
    weights = kernels.sum(dim=3 - dim)
    return ((weights * place.square()).sum(dim=1) - (weights * place).sum(dim=1).square()).sqrt()


def test_gaussians_have_their_spread_along_their_angle() -> None:
    sigma, ratio = torch.tensor([1.5, 2.0]), torch.tensor([1.0, 0.5])
    kernels = optics.gaussian_kernels(sigma, ratio, torch.zeros(2), 9)
    assert torch.allclose(kernels.sum(dim=(1, 2)), torch.ones(2))
    assert torch.allclose(spread(kernels, 2), sigma, atol=0.02)
    assert torch.allclose(spread(kernels, 1), sigma * ratio, atol=0.02)


def test_a_disk_spreads_by_half_its_radius() -> None:
    radius = torch.tensor([2.0, 4.0])
    kernels = optics.disk_kernels(radius, 6)
    assert torch.allclose(kernels.sum(dim=(1, 2)), torch.ones(2))
    assert torch.allclose(spread(kernels, 1), radius / 2, atol=0.15)
    assert torch.allclose(kernels, kernels.mT)


@pytest.mark.parametrize(("border", "mode"), list(enumerate(("reflect", "edge", "symmetric"))))
def test_pictures_go_on_as_numpy_has_it(border: int, mode: str) -> None:
    grown = optics.extended(PICTURES, 12, torch.full((3,), border))
    expected = np.pad(PICTURES.numpy(), ((0, 0), (0, 0), (12, 12), (12, 12)), mode)
    assert np.array_equal(grown.numpy(), expected)


def test_each_picture_goes_on_in_its_own_way() -> None:
    together = optics.extended(PICTURES, 5, torch.tensor([2, 0, 1]))
    for row, border in enumerate((2, 0, 1)):
        assert torch.equal(together[row : row + 1], optics.extended(PICTURES[row : row + 1], 5, torch.tensor([border])))


def test_blur_keeps_a_plain_picture_and_is_of_light_where_told() -> None:
    kernels = optics.disk_kernels(torch.tensor([3.0]), 4)
    plain = torch.full((1, 3, 20, 20), 0.4)
    for linear in (torch.tensor([True]), torch.tensor([False])):
        assert torch.allclose(optics.blur(plain, kernels, linear), plain, atol=1e-4)
    picture = PICTURES[:1]
    of_light = optics.blur(picture, kernels, torch.tensor([True]))
    assert torch.allclose(of_light, to_srgb(optics.blur(to_linear(picture), kernels)), atol=1e-4)
    assert bool(of_light.mean() > optics.blur(picture, kernels).mean())  # bright points win in light
