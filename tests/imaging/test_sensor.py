"""Laws of a sensor."""

import math

import pytest
import torch
from torch import Generator

from darnet.imaging import sensor


def test_noise_has_the_variance_of_its_light() -> None:
    light = torch.full((2, 1, 300, 300), 0.3)
    shot, read = torch.tensor([0.004, 0.01]), torch.tensor([1e-4, 0.0])
    noisy = sensor.shot_read_noise(light, shot, read, Generator().manual_seed(0))
    assert torch.allclose(noisy.var(dim=(1, 2, 3)), shot * 0.3 + read, rtol=0.02)
    assert torch.allclose(noisy.mean(dim=(1, 2, 3)), torch.tensor([0.3, 0.3]), atol=1e-3)


def test_read_noise_follows_shot_noise_on_a_line() -> None:
    shot, read = sensor.draw_shot_read(4000, Generator().manual_seed(0))
    assert sensor.SHOT[0] <= float(shot.min()) < float(shot.max()) <= sensor.SHOT[1]
    rest = read.log() - (sensor.READ_SLOPE * shot.log() + sensor.READ_OFFSET)
    assert abs(float(rest.mean())) < 0.02
    assert abs(float(rest.std()) - sensor.READ_SPREAD) < 0.02
    assert abs(float(shot.log().mean()) - sum(map(math.log, sensor.SHOT)) / 2) < 0.1


@pytest.mark.parametrize("demosaic", [sensor.demosaic_bilinear, sensor.demosaic_gradient])
def test_demosaicing_keeps_what_was_measured_and_plain_pictures(demosaic) -> None:
    light = torch.rand(2, 3, 11, 14, generator=Generator().manual_seed(0))
    full = demosaic(sensor.mosaic(light))
    assert torch.allclose(full[:, 0, 0::2, 0::2], light[:, 0, 0::2, 0::2])
    assert torch.allclose(full[:, 1, 0::2, 1::2], light[:, 1, 0::2, 1::2])
    assert torch.allclose(full[:, 2, 1::2, 1::2], light[:, 2, 1::2, 1::2])
    plain = torch.tensor([0.2, 0.5, 0.7])[None, :, None, None].expand(1, 3, 12, 9)
    if demosaic is sensor.demosaic_bilinear:
        assert torch.allclose(demosaic(sensor.mosaic(plain)), plain, atol=1e-6)
    grey = torch.full((1, 3, 12, 9), 0.4)
    assert torch.allclose(demosaic(sensor.mosaic(grey)), grey, atol=1e-6)


def test_gradients_sharpen_a_grey_edge() -> None:
    edge = torch.zeros(1, 3, 16, 16)
    edge[..., 7:] = 0.8
    bilinear, gradient = (
        (demosaic(sensor.mosaic(edge)) - edge).square().mean()
        for demosaic in (sensor.demosaic_bilinear, sensor.demosaic_gradient)
    )
    assert float(gradient) < float(bilinear)


def test_hot_pixels_are_as_many_as_was_said_and_never_darker() -> None:
    light = torch.full((2, 1, 200, 200), 0.1)
    hot = sensor.hot_pixels(light, torch.tensor([0.01, 0.0]), Generator().manual_seed(0))
    assert torch.equal(hot[1], light[1])
    assert bool((hot >= light).all())
    assert abs(float((hot[0] > light[0]).float().mean()) - 0.01) < 0.003
