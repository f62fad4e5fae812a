from __future__ import annotations

import pyvips
import torch
from torch import Generator, Tensor

from darnet.degradations import Jpeg
from darnet.degradations.jpeg import compressed


def smooth(height: int = 48, width: int = 64) -> Tensor:
    y, x = torch.linspace(0, 3, height)[:, None], torch.linspace(0, 4, width)[None, :]
    planes = [0.5 + 0.4 * torch.sin(3 * x + k) * torch.cos(2 * y - k) for k in range(3)]
    return torch.stack(planes)[None]


def test_it_is_what_another_codec_decodes() -> None:
    """libvips reads a file of that quality to the same pixels, but for its smoother colours."""
    picture = smooth()
    array = (picture[0] * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
    coded = pyvips.Image.new_from_array(array).jpegsave_buffer(Q=30, subsample_mode="on")
    wanted = torch.from_numpy(pyvips.Image.jpegload_buffer(coded).numpy()).permute(2, 0, 1) / 255
    found = Jpeg().apply(picture, torch.tensor([[30.0]]), Generator())[0]
    assert float((found - wanted).abs().mean()) < 1 / 255


def test_lower_qualities_lose_more() -> None:
    picture = (smooth() + 0.1 * torch.rand(1, 3, 48, 64, generator=Generator().manual_seed(0))).clamp(0, 1)
    qualities = (5.0, 20.0, 60.0, 95.0)
    found = compressed(picture.expand(4, -1, -1, -1), torch.tensor(qualities))
    errors = (found - picture).square().mean(dim=(1, 2, 3)).tolist()
    assert errors == sorted(errors, reverse=True)
    assert errors[3] < 1e-3 < errors[0]


def test_flat_blocks_show_at_low_quality() -> None:
    """Neighbours differ more across the borders of 8 × 8 blocks than inside."""
    ramp = torch.linspace(0.2, 0.8, 128).expand(1, 1, 32, 128)
    steps = compressed(ramp, torch.tensor([2.0])).diff(dim=3).abs().mean(dim=(0, 1, 2))
    assert float(steps[7::8].mean()) > 3 * float(torch.cat([steps[i::8] for i in (2, 3, 4)]).mean())


def test_grey_is_one_channel() -> None:
    grey = smooth()[:, :1]
    assert compressed(grey, torch.tensor([50.0])).shape == grey.shape
