"""Laws of light."""

import torch
from torch import Generator

from darnet.imaging.light import expose, to_linear, to_srgb

PICTURES = torch.rand(3, 3, 9, 7, generator=Generator().manual_seed(0))


def test_linear_light_and_srgb_are_inverse() -> None:
    assert torch.allclose(to_srgb(to_linear(PICTURES)), PICTURES, atol=1e-5)
    levels = torch.arange(256) / 255
    assert torch.equal((to_srgb(to_linear(levels)) * 255).round(), torch.arange(256).float())


def test_middle_grey_is_a_fifth_of_the_light() -> None:
    assert abs(float(to_linear(torch.tensor(0.5))) - 0.2140) < 1e-4


def test_a_stop_is_twice_the_light_until_it_is_clipped() -> None:
    stops = torch.tensor([1.0, -2.0, 0.0])
    light = to_linear(expose(PICTURES, stops))
    expected = (to_linear(PICTURES) * torch.tensor([2.0, 0.25, 1.0])[:, None, None, None]).clamp(max=1)
    assert torch.allclose(light, expected, atol=1e-4)


def test_a_shoulder_leaves_shadows_alone_and_never_reaches_white() -> None:
    ramp = torch.linspace(0, 1, 400)[None, None, None].expand(1, 3, 1, 400)
    stops = torch.tensor([1.0])
    hard, soft = expose(ramp, stops), expose(ramp, stops, torch.tensor([0.5]))
    assert float(hard.max()) > 0.999999
    assert float(soft.max()) < 0.999
    below = to_linear(ramp) * 2 <= 0.5
    assert torch.allclose(hard[below], soft[below], atol=1e-5)
    assert bool((soft[0, 0, 0].diff() >= 0).all())
    assert float(soft[0, 0, 0].diff().abs().max()) < 0.02  # no step where it begins
