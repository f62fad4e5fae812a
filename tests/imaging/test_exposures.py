"""Laws of too much and too little light."""

import torch
from torch import Generator

from darnet.imaging import exposures
from darnet.imaging.light import to_linear

RNG = Generator()
PICTURES = torch.rand(2, 3, 12, 12, generator=Generator().manual_seed(0)) * 0.6 + 0.1


def test_gain_is_that_of_the_paper() -> None:
    gain = torch.tensor([1.5, 2.0])
    assert torch.equal(
        exposures.Gain().apply(PICTURES, (gain,), RNG), (PICTURES * gain[:, None, None, None]).clamp(0, 1)
    )


def test_stops_less_are_light_divided() -> None:
    even = torch.zeros(2, 1, 12, 12)
    dark = exposures.TooShort().apply(PICTURES, (torch.tensor([1.0, 3.0]), torch.ones(2), even), RNG)
    factors = torch.tensor([0.5, 0.125])[:, None, None, None]
    assert torch.allclose(to_linear(dark), to_linear(PICTURES) * factors, atol=1e-3)


def test_a_lamp_leaves_its_place_bright() -> None:
    light = torch.zeros(2, 1, 12, 12)
    light[..., :6] = 1
    for step in (exposures.TooShort(), exposures.Dimmed()):
        dark = step.apply(PICTURES, (torch.full((2,), 3.0), torch.ones(2), light), RNG)
        assert torch.allclose(dark[..., :6], PICTURES[..., :6], atol=1e-3)
        assert float(dark[..., 6:].mean()) < 0.6 * float(PICTURES[..., 6:].mean())


def test_levels_say_what_mid_tones_are_multiplied_by() -> None:
    grey = torch.full((1, 3, 4, 4), 0.35)
    drawn = (torch.tensor([1.0]), torch.ones(1))
    step = exposures.TooLong()
    assert abs(float(step.apply(grey, drawn, RNG).mean()) / 0.35 - float(step.severity(drawn))) < 0.07
