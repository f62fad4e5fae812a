from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import pytorch_msssim
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from darnet.images.metrics import Window, ms_ssim, psnr, ssim

SCIKIT_OPTIONS: dict[Window, dict] = {
    "valid": {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False},
    "uniform": {},
}
WINDOWS: tuple[Window, ...] = ("gaussian", "uniform", "valid")
SIZES = [(161, 161), (200, 211), (193, 300)]


def pair(channels: int = 3, height: int = 37, width: int = 31, batch: int = 3) -> tuple[Tensor, Tensor]:
    """Smooth pictures and the same ones under noise of three levels, clipped."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(batch, channels, 5, 4, generator=generator)
    clean = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear", align_corners=True)
    level = torch.tensor([0.02, 0.1, 0.3]).repeat(batch)[:batch].view(-1, 1, 1, 1)
    return (clean + level * torch.randn(clean.shape, generator=generator)).clamp(0, 1), clean


def scikit(function, restored: Tensor, clean: Tensor, **options) -> Tensor:
    pairs = zip(restored.double().numpy(), clean.double().numpy(), strict=True)
    return torch.tensor([float(function(c, r, data_range=1.0, **options)) for r, c in pairs])


@pytest.mark.parametrize("channels", [1, 3])
def test_psnr_is_that_of_scikit_image(channels: int):
    restored, clean = pair(channels)
    expected = scikit(peak_signal_noise_ratio, restored, clean)
    torch.testing.assert_close(psnr(restored, clean), expected, atol=1e-4, rtol=0)


def test_psnr_of_a_known_error():
    clean = torch.full((1, 3, 8, 8), 0.5)
    assert psnr(clean + 0.1, clean).item() == pytest.approx(20.0, abs=1e-4)


def test_psnr_of_identical_pictures_is_infinite_and_spares_the_others():
    restored, clean = pair()
    restored[1] = clean[1]
    assert psnr(restored, clean).isinf().tolist() == [False, True, False]
    assert psnr(clean, clean).tolist() == [math.inf] * 3


@pytest.mark.parametrize("window", SCIKIT_OPTIONS)
@pytest.mark.parametrize(("channels", "height", "width"), [(3, 37, 31), (1, 37, 31), (3, 11, 11), (3, 11, 40)])
def test_ssim_is_that_of_scikit_image(window: Window, channels: int, height: int, width: int):
    restored, clean = pair(channels, height, width)
    expected = scikit(structural_similarity, restored, clean, channel_axis=0, **SCIKIT_OPTIONS[window])
    torch.testing.assert_close(ssim(restored, clean, window), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(37, 31), (11, 40)])
def test_ssim_where_the_window_fits_is_that_of_pytorch_msssim(height: int, width: int):
    restored, clean = pair(3, height, width)
    expected = pytorch_msssim.ssim(restored, clean, data_range=1.0, size_average=False)
    torch.testing.assert_close(ssim(restored, clean, "valid"), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("channels", "height", "width"), [(3, 37, 31), (1, 37, 31), (3, 11, 40)])
def test_ssim_and_psnr_are_those_of_torchmetrics(channels: int, height: int, width: int):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what torchmetrics warns of while it is imported is not ours
        from torchmetrics.functional.image import peak_signal_noise_ratio as other_psnr
        from torchmetrics.functional.image import structural_similarity_index_measure as other_ssim
    restored, clean = pair(channels, height, width)
    expected = other_ssim(restored, clean, data_range=1.0, reduction="none")
    torch.testing.assert_close(ssim(restored, clean), expected, atol=1e-4, rtol=0)
    expected = other_psnr(restored, clean, data_range=1.0, dim=(1, 2, 3), reduction="none")
    torch.testing.assert_close(psnr(restored, clean), expected, atol=1e-4, rtol=0)


def test_the_windows_differ():
    restored, clean = pair()
    gaussian, uniform, valid = (ssim(restored, clean, window) for window in WINDOWS)
    for one, other in ((gaussian, uniform), (gaussian, valid), (uniform, valid)):
        assert ((one - other).abs() > 1e-4).all()


@pytest.mark.parametrize("window", WINDOWS)
def test_ssim_of_identical_pictures_is_one(window: Window):
    _, clean = pair()
    torch.testing.assert_close(ssim(clean, clean, window), torch.ones(3))


def test_a_batch_is_scored_picture_by_picture():
    restored, clean = pair(height=161, width=170)
    for function in (psnr, ssim, ms_ssim):
        singles = torch.cat([function(r[None], c[None]) for r, c in zip(restored, clean, strict=True)])
        torch.testing.assert_close(function(restored, clean), singles)


@pytest.mark.parametrize("window", WINDOWS)
def test_ssim_has_the_right_gradient(window: Window):
    restored, clean = pair(channels=1, height=12, width=13, batch=1)
    restored = restored.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: ssim(x, clean.double(), window), restored)


def test_climbing_ssim_repairs_a_picture():
    restored, clean = pair()
    noisy = restored.clone().requires_grad_()
    before = ssim(noisy, clean)
    before.sum().backward()
    assert (ssim(noisy.detach() + 0.5 * noisy.grad, clean) > before).all()


def test_autocast_and_half_precision_do_not_coarsen_the_figures():
    restored, clean = pair(height=161, width=161)
    for function in (ssim, ms_ssim):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            inside = function(restored, clean)
        torch.testing.assert_close(inside, function(restored, clean))
    half_restored, half_clean = restored.bfloat16(), clean.bfloat16()
    for function in (psnr, ssim, ms_ssim):
        assert function(half_restored, half_clean).dtype == torch.float32
        torch.testing.assert_close(
            function(half_restored, half_clean), function(half_restored.float(), half_clean.float())
        )


@pytest.mark.parametrize("function", [psnr, ssim, ms_ssim])
def test_what_would_broadcast_is_refused(function):
    restored, clean = pair()
    with pytest.raises(ValueError, match="differ in shape"):
        function(restored, clean[:1])
    with pytest.raises(ValueError, match=r"\(B, C, H, W\)"):
        function(restored[0], clean[0])


def test_ssim_refuses_small_pictures_and_unknown_windows():
    tiny = torch.zeros(1, 3, 10, 40)
    for window in ("gaussian", "valid"):
        with pytest.raises(ValueError, match=f"{window} window needs at least 11 pixels a side, got 10×40"):
            ssim(tiny, tiny, window)
    assert ssim(tiny, tiny, "uniform").item() == 1
    with pytest.raises(ValueError, match="no SSIM window called 'box'"):
        ssim(tiny, tiny, "box")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_ms_ssim_is_that_of_pytorch_msssim(channels: int, height: int, width: int):
    restored, clean = pair(channels, height, width)
    expected = pytorch_msssim.ms_ssim(restored, clean, data_range=1.0, size_average=False)
    torch.testing.assert_close(ms_ssim(restored, clean), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_ms_ssim_of_identical_pictures_is_one_and_noise_lowers_it(height: int, width: int):
    restored, clean = pair(height=height, width=width)
    torch.testing.assert_close(ms_ssim(clean, clean), torch.ones(3))
    weak, middle, strong = ms_ssim(restored, clean).tolist()
    assert 1 > weak > middle > strong > 0


def test_what_ms_ssim_finds_inverted_counts_as_zero():
    _, clean = pair(height=161, width=161)
    assert ms_ssim(1 - clean, clean).tolist() == [0, 0, 0]


@pytest.mark.parametrize(("height", "width"), [(160, 161), (400, 37)])
def test_ms_ssim_refuses_small_pictures(height: int, width: int):
    restored, clean = pair(height=height, width=width)
    with pytest.raises(ValueError, match=f"ms_ssim needs at least 161 pixels a side, got {height}×{width}"):
        ms_ssim(restored, clean)


def test_nothing_is_mutated():
    restored, clean = pair(height=161, width=161)
    copies = restored.clone(), clean.clone()
    psnr(restored, clean), ssim(restored, clean), ms_ssim(restored, clean)
    assert np.array_equal(restored, copies[0])
    assert np.array_equal(clean, copies[1])


@pytest.mark.parametrize("device", ["cpu", *(["cuda"] if torch.cuda.is_available() else [])])
def test_figures_are_those_of_double_precision_on_any_device(device: str):
    restored, clean = pair(height=170, width=181)
    functions = (psnr, ms_ssim, *(lambda x, y, window=window: ssim(x, y, window) for window in WINDOWS))
    for function in functions:
        expected = function(restored.double(), clean.double())
        found = function(restored.to(device), clean.to(device))
        torch.testing.assert_close(found.double().cpu(), expected, atol=1e-4, rtol=0)
