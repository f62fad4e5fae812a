"""Laws of noise."""

import pytest
import torch
from torch import Generator

from darnet.imaging import noises

GREY = torch.full((2, 3, 128, 128), 0.5)
LUMA = torch.tensor([0.299, 0.587, 0.114])[:, None, None]


def noise_of(step: noises.NoiseStep, drawn: tuple[torch.Tensor, ...]) -> torch.Tensor:
    return step.apply(GREY, drawn, Generator().manual_seed(0)) - GREY


def test_white_and_grainy_noise_have_their_sigma() -> None:
    sigma = torch.tensor([5.0, 15.0])
    white = noise_of(noises.WhiteNoise(), (sigma,))
    assert torch.allclose(255 * white.std(dim=(1, 2, 3)), sigma, rtol=0.03)
    grain = noise_of(noises.GrainNoise(), (sigma, torch.tensor([1.0, 1.5]), torch.tensor([0.0, 1.0])))
    assert torch.allclose(255 * grain.std(dim=(1, 2, 3)), sigma, rtol=0.15)
    beside = (grain[..., 1:] * grain[..., :-1]).mean() / grain.square().mean()
    assert float(beside) > 0.5  # neighbours resemble each other
    assert torch.allclose(grain[1, 0], grain[1, 1], atol=1e-6)  # brightness alone


def test_chroma_noise_leaves_brightness_alone() -> None:
    noise = noise_of(noises.ChromaNoise(), (torch.tensor([10.0, 20.0]),))
    assert float((noise * LUMA).sum(dim=1).abs().max()) < 1e-5
    assert torch.allclose(255 * noise.std(dim=(1, 2, 3)), torch.tensor([10.0, 20.0]), rtol=0.1)


@pytest.mark.parametrize("step", [noises.LightNoise(), noises.SensorNoise(hot=0.0)], ids=["light", "sensor"])
def test_levels_are_about_the_sigma_at_mid_grey(step: noises.NoiseStep) -> None:
    grey = torch.full((6, 3, 96, 96), 0.461)  # 0.18 of light
    rng = Generator().manual_seed(1)
    drawn = step.draw(6, 96, 0.9, rng)
    measured = 255 * (step.apply(grey, drawn, rng) - grey).std(dim=(1, 2, 3))
    assert bool(((measured / step.severity(drawn) - 1).abs() < 0.5).all())


def test_more_light_has_more_noise_in_light() -> None:
    shot, read = torch.tensor([0.01, 0.01]), torch.zeros(2)
    bright = torch.full((2, 3, 64, 64), 0.8)
    from darnet.imaging.light import to_linear

    def variance(pictures: torch.Tensor) -> float:
        noisy = noises.LightNoise().apply(pictures, (shot, read), Generator().manual_seed(0))
        return float(to_linear(noisy).var())

    assert variance(bright) > 2 * variance(GREY[..., :64, :64])


def test_rendering_is_of_tones_alone() -> None:
    step = noises.Rendering()
    pictures = torch.rand(2, 3, 16, 16, generator=Generator().manual_seed(0))
    drawn = step.draw(2, 16, 1.0, Generator().manual_seed(1))
    shuffled = pictures.flip(-1)
    assert torch.allclose(step.apply(shuffled, drawn, Generator()), step.apply(pictures, drawn, Generator()).flip(-1))
