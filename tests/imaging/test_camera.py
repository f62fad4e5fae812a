"""Laws of what a camera does."""

import torch
from torch import Generator

from darnet.imaging import camera

PICTURES = 0.2 + 0.5 * torch.rand(4, 3, 24, 20, generator=Generator().manual_seed(0))


def test_developing_undoes_what_the_sensor_saw() -> None:
    grey = PICTURES.mean(dim=1, keepdim=True)
    soft = grey + 0.3 * (PICTURES - grey)  # inside what every camera can hold
    development = camera.Development.draw(4, Generator().manual_seed(1))
    assert torch.allclose(development.developed(development.raw(soft)), soft, atol=2e-3)


def test_grey_stays_grey() -> None:
    grey = PICTURES.mean(dim=1, keepdim=True).expand_as(PICTURES)
    development = camera.Development.draw(4, Generator().manual_seed(1))
    assert torch.allclose(development.matrix.sum(dim=2), torch.ones(4, 3), atol=1e-6)
    assert torch.allclose(development.developed(development.raw(grey)), grey, atol=1e-3)


def test_denoising_takes_noise_and_keeps_edges() -> None:
    plain = torch.full((1, 3, 64, 64), 0.5)
    plain[..., 32:] = 0.9
    noisy = (plain + 0.03 * torch.randn(plain.shape, generator=Generator().manual_seed(0))).clamp(0, 1)
    clean = camera.denoised(noisy, torch.tensor([0.9]), torch.tensor([1.0]))
    assert float((clean - plain).square().mean()) < 0.5 * float((noisy - plain).square().mean())
    assert float(clean[..., 34].mean() - clean[..., 29].mean()) > 0.35


def test_strength_zero_leaves_brightness_alone() -> None:
    grey = PICTURES.mean(dim=1, keepdim=True).expand_as(PICTURES)
    same = camera.denoised(grey, torch.zeros(4), torch.ones(4))
    assert torch.allclose(same, grey, atol=1e-5)


def test_sharpening_steepens_edges_and_leaves_plain_places() -> None:
    edge = torch.full((1, 3, 24, 24), 0.3)
    edge[..., 12:] = 0.6
    sharp = camera.sharpened(edge, torch.tensor([0.8]), torch.tensor([1.0]))
    assert float(sharp[..., 12].mean()) > 0.62
    assert torch.allclose(sharp[..., :5], edge[..., :5], atol=1e-3)
