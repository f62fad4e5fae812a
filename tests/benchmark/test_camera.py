"""Laws of what lens, light and sensor do."""

from __future__ import annotations

import pytest
import torch
from torch import Generator

from darnet.benchmark.camera import Defocus, Halved, LongExposure, SensorNoise, ShortExposure, kernel_of
from darnet.degradations import Clean, GaussianBlur
from darnet.imaging.light import to_linear, to_srgb
from darnet.testing import check_degradation

GREY = torch.full((3, 200, 200), 0.5)


def chance() -> Generator:
    return Generator().manual_seed(0)


@pytest.mark.parametrize(
    "damage",
    [
        Defocus((1.0, 4.0)),
        SensorNoise((100.0, 4000.0), (1.0, 5.0)),
        SensorNoise((100.0, 4000.0), (1.0, 5.0), bayer=True),
        LongExposure((0.5, 2.0)),
        LongExposure((0.5, 2.0), 0.5),
        ShortExposure((0.5, 3.0)),
    ],
)
def test_each_is_a_degradation(damage: object) -> None:
    check_degradation(damage)


def test_noise_has_the_variance_of_its_electrons() -> None:
    """In linear light, mid-grey, away from the ends."""
    light = to_linear(GREY[0, 0, 0])
    for damage in (SensorNoise(), SensorNoise((4000.0, 4000.0), (10.0, 10.0))):
        electrons, read = damage.electrons[0], damage.read_electrons[0]
        seen = to_linear(damage(GREY, chance()))
        wanted = light / electrons + (read / electrons) ** 2
        assert float(seen.var()) == pytest.approx(float(wanted), rel=0.05)
        # The severity says the same in sRGB.
        severity = float(damage.severity(torch.tensor([[electrons, read]])))
        assert float(255 * damage(GREY, chance()).std()) == pytest.approx(severity, rel=0.05)


def test_a_mosaic_keeps_flat_colours_and_correlates_noise() -> None:
    flat = torch.tensor([0.2, 0.5, 0.8])[:, None, None].expand(3, 32, 32)
    silent = SensorNoise((1e9, 1e9), (0.0, 0.0), bayer=True)
    torch.testing.assert_close(silent(flat, chance()), flat, atol=1e-3, rtol=0)
    for bayer, low, high in ((False, -0.05, 0.05), (True, 0.2, 0.9)):
        red = SensorNoise(bayer=bayer)(GREY, chance())[0] - 0.5
        neighbours = float((red[:, 1:] * red[:, :-1]).mean() / red.var())
        assert low < neighbours < high


def test_a_stop_is_twice_the_light() -> None:
    ramp = torch.linspace(0, 1, 101).expand(3, 4, 101)
    light = to_linear(ramp)
    torch.testing.assert_close(LongExposure()(ramp, chance()), to_srgb((2 * light).clamp(0, 1)))
    torch.testing.assert_close(ShortExposure()(ramp, chance()), to_srgb(light / 4))


def test_a_shoulder_keeps_what_a_sensor_clips_apart() -> None:
    ramp = torch.linspace(0, 1, 101).expand(3, 4, 101)
    hard, soft = (LongExposure(shoulder=shoulder)(ramp, chance())[0, 0] for shoulder in (1.0, 0.5))
    below = to_linear(ramp[0, 0]) * 2 < 0.5
    torch.testing.assert_close(hard[below], soft[below])
    assert int((hard > 0.9999).sum()) > 10
    assert (soft.diff() > 0).all()
    assert float(soft.max()) < 0.99


def test_levels_are_in_the_units_of_their_kinds() -> None:
    one = torch.tensor([[1.0]])
    assert float(LongExposure().severity(one)) == pytest.approx(
        float(2 * LongExposure()(GREY, chance()).mean()), abs=1e-5
    )
    assert float(ShortExposure().severity(2 * one)) == pytest.approx(
        float(2 * ShortExposure()(GREY, chance()).mean()), abs=1e-5
    )
    assert float(Defocus().severity(3 * one)) == 1.5


@pytest.mark.parametrize("damage", [Defocus(), Defocus((1.5, 1.5)), GaussianBlur((1.5, 1.5))])
def test_the_kernel_is_what_a_point_becomes(damage: Defocus | GaussianBlur) -> None:
    kernel = kernel_of(damage)
    assert kernel is not None
    assert float(kernel.sum()) == pytest.approx(1)
    side, reach = 41, len(kernel) // 2
    point = torch.zeros(3, side, side)
    point[:, side // 2, side // 2] = 1
    middle = slice(side // 2 - reach, side // 2 + reach + 1)
    torch.testing.assert_close(damage(point, chance())[0, middle, middle], kernel.float(), atol=1e-6, rtol=1e-4)
    squares = (torch.arange(len(kernel)) - reach).double() ** 2
    sigma_px = float((kernel.sum(dim=0) * squares).sum().sqrt())
    assert sigma_px == pytest.approx(1.5 if damage != Defocus((1.5, 1.5)) else 0.75, rel=0.1)
    assert kernel_of(Clean()) is None


def test_halving_keeps_flat_pictures_and_removes_what_is_too_fine() -> None:
    torch.testing.assert_close(Halved()(GREY[:, :31, :64], chance()), GREY[:, :15, :32])
    fine = GREY.clone()
    fine[:, ::2] = 1.0
    fine[:, 1::2] = 0.0
    assert float((Halved()(fine, chance())[:, 4:-4] - 0.5).abs().max()) < 0.05
