from __future__ import annotations

import torch

from darnet.models.unet import UNet


def test_the_papers_size() -> None:
    with torch.device("meta"):
        model = UNet()
    assert 30.9e6 < sum(weight.numel() for weight in model.parameters()) < 31.1e6


def test_the_output_is_a_sigmoid() -> None:
    with torch.inference_mode():
        image = UNet(4, 2).eval()(100 * torch.randn(1, 3, 16, 16)).image
    assert image is not None
    assert 0 <= float(image.min()) <= float(image.max()) <= 1


def test_the_output_is_exact_near_white_whatever_the_autocast() -> None:
    model = UNet(4, 1).eval()
    picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    torch.nn.init.constant_(model.output.bias, 4.0)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        image = model(picture).image
    assert image is not None
    assert image.dtype == torch.float32
    assert float(image.min()) > 0.9
    assert len((image * 65535).round().unique()) > 64  # bfloat16 has one value in 256 there


def test_skips_carry_detail() -> None:
    model = UNet(4, 1).eval()
    picture = torch.zeros(1, 3, 8, 8)
    picture[..., 3, 3] = 1
    torch.nn.init.zeros_(model.up[0].weight)  # nothing comes up from below
    with torch.inference_mode():
        changed = (model(picture).image - model(torch.zeros_like(picture)).image).abs()
    assert float(changed.max()) > 0
