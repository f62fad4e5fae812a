from __future__ import annotations

import pytest
import torch
from torch import Generator

from darnet.degradations import GaussianNoise, Grain, PoissonGaussianNoise

GREY = torch.full((2, 3, 128, 128), 0.5)


@pytest.mark.parametrize("sigma", [5.0, 25.0])
def test_gaussian_noise_has_the_stated_deviation_and_no_bias(sigma: float) -> None:
    noise = GaussianNoise((sigma, sigma))
    rng = Generator().manual_seed(0)
    parameters = noise.draw(2, rng)
    noisy = noise.apply(GREY, parameters, rng)
    assert float((noisy - GREY).std() * 255) == pytest.approx(sigma, rel=0.02)
    assert float((noisy - GREY).mean() * 255) == pytest.approx(0, abs=sigma / 50)
    assert noise.severity(parameters).tolist() == [sigma, sigma]


def test_noise_is_clipped() -> None:
    white = torch.ones(1, 3, 32, 32)
    noisy = GaussianNoise((50, 50)).apply(white, torch.tensor([[50.0]]), Generator().manual_seed(0))
    assert float(noisy.max()) == 1
    assert float((noisy == 1).float().mean()) == pytest.approx(0.5, abs=0.05)


def test_each_sample_has_its_own_sigma() -> None:
    noisy = GaussianNoise().apply(GREY, torch.tensor([[5.0], [40.0]]), Generator().manual_seed(0))
    weak, strong = (noisy - GREY).flatten(1).std(dim=1)
    assert float(strong / weak) == pytest.approx(8, rel=0.05)


@pytest.mark.parametrize(("grain_px", "likeness"), [(0.3, 0.015), (0.7, 0.60), (1.2, 0.84)])
def test_grain_has_the_stated_deviation_and_neighbours_alike(grain_px: float, likeness: float) -> None:
    parameters = torch.tensor([[20.0, grain_px]]).expand(2, -1)
    noise = (Grain((20, 20), (grain_px, grain_px)).apply(GREY, parameters, Generator().manual_seed(0)) - GREY) * 255
    assert float(noise.std()) == pytest.approx(20, rel=0.03)
    beside = (noise[..., 1:] * noise[..., :-1]).mean() / noise.var()
    assert float(beside) == pytest.approx(likeness, abs=0.03)  # of a Gaussian: exp(-1 / 4r²)


def test_poisson_noise_grows_with_light() -> None:
    noise = PoissonGaussianNoise((0.01, 0.01), (0, 0))
    for light in (0.1, 0.4):
        clean = torch.full((1, 3, 128, 128), light)
        noisy = noise.apply(clean, torch.tensor([[0.01, 0.0]]), Generator().manual_seed(0))
        assert float(noisy.mean()) == pytest.approx(light, rel=0.02)
        assert float(noisy.var()) == pytest.approx(0.01 * light, rel=0.05)


def test_poisson_severity_is_the_deviation_at_mid_grey() -> None:
    noise = PoissonGaussianNoise()
    parameters = torch.tensor([[0.005, 10.0]])
    noisy = noise.apply(GREY[:1], parameters, Generator().manual_seed(0))
    assert float(noisy.std() * 255) == pytest.approx(float(noise.severity(parameters)), rel=0.03)


def test_no_shot_noise_leaves_only_read_noise() -> None:
    noisy = PoissonGaussianNoise((0, 0), (0, 0)).apply(GREY, torch.zeros(2, 2), Generator().manual_seed(0))
    torch.testing.assert_close(noisy, GREY, rtol=0, atol=0.005)


@pytest.mark.parametrize("noise", [GaussianNoise(), Grain(), PoissonGaussianNoise()])
def test_clamping_what_is_unclipped_gives_apply(noise: GaussianNoise | PoissonGaussianNoise) -> None:
    clean = torch.rand(2, 3, 32, 32, generator=Generator().manual_seed(1))
    parameters = noise.draw(2, Generator().manual_seed(2))
    unclipped = noise.unclipped(clean, parameters, Generator().manual_seed(0))
    assert torch.equal(unclipped.clamp(0, 1), noise.apply(clean, parameters, Generator().manual_seed(0)))


@pytest.mark.parametrize(
    ("noise", "parameters"), [(GaussianNoise(), [[50.0]]), (PoissonGaussianNoise(), [[0.02, 15.0]])]
)
def test_what_is_unclipped_leaves_the_range_on_both_sides(
    noise: GaussianNoise | PoissonGaussianNoise, parameters: list[list[float]]
) -> None:
    for light in (0.0, 1.0):
        flat = torch.full((1, 3, 64, 64), light)
        noisy = noise.unclipped(flat, torch.tensor(parameters), Generator().manual_seed(0))
        beyond = noisy > 1 if light else noisy < 0
        assert float(beyond.float().mean()) == pytest.approx(0.5, abs=0.05)
        assert float(noisy.mean()) == pytest.approx(light, abs=0.01)  # a clip would pull it inwards
